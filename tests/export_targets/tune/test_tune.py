"""``tune`` on an embedded model: built, judged, timed, chosen; and not a second time."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import edgeform as api
from edge_models.errors import InputError
from export_targets.artifact.folder import open_artifact, read_manifest
from export_targets.artifact.latency_folder import stored_reports
from export_targets.artifact.tuning import TUNING, Agreement, Tuning
from export_targets.matrix import run as running
from export_targets.matrix.cell import Cell, Row, run_cell
from export_targets.plan import choose_images, load_model, resolve
from export_targets.progress import silent_reporter
from export_targets.request import BuildRequest
from export_targets.search.images import to_agree_on
from export_targets.tune import agreeing
from export_targets.tune.agreeing import KEPT, to_judge
from export_targets.tune.asked import Asked, attempts
from export_targets.tune.run import Tuned, tune
from tests.conftest import SMALL, EdgeformInProcess
from tests.export_targets.tune.conftest import ASKED, Run, asked, untraced

NAMES = ["xnnpack-fp32", "xnnpack-int8", f"xnnpack-int8-{ASKED}"]


def by_name(tuned: Tuned) -> dict[str, Any]:
    return {one.name: one for one in tuned.tuning.candidates}


def tuned_again(one: Asked, monkeypatch: pytest.MonkeyPatch) -> Tuned:
    untraced(monkeypatch)
    return tune(one, silent_reporter())


def test_everything_is_built_judged_and_timed(run: Run) -> None:
    found = by_name(run.tuned)
    assert list(found) == NAMES
    assert all(one.passed and one.p50_ms for one in found.values())
    assert {one.agreement.judged for one in found.values()} == {225}
    assert found["xnnpack-fp32"].agreement.share == 1.0
    assert [found[name].int8_share > 0.9 for name in NAMES] == [False, True, True]
    assert found["xnnpack-int8"].megabytes < found["xnnpack-fp32"].megabytes / 2
    searched = read_manifest(run.tuned.work / NAMES[2])
    assert searched.agreement is not None
    assert searched.agreement.judged == 225
    assert searched.agreement.agreement == found[NAMES[2]].agreement.share
    assert searched.agreement.int8_share == pytest.approx(found[NAMES[2]].int8_share)
    kept = Tuning.model_validate_json((run.tuned.work / TUNING).read_bytes())
    assert kept == run.tuned.tuning


def test_the_chosen_file_stands_at_its_place(run: Run) -> None:
    assert run.tuned.out == run.asked.request.out
    assert run.tuned.tuning.chosen is not None
    chosen = open_artifact(run.tuned.work / run.tuned.tuning.chosen)
    out = open_artifact(Path(str(run.tuned.out)))
    assert out.manifest == chosen.manifest
    assert stored_reports(out.folder)


def test_what_a_stopped_tune_built_is_not_built_again(run: Run) -> None:
    assert run.builds == [NAMES[:1], NAMES[1:]]


@pytest.mark.usefixtures("nothing_is_built")
def test_again_nothing_is_built_or_judged(
    run: Run, again: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object) -> None:
        raise AssertionError("it was judged again")

    monkeypatch.setattr(agreeing, "saved_logits", refuse)
    monkeypatch.setattr(agreeing, "run_eager", refuse)
    tuned = tuned_again(again, monkeypatch)
    before = {name: one.agreement for name, one in by_name(run.tuned).items()}
    assert {name: one.agreement for name, one in by_name(tuned).items()} == before
    with pytest.raises(AssertionError, match="judged again"):  # on other images
        tune(replace(again, agreements=()), silent_reporter())


def test_the_images_are_those_that_a_build_judges_its_search_on() -> None:
    request = BuildRequest(SMALL, "xnnpack", recipe="int8", agreement=ASKED)
    plan = resolve(request)
    loaded = load_model(plan, silent_reporter())
    calibration = choose_images(plan, silent_reporter()).calibration
    of_build = to_agree_on(plan, loaded.classes, (), calibration, silent_reporter())
    plain = resolve(BuildRequest(SMALL, "xnnpack", recipe="fp32"))
    of_tune = to_judge({"plain": plain, "searched": plan}, None, silent_reporter())
    assert of_build is not None
    assert torch.equal(of_tune.judged.pixels, of_build.judged.pixels)


@pytest.mark.usefixtures("nothing_is_built")
def test_python_asks_for_the_same(run: Run, again: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    untraced(monkeypatch)
    given = {"recipes": again.recipes, "agreements": again.agreements, "workers": again.workers}
    tuned = api.tune(again.request, at_least=again.at_least, **given)
    assert list(by_name(tuned)) == NAMES
    assert tuned.out == again.request.out
    assert tuned.tuning.images == run.tuned.tuning.images


@pytest.mark.usefixtures("nothing_is_built")
def test_where_no_file_agrees_as_asked_the_old_one_stays(
    again: Asked, edgeform: EdgeformInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Path(str(again.request.out))
    work = out.with_name("mine.tune")
    for path in work.glob(f"*{KEPT}"):
        known = Agreement.model_validate_json(path.read_bytes())
        worse = known.model_copy(update={"agreeing": 200, "interval": (0.84, 0.92)})
        path.write_text(worse.model_dump_json())
    untraced(monkeypatch)
    (out / "of the old one").touch()
    options = ["--recipe", "fp32", "--recipe", "int8", "--agreement", str(ASKED)]
    asked = ["tune", SMALL, "--target", "xnnpack", *options, "--out", out, "--at-least", str(ASKED)]
    ran = edgeform(*asked, "--json")
    assert ran.code == 1
    assert "No file agrees with FP32 on 0.97 of the images. The best is" in ran.err
    assert ran.document["artifact"] is None
    assert ran.document["tuning"]["chosen"] is None
    assert (out / "of the old one").exists()
    assert "No file agrees" in (work / "report.html").read_text()
    lower = edgeform(*asked[:-1], "0.8")
    assert (lower.code, "is now" in lower.out) == (0, True)
    assert not (out / "of the old one").exists()


def test_a_red_build_is_shown_and_not_taken(
    again: Asked, edgeform: EdgeformInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def red(cell: Cell, out: Path, threads: int) -> Row:
        if cell.recipe == "fp32":
            return run_cell(cell, out, threads)
        known = cell.model_dump(include={"name", "model", "target", "recipe"})
        folder = str(out / f"{cell.name}.failed")
        problems = ("hop chain: SQNR 3.0 dB is below 20",)
        return Row(**known, identity="", artifact=folder, passed=False, problems=problems)

    monkeypatch.setattr(running, "run_cell", red)
    untraced(monkeypatch)
    options = ["--recipe", "int8", "--recipe", "fp32", "--at-least", "0.9", "--json"]
    ran = edgeform("tune", SMALL, "--target", "xnnpack", *options, "--out", again.request.out)
    assert ran.code == 0
    shown = {one["name"]: one for one in ran.document["tuning"]["candidates"]}
    assert (shown["xnnpack-int8"]["passed"], shown["xnnpack-int8"]["on_front"]) == (False, False)
    assert ran.document["tuning"]["chosen"] == "xnnpack-fp32"
    assert read_manifest(Path(str(again.request.out))).recipe == "fp32"


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"at_least": 1.5}, "no share of images"),
        ({"at_least": 0.0}, "no share of images"),
        ({"agreements": (2.0,)}, "no share of images"),
        ({"recipes": ("fp16",)}, "cannot do the recipe fp16"),
        ({"recipes": ("int7",)}, "int7"),
        ({"targets": ("snapdragon",)}, "snapdragon"),
        ({"runner": "interpreter"}, "cannot execute files of the target xnnpack"),
        ({"request": {"model": "cotnet50", "calibration": "synthetic"}}, "compared .* on images"),
        ({"request": {"images": "no such folder"}}, "There is no folder"),
        ({"request": {"checkpoint": "no such file"}}, "no such file"),
        ({"request": {"out": "taken"}}, "not an artifact"),
        ({"request": {"keep_float": ("conv1",)}}, "keep_float is of one build"),
        ({"request": {"module": torch.nn.Identity()}}, "A network in memory does not reach builds"),
    ],
)
def test_what_cannot_be_tried_is_refused_before_a_build(
    changed: dict[str, Any], what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(running, "run_cell", lambda *given: pytest.fail("something was built"))
    (tmp_path / "taken").mkdir()
    one = asked(tmp_path / "out")
    request = replace(one.request, **changed.pop("request", {}))
    with pytest.raises(InputError, match=what):
        tune(replace(one, **{"request": request, "agreements": ()} | changed), silent_reporter())


def test_another_artifact_is_replaced_by_force_alone(
    again: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "run_cell", lambda *given: pytest.fail("something was built"))
    of_another = replace(again.request, model="digits_conformer")
    other = replace(again, request=of_another, recipes=("fp32",), agreements=())
    with pytest.raises(InputError, match="holds another artifact, which differs in model, weights"):
        tune(other, silent_reporter())
    forced = replace(other, request=replace(of_another, force=True))
    with pytest.raises(pytest.fail.Exception, match="something was built"):
        tune(forced, silent_reporter())


def test_every_recipe_of_each_target_is_tried_and_int8_searched(tmp_path: Path) -> None:
    one = asked(tmp_path / "out", targets=("xnnpack", "coreml_pte"), recipes=(), workers=None)
    assert [attempt.cell.name for attempt in attempts(one)] == [
        *("xnnpack-fp32", "xnnpack-int8", "xnnpack-int8_dynamic", "xnnpack-int8_mixed"),
        *(f"xnnpack-{recipe}-{ASKED}" for recipe in ("int8", "int8_dynamic", "int8_mixed")),
        *("coreml_pte-fp16", "coreml_pte-int8", f"coreml_pte-int8-{ASKED}"),
    ]
    narrowed = replace(one, recipes=("fp16", "fp32"), agreements=())
    assert [attempt.cell.name for attempt in attempts(narrowed)] == [
        *("xnnpack-fp32", "coreml_pte-fp16"),
    ]
    searched = replace(narrowed, agreements=one.agreements)
    assert [attempt.cell.name for attempt in attempts(searched)] == [
        *("xnnpack-fp32", f"xnnpack-int8-{ASKED}"),
        *("coreml_pte-fp16", f"coreml_pte-int8-{ASKED}"),
    ]
