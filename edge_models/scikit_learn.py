"""The data files inside scikit-learn. Nothing else of it is used: importing it takes a second."""

from importlib.metadata import distribution
from pathlib import Path


def data_file(name: str) -> Path:
    """A file of ``sklearn/datasets``. Raises PackageNotFoundError where it is not installed."""
    return Path(str(distribution("scikit-learn").locate_file(f"sklearn/datasets/{name}")))
