"""A network of one's own in edge form: the layers that are known, and exact rewrites of the rest.

``network_edge_form`` reads from top to bottom: trace the calls of a copy's modules, replace the
layers that are recognized and proven by running, export, rewrite the graph.
"""

import copy

import torch
from torch import nn

from edge_models.edge.forms import Forms
from edge_models.edge.network.calls import calls_of
from edge_models.edge.network.program import Program
from edge_models.edge.network.recognition import Recognized, replace_known
from edge_models.edge.network.rewrites import rewrite
from edge_models.errors import InputError
from edge_models.spec import Size

__all__ = ["Recognized", "network_edge_form"]

IMAGE_SEED = 0


def network_edge_form(
    module: nn.Module, size: Size, batch: int, forms: Forms
) -> tuple[nn.Module, tuple[Recognized, ...]]:
    """The edge form of a network for images (B, 3, H, W), static for (H, W) = ``size`` and
    ``batch``, and what became of each layer that looked like a known one.

    The result returns what ``module`` returns, in the same structure, and its graph's nodes keep
    the paths of the modules of ``module``, which itself is not changed. Raises InputError where it
    cannot be copied, and what ``module`` or torch.export raises where it does not run or export.
    """
    image = torch.randn(batch, 3, *size, generator=torch.Generator().manual_seed(IMAGE_SEED))
    try:
        network = copy.deepcopy(module)
    except RuntimeError as error:
        raise InputError(
            f"The network cannot be copied: {error}.",
            "Hold its tensors as parameters or buffers, not as results of a computation.",
        ) from error
    with torch.no_grad():
        calls = calls_of(network, (image.clone(),))
        network, recognized = replace_known(network, calls, forms)
        program = Program(torch.export.export(network, (image,)))
        rewrite(program, forms)
    return program.module(), recognized
