"""Seeded random weights that behave like trained ones, for a model without a checkpoint."""

import copy

import torch
from torch import Tensor, nn

from edge_models.images import preprocess_all
from edge_models.photographs import photographs, views
from edge_models.spec import ModelSpec
from edge_models.turned_weights import products, turned_weights

VIEWS = 32  # that the statistics are measured on
LARGEST_SIDE = 128  # of a view in pixels: a pass at 224 takes three times as long
VIEWS_SEED = 1  # views that parity is not judged on
BRANCH_GAIN = 0.25  # of residual branches in trained networks, about
# How near logits come to one deviation: with 0 few classes are ever first, with 1 the first two of
# 1,000 are nearer to each other than a trained head's (docs/recipes.md counts the classes).
HEAD_POWER = 0.3
BRANCH_ENDS = ("bn3", "attn.proj", "mlp.fc2")  # the last layers of residual branches
MOST_KEPT = 2  # models, in the process
HEADS = ("fc", "conv_cls_head", "trans_cls_head")

_KEPT: dict[tuple[str, str, int], nn.Module] = {}


def random_reference(spec: ModelSpec, seed: int) -> nn.Module:
    """The reference of a spec in evaluation mode, with seeded random weights.

    Drawn at random alone, a network of many layers answers the same whatever it is shown. So on
    views of photographs each layer's weights but the heads' are turned to what reaches it, each
    batch norm is set to its statistics, residual branches have the small gain that training gives
    them, and each logit has a mean of zero and about the deviation of the others, so that no class
    wins everywhere.
    """
    key = (spec.name, repr(sorted(spec.config.items())), seed)
    if key not in _KEPT:
        if len(_KEPT) == MOST_KEPT:
            _KEPT.pop(next(iter(_KEPT)))
        _KEPT[key] = _made(spec, seed)
    return copy.deepcopy(_KEPT[key])


@torch.no_grad()
def quieten_branches(network: nn.Module, ends: tuple[str, ...]) -> None:
    """Give residual branches, whose last layers are named by ``ends``, the gain of trained ones."""
    for name, layer in network.named_modules():
        if name.endswith(ends):
            for parameter in layer.parameters(recurse=False):
                parameter.mul_(BRANCH_GAIN)


def _made(spec: ModelSpec, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        module = spec.build(**spec.config)
        for layer in module.modules():
            if isinstance(layer, (nn.BatchNorm2d, nn.LayerNorm)):
                layer.weight.uniform_(0.7, 1.3)
                layer.bias.normal_(0.0, 0.1)
        quieten_branches(module, BRANCH_ENDS)
        layers = [layer for name, layer in products(module) if name not in HEADS]
        with turned_weights(layers, seed):
            _measure(module.eval(), _inputs(spec))
    return module


def _measure(module: nn.Module, inputs: Tensor) -> None:
    """Set batch norms to the statistics of what reaches them, and level the heads' logits."""
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum, kept = None, norm.momentum  # the average over all passes: of this one
        norm.train()
    heads = [layer for name, layer in module.named_modules() if name in HEADS]
    hooks = [head.register_forward_hook(_level) for head in heads]
    module(inputs)
    for hook in hooks:
        hook.remove()
    for norm in norms:
        norm.momentum = kept
        norm.eval()


def _level(head: nn.Module, _: tuple[Tensor, ...], logits: Tensor) -> None:
    assert isinstance(head, nn.Linear)
    deviation, mean = torch.std_mean(logits, 0)
    scale = (deviation.mean() / deviation) ** HEAD_POWER
    head.weight.mul_(scale[:, None])
    head.bias.sub_(mean).mul_(scale)


def _inputs(spec: ModelSpec) -> Tensor:
    """Views (N, 3, H, W) of photographs as the model takes them, of a side that costs little."""
    height, width = (min(side, LARGEST_SIDE) for side in spec.input.size)
    images = views(photographs(), VIEWS, VIEWS_SEED)
    return preprocess_all(images, spec.input, (height, width))
