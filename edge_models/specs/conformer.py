"""Conformer, also by mmpretrain's names."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edge_models.spec import DIGITS_INPUT, DIGITS_LABELS, FloatRule, ModelSpec, Shape

if TYPE_CHECKING:
    from edge_models.reference import Conformer


def build(**config: Any) -> "Conformer":
    """The reference module."""
    from edge_models.reference import Conformer

    return Conformer(**config)


def read_config(shapes: Mapping[str, Shape]) -> dict[str, Any]:
    """Constructor arguments that the tensors' shapes tell: classes and channel ratio."""
    config = {}
    head = shapes.get("conv_cls_head.weight", ())
    if len(head) == 2:
        config["num_classes"] = head[0]
        if head[1] % 256 == 0:  # (classes, 4 * base_channel * channel_ratio), base_channel 64
            config["channel_ratio"] = head[1] // 256
    return config


def read_digits_config(shapes: Mapping[str, Shape]) -> dict[str, Any]:
    """As ``read_config``; the embedded model's narrow convolution branch is fixed."""
    return {key: value for key, value in read_config(shapes).items() if key == "num_classes"}


def from_mmpretrain(key: str) -> str:
    """The published name of one of mmpretrain's keys; a published name is returned as it is."""
    key = key.removeprefix("backbone.").removeprefix("head.")
    for theirs, published in (
        (".ln1.", ".norm1."),
        (".ln2.", ".norm2."),
        (".ffn.layers.0.0.", ".mlp.fc1."),
        (".ffn.layers.1.", ".mlp.fc2."),
    ):
        key = key.replace(theirs, published)
    return key


FLOAT_RULES = (
    FloatRule(
        "patch",
        "its tokens run through the whole residual stream: 2 dB of 34, for 1 % of the products",
        recipes=("int8_mixed",),
    ),
    FloatRule(
        "squeeze_block",
        "couples the branches: with its twin in INT8 a trained Conformer changes 6 of 500 "
        "predictions instead of 2, for 3 % of the products",
        recipes=("int8_mixed",),
    ),
    FloatRule("expand_block", "as squeeze_block", recipes=("int8_mixed",)),
)


def _published(name: str, **config: int) -> ModelSpec:
    return ModelSpec(
        name=name,
        family="conformer",
        build=build,
        config={**config, "num_classes": 1000},
        read_config=read_config,
        published_key=from_mmpretrain,
        float_rules=FLOAT_RULES,
        two_heads=True,
    )


SPECS = (
    _published("conformer_tiny_patch16", channel_ratio=1, embed_dim=384, num_heads=6),
    _published("conformer_small_patch16", channel_ratio=4, embed_dim=384, num_heads=6),
    _published("conformer_base_patch16", channel_ratio=6, embed_dim=576, num_heads=9),
    ModelSpec(
        name="digits_conformer",
        family="conformer",
        build=build,
        config={
            "base_channel": 16,
            "channel_ratio": 1,
            "embed_dim": 48,
            "depth": 4,
            "num_heads": 3,
            "num_classes": 10,
        },
        read_config=read_digits_config,
        input=DIGITS_INPUT,
        labels=DIGITS_LABELS,
        float_rules=FLOAT_RULES,
        two_heads=True,
        embedded="digits_conformer.safetensors",
        digits=True,
    ),
)
