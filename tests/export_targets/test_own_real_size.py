"""Networks of one's own at real size: their layers are recognized, the file is one delegate, and
each output reaches the gate of a build.
"""

from collections import Counter
from pathlib import Path

import pytest

from export_targets.pipeline import build
from export_targets.progress import silent_reporter
from export_targets.request import BuildRequest
from tests.benchmarks.own import network_named
from tests.benchmarks.own_real_size import NETWORKS
from tests.photographs import write_views_of_all

LAYERS = {
    "resnet50_cot": {"CoTLayer": 16},
    "yolov5s_cot": {"CoTLayer": 8},
    "conformer_maps": {"Conformer": 1},
}
INT8_FLOOR_DB = 20.0  # of every output in every INT8 hop: the gate of a build


@pytest.mark.full
@pytest.mark.usefixtures("no_search_for_a_layer")
@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_one_delegate_of_recognized_layers(name: str, tmp_path: Path) -> None:
    write_views_of_all(tmp_path / "photographs")
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
    for hop in result.parity.hops:  # docs/own-network.md has them
        each = [f"{tensor.name} {tensor.sqnr_db:.1f}" for tensor in hop.tensors]
        print(name, hop.name, f"{hop.sqnr_db:.1f} dB", *each)
    hops = {hop.name: hop for hop in result.parity.hops}
    assert result.problems == ()
    reached = [hops[hop].sqnr_db or 0 for hop in ("quantize", "lower", "chain")]
    assert min(reached) >= INT8_FLOOR_DB, reached
