"""Networks of one's own at real size: one delegate, 20 dB an output at INT8, and not slower than
their published form. ResNet-50 with CoT layers, whose layers dominate, is twice as fast.
"""

from pathlib import Path

import pytest

from export_targets.pipeline import build
from export_targets.profile.profile import Settings, profile_all
from export_targets.progress import silent_reporter
from export_targets.request import BuildRequest
from tests.export_targets import own_real_size
from tests.photographs import write_calibration

LEAST_DB = 20.0
NETWORKS = {  # size, the least speed in shares of the published form's, layers recognized
    "resnet50_cot": ((224, 224), 2.0, {"CoTLayer": 16}),
    "yolov5s_cot": ((320, 320), 1.0, {"CoTLayer": 8}),
    "conformer_maps": ((224, 224), 1.0, {"Conformer": 1}),
}


@pytest.mark.full
@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_one_delegate_precise_and_fast(name: str, tmp_path: Path) -> None:
    size, speed, layers = NETWORKS[name]
    network = getattr(own_real_size, name)()
    write_calibration(tmp_path / "photographs")
    request = BuildRequest(
        model=name,
        target="xnnpack",
        recipe="int8",
        module=network,
        size=size,
        calibration=str(tmp_path / "photographs"),
        out=tmp_path / "artifact",
    )
    result = build(request, silent_reporter())
    assert result.manifest.delegation.whole
    recognized = result.manifest.recognized
    assert recognized is not None
    kinds = [item.kind for item in recognized]
    assert {kind: kinds.count(kind) for kind in kinds} == layers
    assert result.parity is not None
    hops = {hop.name: hop for hop in result.parity.hops}
    assert all((hops[hop].sqnr_db or 0) >= LEAST_DB for hop in ("quantize", "lower", "chain"))
    settings = Settings(iterations=30, warmup=5, threads=1)
    measured = profile_all([result.folder], "published", None, settings, silent_reporter(), network)
    (ratio,) = measured.ratios
    assert ratio.value >= speed
