"""Where work is done: the cores of this machine, or a Ray cluster."""

import os
from typing import Any

from edge_models.errors import InputError
from edge_models.registry import named


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cluster(on: str) -> Any:
    """Ray, connected: to the cluster at ``RAY_ADDRESS``, else to one of this machine alone. Raises
    InputError for another place than "ray", and where Ray is not installed.
    """
    named({"ray": None}, "place to work on", on)
    try:
        import ray
    except ImportError as error:
        raise InputError("Ray is not installed.", "pip install 'edgeform[ray]'") from error
    if not ray.is_initialized():
        address = "auto" if "RAY_ADDRESS" in os.environ else None
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    return ray
