"""CoTNet with the simplified CoT layer."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edge_models.spec import DIGITS_INPUT, DIGITS_LABELS, ModelSpec, Shape

if TYPE_CHECKING:
    from edge_models.reference import CoTNet


def build(**config: Any) -> "CoTNet":
    """The reference module."""
    from edge_models.reference import CoTNet

    return CoTNet(**config)


def read_config(shapes: Mapping[str, Shape]) -> dict[str, Any]:
    """Constructor arguments that the tensors' shapes tell: classes and groups."""
    config = {}
    head = shapes.get("fc.weight", ())
    if len(head) == 2:
        config["num_classes"] = head[0]
    key = shapes.get("layer1.0.conv2.key_embed.0.weight", ())
    if len(key) == 4 and key[1] > 0:
        config["groups"] = key[0] // key[1]  # weight: (dim, dim / groups, k, k)
    return config


SPECS = (
    ModelSpec(
        name="cotnet50_simple",
        family="cotnet",
        build=build,
        config={"layers": (3, 4, 6, 3), "width": 64, "groups": 1, "num_classes": 1000},
        read_config=read_config,
    ),
    ModelSpec(
        name="digits_cotnet_simple",
        family="cotnet",
        build=build,
        config={"layers": (2, 1, 1, 1), "width": 12, "groups": 1, "num_classes": 10},
        read_config=read_config,
        input=DIGITS_INPUT,
        labels=DIGITS_LABELS,
        embedded="digits_cotnet_simple.safetensors",
        digits=True,
    ),
)
