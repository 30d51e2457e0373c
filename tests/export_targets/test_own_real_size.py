"""Networks of one's own at real size: their layers are recognized, and the file is one delegate."""

from collections import Counter
from pathlib import Path

import pytest

from export_targets.pipeline import build
from export_targets.progress import silent_reporter
from export_targets.request import BuildRequest
from tests.benchmarks.own import NETWORKS, network_named
from tests.photographs import write_calibration

LAYERS = {
    "resnet50_cot": {"CoTLayer": 16},
    "yolov5s_cot": {"CoTLayer": 8},
    "conformer_maps": {"Conformer": 1},
}
# What every INT8 hop of weights that were never trained must reach, in dB: measured 14.6, 3.8 and
# 8.4, where a constant answer has 0. The aim of 20, a build's gate, is missed.
INT8_FLOOR_DB = {"resnet50_cot": 12.0, "yolov5s_cot": 2.5, "conformer_maps": 7.0}


@pytest.mark.full
@pytest.mark.usefixtures("no_search_for_a_layer")
@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_one_delegate_of_recognized_layers(name: str, tmp_path: Path) -> None:
    write_calibration(tmp_path / "photographs")
    request = BuildRequest(
        model=name,
        target="xnnpack",
        recipe="int8",
        module=network_named(name),
        size=NETWORKS[name],
        calibration=str(tmp_path / "photographs"),
        out=tmp_path / "artifact",
    )
    result = build(request, silent_reporter())
    assert result.manifest.delegation.whole
    assert result.manifest.recognized is not None
    assert Counter(item.kind for item in result.manifest.recognized) == LAYERS[name]
    assert result.parity is not None
    hops = {hop.name: hop for hop in result.parity.hops}
    assert hops["edge"].status == "passed"
    reached = [hops[hop].sqnr_db or 0 for hop in ("quantize", "lower", "chain")]
    assert min(reached) >= INT8_FLOOR_DB[name]
