"""The page's text: what stands in it, and what it refuses."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from edge_models.errors import InputError
from edge_models.parity import ParityReport
from export_targets.artifact.tuning import TUNING
from export_targets.progress import silent_reporter
from export_targets.prove.layer_errors import LAYER_ERRORS, write_layer_errors
from export_targets.report.chain import chain_of
from export_targets.report.page import render, write_report
from export_targets.report.plots import Point, tradeoff_plot
from export_targets.report.subject import SHOWN_SAMPLES, read_subjects
from export_targets.report.svg import SERIES, STYLE, VARIABLES, printable
from tests.conftest import Built, EdgeformInProcess
from tests.export_targets.made_up import sign_again
from tests.export_targets.report.made_up_page import (
    FELL,
    HOSTILE,
    add_layers,
    changed,
    hop,
    made_up_operators,
    made_up_parity,
    make_hostile,
    profiled,
    write_page_artifact,
)
from tests.export_targets.tune.made_up_tuning import made_up_tuning, tried


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return write_page_artifact(tmp_path / "artifact")


def page(*folders: Path) -> str:
    return render(read_subjects(folders))


def test_a_page_says_what_the_reports_say(artifact: Path) -> None:
    profiled(artifact)
    text = page(artifact)
    for said in (
        "132.5",
        "38.0",
        "44.0",
        "37.0",
        "gate 30",
        "digits, held out",
        "p50 3.5, p99 8.85 ms",
    ):
        assert said in text.replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "op_11" in text
    assert "Android 16" in text
    assert 'class="badge passed"' in text


def test_a_real_build_makes_a_page(built: Built) -> None:
    result = built(recipe="int8")
    (subject,) = read_subjects([result.folder])
    text = render([subject])
    assert result.parity is not None
    for hop_ in result.parity.hops:
        assert f"{hop_.sqnr_db:.1f}\N{NARROW NO-BREAK SPACE}dB" in text
    assert [sample.saved for sample in subject.samples] == [s.reference for s in subject.samples]
    assert len(subject.samples) == SHOWN_SAMPLES
    assert f"{len(result.manifest.float_modules)} modules have operators that stay float" in text


def test_the_layers_errors_are_shown(artifact: Path) -> None:
    assert "What INT8 does" not in page(artifact)
    layers = add_layers(artifact)
    (subject,) = read_subjects([artifact])
    assert subject.layers == layers
    text = page(artifact)
    assert text.count('<tr data-kind="int8">') == 12
    assert text.count('<tr data-kind="float">') == 2
    assert "Signal to noise ratio of 14 layers: from 45 down to 19 dB" in text
    assert "evidence/layer_errors.json" in subject.raw


def test_layers_of_which_nothing_is_known_are_shown(artifact: Path) -> None:
    layers = [layer.model_copy(update={"sqnr_db": None}) for layer in add_layers(artifact)]
    write_layer_errors(artifact, tuple(layers))
    sign_again(artifact)
    assert "14 layers: none is known" in page(artifact)


def test_the_same_artifacts_give_the_same_page(artifact: Path) -> None:
    profiled(artifact)
    assert page(artifact) == page(artifact)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    text = page(write_page_artifact(tmp_path / "bare", parity=False))
    assert "Not verified" in text
    assert "Not profiled yet" in text
    assert 'class="badge not-verified"' in text
    assert "passed" not in text.split("<body>")[1]


def test_what_fell_out_is_named_and_fails(tmp_path: Path) -> None:
    delegation = {"delegates": 2, "delegated_ops": 30, "undelegated": {"aten.mean": 1}}
    folder = write_page_artifact(tmp_path / "a", delegation={**delegation, "fallen": [FELL]})
    (subject,) = read_subjects([folder])
    assert subject.verdict == "failed"
    assert subject.delegated_share == 30 / 31
    text = page(folder)
    for said in ("Not whole", *FELL.values()):
        assert said in text


def test_a_format_without_delegates_is_said_to_be_not_judged(tmp_path: Path) -> None:
    delegation: dict[str, object] = {
        "delegates": None,
        "delegated_ops": 30,
        "undelegated": {},
        "fallen": [],
    }
    text = page(write_page_artifact(tmp_path / "a", delegation=delegation))
    assert "<b>Not judged:</b> one program with 30 operators" in text
    assert "one delegate of" not in text


def test_a_failed_hop_fails(tmp_path: Path) -> None:
    folder = write_page_artifact(tmp_path / "a")
    changed(folder / "parity.json", lambda content: content["hops"][1].update(status="failed"))
    assert read_subjects([folder])[0].verdict == "failed"


def test_the_builds_of_a_tune_are_left_out_of_several_folders(
    artifact: Path, tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    work, out = tmp_path / "artifact.tune", tmp_path / "page.html"
    work.mkdir()
    (work / TUNING).write_text(made_up_tuning(tried("a", 198)).model_dump_json(), encoding="utf-8")
    ran = edgeform("report", artifact, work, "--out", out)
    assert ran.code == 0
    assert f"{work}: left out" in ran.err.replace("\n", "")
    assert out.is_file()
    assert edgeform("report", work, "--out", out).code == 2


def test_what_a_tune_tried_is_shown(artifact: Path, tmp_path: Path) -> None:
    red, slow, fast = (
        tried("red", None),
        tried("slow", 198, 2.0, p50_ms=9.0),
        tried("fast", 196, 1.0, p50_ms=3.0, meets=True, on_front=True),
    )
    tuning = made_up_tuning(red, slow, fast, chosen="fast", device="a phone")
    write_report([artifact], out := tmp_path / "page.html", silent_reporter(), tuning)
    text = out.read_text(encoding="utf-8")
    assert "Chosen: <strong>fast</strong>, the fastest file" in text
    assert "SQNR 3.0 dB is below 20" in text
    assert "fast: 3, agreement 0.980" in text
    assert text.count("Agreement over ") == 2
    without = [one.model_copy(update={"p50_ms": None}) for one in (slow, fast)]
    untimed = made_up_tuning(*without, chosen="fast", untimed={"xnnpack": "no phone is there"})
    text = render(read_subjects([artifact]), untimed)
    assert "the smallest file" in text
    assert text.count("not measured") == 2
    assert "xnnpack was not timed: no phone is there" in text
    assert text.count("Agreement over ") == 1
    assert "Files tried" not in render(read_subjects([artifact]))


def test_several_artifacts_stand_side_by_side(tmp_path: Path) -> None:
    one, two = (write_page_artifact(tmp_path / name) for name in ("one", "two"))
    profiled(one)
    text = page(one, two)
    assert "2 artifacts side by side" in text
    assert f"in {one}" in text  # artifacts of one name are told apart
    assert 'id="all-latency-0-figure_1"' in text
    ids = [part.split('"')[0] for part in text.split(' id="')[1:]]
    assert len(ids) == len(set(ids))


def test_the_newest_report_of_a_place_is_shown(artifact: Path) -> None:
    profiled(artifact, load_ms=11.0)
    newest = profiled(artifact, load_ms=22.0)
    (subject,) = read_subjects([artifact])
    assert list(subject.current.values()) == [newest]
    assert len(subject.latency) == 2
    assert {"latency/adb-1A2B-1.json", "latency/adb-1A2B-2.json"} < set(subject.raw)


def test_everything_from_outside_is_escaped(artifact: Path) -> None:
    add_layers(artifact)
    profiled(artifact)
    make_hostile(artifact)
    text = page(artifact)
    assert text.count("<script>") == 1  # the page's own
    assert "<img src=x" not in text
    assert text.count("&lt;script&gt;window.ran=1&lt;/script&gt;") > 20
    assert HOSTILE not in text


def test_a_chain_follows_the_programs() -> None:
    report = made_up_parity("a")
    last = hop("arm64", "file", "file on arm64", None, status="skipped", why="no emulator")
    chain = chain_of(report.model_copy(update={"hops": (*report.hops, last)}))
    assert chain is not None
    assert [step.hop.to for step in chain.steps] == ["edge", "quantized", "file", "file on arm64"]
    assert [step.hop.name for step in chain.across] == ["chain"]
    assert chain.scale == 132.5
    assert chain.steps[1].reached == 38 / 132.5
    assert chain.steps[1].gate == 30 / 132.5
    assert chain.steps[3].reached is None
    assert chain_of(ParityReport(artifact="a", inputs="b", hops=())) is None


def test_a_negative_sqnr_stays_in_the_picture() -> None:
    report = ParityReport(artifact="a", inputs="b", hops=(hop("edge", "reference", "edge", -12.0),))
    chain = chain_of(report)
    assert chain is not None
    assert chain.steps[0].reached == 0


def test_a_plot_has_the_pages_colors_and_ids_of_its_own() -> None:
    points = [Point(1, "$\\frac{a\x00", 1.0, 40.0, 3.0, SERIES[2])]
    root = ElementTree.fromstring(tradeoff_plot("key", points))
    text = ElementTree.tostring(root, encoding="unicode")
    assert "var(--series-3)" in text
    assert "var(--soft)" in text
    assert [color for color in VARIABLES if color in text] == []
    assert all(e.get("id", "key-").startswith("key-") for e in root.iter())
    assert "$\\frac{a\N{REPLACEMENT CHARACTER}: 1.00 megabytes, 40 dB" in root.get("aria-label", "")
    assert STYLE["text.parse_math"] is False
    assert printable("é漢\n") == "é漢\N{REPLACEMENT CHARACTER}"


def test_values_far_apart_stand_on_a_logarithmic_axis() -> None:
    near, far = (
        [Point(i, "a", 1.0, 40.0, ms, SERIES[0]) for i, ms in enumerate(times, 1)]
        for times in ((1.0, 15.0), (1.0, 300.0))
    )
    assert {"0", "15"} <= ticks(tradeoff_plot("near", near))
    assert {"1", "10", "100"} <= ticks(tradeoff_plot("far", far))


def ticks(plot: str) -> set[str]:
    return {text.strip() for text in ElementTree.fromstring(plot).itertext()}


def test_an_interpreter_is_named_as_what_it_is(artifact: Path) -> None:
    said = "the format's own runtime did not run here"
    assert said not in page(artifact)
    changed(artifact / "parity.json", lambda c: c["hops"][2].update(runner="interpreter"))
    assert said in page(artifact)


def test_the_command_writes_the_page(
    artifact: Path, tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    out = tmp_path / "page.html"
    ran = edgeform("report", artifact, "--out", out, "--json")
    assert ran.code == 0
    assert ran.document == {"report": str(out)}
    assert out.read_text(encoding="utf-8") == page(artifact)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["artifact", "page.html"]


def damage_model(folder: Path) -> None:
    (folder / "model.pte").write_bytes(b"another")


def damage_parity(folder: Path) -> None:
    (folder / "parity.json").write_text('{"hops": 1}', encoding="utf-8")


def damage_layers(folder: Path) -> None:
    add_layers(folder)
    changed(folder / LAYER_ERRORS, lambda rows: rows[0].update(sqnr_db="much"))
    sign_again(folder)


def swap_parity(folder: Path) -> None:
    changed(folder / "parity.json", lambda content: content.update(artifact="another"))


def nan_in_latency(folder: Path) -> None:
    profiled(folder)
    changed(folder / "latency/adb-1A2B-1.json", lambda content: content.update(load_ms=-1))


def latency_of_another_model(folder: Path) -> None:
    profiled(folder, model_sha256="1" * 64)


DAMAGES = [
    (damage_model, "model.pte"),
    (damage_parity, "parity.json is damaged"),
    (damage_layers, "layer_errors.json is damaged: 0.sqnr_db"),
    (swap_parity, "it is of another"),
    (nan_in_latency, "load_ms"),
    (latency_of_another_model, "another model file"),
]


@pytest.mark.parametrize(("damage", "said"), DAMAGES, ids=[d.__name__ for d, _ in DAMAGES])
def test_a_damaged_artifact_leaves_the_old_page(
    damage: object, said: str, artifact: Path, tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    assert callable(damage)
    out = tmp_path / "page.html"
    out.write_text("old", encoding="utf-8")
    damage(artifact)
    ran = edgeform("report", artifact, "--out", out)
    assert ran.code == 2
    assert said in ran.err
    assert out.read_text(encoding="utf-8") == "old"


@pytest.mark.parametrize(
    ("out", "said"),
    [("page.json", "not named .html"), ("no/page.html", "no folder"), ("f.html", "a folder")],
)
def test_a_page_that_cannot_be_written_is_refused(
    out: str, said: str, artifact: Path, tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    (tmp_path / "f.html").mkdir()
    ran = edgeform("report", artifact, "--out", tmp_path / out)
    assert ran.code == 2
    assert said in ran.err


def test_a_write_that_fails_leaves_the_old_page(
    artifact: Path, tmp_path: Path, edgeform: EdgeformInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "page.html"
    out.write_text("old", encoding="utf-8")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    ran = edgeform("report", artifact, "--out", out)
    assert ran.code == 2
    assert "No space left" in ran.err
    assert out.read_text(encoding="utf-8") == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["artifact", "page.html"]


def test_an_artifact_given_twice_is_refused(artifact: Path) -> None:
    with pytest.raises(InputError, match="given twice"):
        read_subjects([artifact, artifact / "../artifact"])


def test_operators_of_the_made_up_table_are_not_sorted() -> None:
    times = [row.ms for row in made_up_operators().rows]
    assert times != sorted(times, reverse=True)
