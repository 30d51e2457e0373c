"""Real-size builds at 224 with random weights, calibrated and judged on different photographs."""

from pathlib import Path

import pytest

from edge_models.parity import Hop
from export_targets.pipeline import build
from export_targets.progress import silent_reporter
from export_targets.request import BuildRequest
from tests.photographs import write_calibration

ALWAYS = ("cotnet50_simple", "int8")
MODELS = (
    "cotnet50_simple",
    "conformer_tiny_patch16",
    "conformer_small_patch16",
    "conformer_base_patch16",
    "cotnet50",
    "cotnet101",
    "cotnext50_2x48d",
    "se_cotnetd_50",
)
OFFICIAL = [("cotnet50", "fp16"), ("cotnet50", "int8")]
VULKAN = [
    *(("cotnet50_simple", recipe) for recipe in ("fp32", "fp16", "int8")),
    *(("conformer_small_patch16", recipe) for recipe in ("fp32", "fp16", "int8")),
    ("conformer_tiny_patch16", "fp32"),
    ("conformer_base_patch16", "fp32"),
    *OFFICIAL,
]
CASES = [
    pytest.param(
        *("xnnpack", model, recipe), marks=() if (model, recipe) == ALWAYS else pytest.mark.full
    )
    for model in MODELS
    for recipe in ("fp32", "int8", "int8_mixed", "int8_dynamic")
]
CASES += [pytest.param("vulkan", *case, marks=pytest.mark.full) for case in VULKAN]
CASES += [pytest.param("coreml", *case, marks=pytest.mark.full) for case in OFFICIAL]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    write_calibration(folder)
    return folder


@pytest.mark.usefixtures("no_search_for_a_layer")
@pytest.mark.parametrize(("target", "model", "recipe"), CASES)
def test_real_size_build_is_whole_and_within_its_gates(
    target: str, model: str, recipe: str, photographs: Path, tmp_path: Path
) -> None:
    request = BuildRequest(
        model=model,
        target=target,
        recipe=recipe,
        calibration=str(photographs),
        out=tmp_path / "artifact",
    )
    result = build(request, silent_reporter())

    assert result.manifest.delegation.whole
    assert result.parity is not None
    hops: dict[str, Hop] = {hop.name: hop for hop in result.parity.hops}
    assert hops["edge"].sqnr_db is not None
    assert hops["edge"].sqnr_db >= 100
    assert result.problems == ()
