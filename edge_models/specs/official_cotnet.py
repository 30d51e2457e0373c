"""The official family, CoTNet, CoTNeXt and SE-CoTNetD."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from edge_models.spec import DIGITS_INPUT, DIGITS_LABELS, ModelSpec, Shape

if TYPE_CHECKING:
    from edge_models.reference.official_cotnet import Classifier, OfficialCoTNet, SECoTNetD


def build_cotnet(**config: Any) -> "OfficialCoTNet":
    """The reference module of CoTNet and CoTNeXt."""
    from edge_models.reference.official_cotnet import OfficialCoTNet

    return OfficialCoTNet(**config)


def build_se_cotnetd(**config: Any) -> "SECoTNetD":
    """The reference module of SE-CoTNetD."""
    from edge_models.reference.official_cotnet import SECoTNetD

    return SECoTNetD(**config)


def read_config(shapes: Mapping[str, Shape]) -> dict[str, Any]:
    """Constructor arguments that the tensors' shapes tell: classes."""
    head = shapes.get("fc.weight", ())
    return {"num_classes": head[0]} if len(head) == 2 else {}


def _spec(name: str, build: Callable[..., "Classifier"], **config: Any) -> ModelSpec:
    return ModelSpec(
        name=name,
        family="official_cotnet",
        build=build,
        config={**config, "width": 64, "num_classes": 1000},
        read_config=read_config,
    )


SPECS = (
    _spec("cotnet50", build_cotnet, layers=(3, 4, 6, 3), next=False),
    _spec("cotnet101", build_cotnet, layers=(3, 4, 23, 3), next=False),
    _spec("cotnext50_2x48d", build_cotnet, layers=(3, 4, 6, 3), next=True),
    _spec("cotnext101_2x48d", build_cotnet, layers=(3, 4, 23, 3), next=True),
    _spec("se_cotnetd_50", build_se_cotnetd, layers=(3, 4, 6, 3), stem_width=32, blur=False),
    _spec("se_cotnetd_101", build_se_cotnetd, layers=(3, 4, 23, 3), stem_width=64, blur=False),
    _spec("se_cotnetd_152", build_se_cotnetd, layers=(3, 8, 36, 3), stem_width=64, blur=True),
    ModelSpec(
        name="digits_cotnet",
        family="official_cotnet",
        build=build_cotnet,
        config={"layers": (1, 1, 1, 1), "width": 16, "next": False, "num_classes": 10},
        read_config=read_config,
        input=DIGITS_INPUT,
        labels=DIGITS_LABELS,
        embedded="digits_cotnet.safetensors",
        digits=True,
    ),
)
