"""``build --agreement`` and ``sensitivity`` on the embedded models, and what they refuse."""

from dataclasses import replace
from pathlib import Path

import pytest

import edgeform as api
from export_targets.artifact.folder import open_artifact
from export_targets.artifact.manifest import Manifest
from export_targets.artifact.sensitivity import read_sensitivity
from export_targets.pipeline import BuildResult
from export_targets.plan import choose_images, resolve
from export_targets.progress import silent_reporter
from export_targets.search.agreement import SENSITIVITY_SAMPLES
from export_targets.search.images import to_agree_on
from export_targets.search.search import Search, Trial
from export_targets.search.sensitivity import Costs
from tests.conftest import SMALL, Built, Copied, EdgeformInProcess
from tests.digit_images import write_digits
from tests.export_targets.search.conftest import Planted
from tests.faults import swap_channels

pytestmark = pytest.mark.usefixtures("runner_here")
ASKED = 0.97


@pytest.fixture(scope="module")
def agreed(built: Built) -> BuildResult:
    return built(SMALL, "xnnpack", "int8", agreement=ASKED)


def test_a_build_agrees_as_asked_on_images_that_its_search_did_not_see(
    agreed: BuildResult, tmp_path: Path
) -> None:
    assert agreed.problems == ()
    found = agreed.manifest.agreement
    assert found is not None
    assert (found.asked, found.searched, found.judged) == (ASKED, 225, 225)
    assert found.interval[0] >= ASKED
    stayed = {m.module for m in agreed.manifest.float_modules if "--agreement" in m.rule}
    assert all(any(f"{m}.".startswith(f"{path}.") for path in found.modules) for m in stayed)
    assert bool(stayed) == bool(found.modules)
    assert Manifest.model_validate_json(agreed.manifest.model_dump_json()) == agreed.manifest
    page = api.report([agreed.folder], tmp_path / "page.html").read_text()
    assert "What each module costs in INT8" in page
    assert "Agreement asked for" in page
    kept = read_sensitivity(open_artifact(agreed.folder))
    assert kept is not None
    assert kept.samples == SENSITIVITY_SAMPLES
    assert all(row.alone is None and row.macs > 0 for row in kept.modules)


@pytest.mark.parametrize(("fewer", "remedy"), [(0, "less"), (1, "more")])
def test_a_wrong_file_does_not_agree(
    fewer: int,
    remedy: str,
    planted: Planted,
    edgeform: EdgeformInProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where all images of the search agree, a search for more would find the same."""
    planted(swap_channels)
    run = Search.run

    def found(self: Search, costs: Costs) -> Trial:
        trial = run(self, costs)
        assert trial.kept == trial.samples
        return replace(trial, kept=trial.kept - fewer)

    monkeypatch.setattr(Search, "run", found)
    out = tmp_path / "out"
    options = ("--recipe", "int8", "--agreement", str(ASKED), "--out", str(out))
    ran = edgeform("build", SMALL, "--target", "xnnpack", *options)
    assert ran.code == 1
    assert "agreement: " in ran.err
    assert (
        f"ask for {remedy} than 0.97, or give more images, or try --recipe int8_dynamic" in ran.err
    )
    assert not out.exists()


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"agreement": 1.5}, "no share of images"),
        ({"agreement": 0.0}, "no share of images"),
        ({"recipe": "fp32"}, "has no INT8"),
        ({"agreement": None, "images": "photographs"}, "without an agreement"),
        ({"model": "cotnet50", "calibration": "synthetic"}, "searched for on images"),
        ({"images": "no such folder"}, "There is no folder"),
        ({"form": "published"}, "in the edge form"),
        ({"keep_float": ("conv1", "stages", "fc")}, "has nothing to leave float"),
    ],
)
def test_what_cannot_be_searched_for_is_refused(
    changed: dict[str, object], what: str, tmp_path: Path
) -> None:
    asked = api.BuildRequest(SMALL, "xnnpack", recipe="int8", agreement=ASKED, out=tmp_path / "out")
    with pytest.raises(api.InputError, match=what):
        api.build(replace(asked, **changed))  # type: ignore[arg-type]


def test_images_that_are_calibrated_on_are_left_out(tmp_path: Path) -> None:
    write_digits(tmp_path, "train")
    asked = api.BuildRequest(
        SMALL, "xnnpack", recipe="int8", agreement=ASKED, calibration_samples=300, images=tmp_path
    )
    plan = resolve(asked)
    calibration = choose_images(plan, silent_reporter()).calibration
    halves = to_agree_on(plan, 10, (), calibration, silent_reporter())
    assert calibration is not None
    assert halves is not None
    seen = {crop.numpy().tobytes() for crop in calibration.crops}
    for part in (halves.searched, halves.judged):
        assert not seen & {sample.numpy().tobytes() for sample in part.pixels}
    assert halves.searched.images + halves.judged.images < 1100  # of 1,347
    few = replace(plan, request=replace(asked, images=tmp_path / "0"))
    for path in sorted((tmp_path / "0").iterdir())[20:]:
        path.unlink()
    with pytest.raises(api.InputError, match="too few to agree on"):
        to_agree_on(few, 10, (), None, silent_reporter())


def test_sensitivity_of_an_artifact(
    built: Built, copied: Copied, edgeform: EdgeformInProcess
) -> None:
    folder = copied(built(SMALL, "xnnpack", "int8").folder)
    refused = edgeform("sensitivity", str(folder), "--json")
    assert refused.code == 2
    assert "--trust-graphs" in refused.document["error"]["remedy"]
    published = built(SMALL, "xnnpack", "int8", form="published").folder
    refused = edgeform("sensitivity", str(published), "--trust-graphs", "--json")
    assert (refused.code, "--form published" in refused.document["error"]["remedy"]) == (2, True)
    ran = edgeform("sensitivity", str(folder), "--trust-graphs", "--json")
    assert ran.code == 0, ran.err
    assert (ran.document["samples"], len(ran.document["modules"])) == (16, 39)
    whole, rows = ran.document["whole"], ran.document["modules"]
    quantize = edgeform("verify", str(folder), "--json").document["hops"][1]
    assert whole["sqnr_db"] == pytest.approx(quantize["sqnr_db"], abs=0.1)
    assert max(row["in_float"]["sqnr_db"] for row in rows) > whole["sqnr_db"]
    assert min(row["alone"]["sqnr_db"] for row in rows) > whole["sqnr_db"]
    stored = read_sensitivity(open_artifact(folder))
    assert stored == api.Sensitivity.model_validate(ran.document)
    float32 = edgeform("sensitivity", str(built().folder), "--trust-graphs", "--json")
    assert float32.code == 2
    (folder / "sensitivity.json").write_text("{}")
    with pytest.raises(api.InputError, match="is damaged"):
        read_sensitivity(open_artifact(folder))
