"""``adapt`` from the command line: what it writes, and what it refuses."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from edge_models.catalog import model_spec
from edge_models.checkpoint import load_reference
from edge_models.photographs import photographs, views
from export_targets.adapt import images as adapt_images
from export_targets.adapt import learning, run
from tests.conftest import EdgeformInProcess

MODEL = "digits_cotnet_simple"


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps a round, on few images."""
    monkeypatch.setattr(learning, "ROUND", 2)
    monkeypatch.setattr(learning, "PATIENCE", 1)
    whole = adapt_images.parts_of

    def few(*given: object) -> adapt_images.Parts:
        parts = whole(*given)  # type: ignore[arg-type]
        return adapt_images.Parts(
            parts.learned[:16], parts.held_out[:32], parts.judged[:64], parts.source
        )

    monkeypatch.setattr("export_targets.adapt.run.parts_of", few)


def asked(*more: object) -> Sequence[object]:
    return ("adapt", MODEL, "--target", "coreml", "--recipe", "palettized_4bit", *more)


def test_the_checkpoint_is_one_of_the_model_and_the_same_each_time(
    edgeform: EdgeformInProcess, tmp_path: Path
) -> None:
    first, second = (tmp_path / f"{name}.safetensors" for name in ("first", "second"))
    ran = edgeform(*asked("--out", first, "--json"))
    assert ran.code == 0, ran.err
    report = ran.document
    assert report["checkpoint"] == str(first)
    assert (report["steps"], report["ended"]) > (0, False)
    assert report["before"]["judged"] == report["after"]["judged"] == 64
    assert report["before"]["median_sqnr_db"] < report["floating"]["median_sqnr_db"]
    loaded = load_reference(model_spec(MODEL), first)
    before = load_reference(model_spec(MODEL), None).module.state_dict()
    moved = [n for n, v in loaded.module.state_dict().items() if not torch.equal(v, before[n])]
    assert "conv1.weight" in moved
    assert not [name for name in moved if "running" in name]
    assert edgeform(*asked("--out", second)).code == 0
    again = load_file(second)
    assert all(torch.equal(value, again[name]) for name, value in load_file(first).items())
    assert sorted(path.name for path in tmp_path.iterdir()) == [first.name, second.name]


def test_its_own_checkpoint_is_replaced_and_another_one_only_by_force(
    edgeform: EdgeformInProcess, tmp_path: Path
) -> None:
    out = tmp_path / "weights.safetensors"
    assert edgeform(*asked("--out", out)).code == 0
    assert edgeform(*asked("--out", out)).code == 0
    before = out.read_bytes()
    refused = edgeform(*asked("--out", out, "--seed", 1))
    assert refused.code == 2
    assert "not from this model, recipe and images" in refused.err
    assert out.read_bytes() == before
    assert edgeform(*asked("--out", out, "--seed", 1, "--force")).code == 0
    assert out.read_bytes() != before


def test_where_nothing_is_gained_nothing_is_written(
    edgeform: EdgeformInProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "LEARNING_RATE", 10.0)  # destroys every weight
    out = tmp_path / "weights.safetensors"
    ran = edgeform(*asked("--out", out))
    assert ran.code == 1
    assert "nothing was gained on 32 images that were held out" in ran.err
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_either_where_a_build_would_lose_what_was_learned(
    edgeform: EdgeformInProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, made = run._student, list[learning.Logits]()

    def of_new_weights_alone_worse(*given: object) -> learning.Logits:
        made.append(real(*given))  # type: ignore[arg-type]
        return made[0] if len(made) == 1 else lambda images: made[-1](images).flip(1)

    monkeypatch.setattr(run, "_student", of_new_weights_alone_worse)
    ran = edgeform(*asked("--out", tmp_path / "weights.safetensors"))
    assert ran.code == 1
    assert "nothing was gained on 32 images that were held out" in ran.err
    assert not list(tmp_path.iterdir())


def test_what_was_stopped_goes_on(
    edgeform: EdgeformInProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, stopped = (tmp_path / f"{name}.safetensors" for name in ("whole", "stopped"))
    assert edgeform(*asked("--out", out)).code == 0
    real = learning._round
    rounds: list[tuple[learning.State, learning.Score]] = []

    def interrupted(*given: object) -> tuple[learning.State, learning.Score]:
        if rounds:
            raise KeyboardInterrupt
        rounds.append(real(*given))  # type: ignore[arg-type]
        return rounds[0]

    with monkeypatch.context() as patch:
        patch.setattr(learning, "_round", interrupted)
        assert edgeform(*asked("--out", stopped)).code == 130
    assert [path.name for path in tmp_path.glob("stopped*")] == ["stopped.safetensors.learning"]
    ran = edgeform(*asked("--out", stopped))
    assert ran.code == 0
    assert "goes on after 2 steps" in ran.err
    again = load_file(stopped)
    assert all(torch.equal(value, again[name]) for name, value in load_file(out).items())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((MODEL, "--recipe", "fp32"), "The recipe fp32 rounds nothing that could be learned back."),
        (("cotnet50",), "There are no images to learn from."),
        ((MODEL, "--images", "nowhere"), "There is no folder nowhere."),
        ((MODEL, "--out", "weights.pth"), "weights.pth is no name of a checkpoint."),
        ((MODEL, "--size", "65"), "multiples of 32"),
        (("no_model",), "There is no model 'no_model'"),
        ((MODEL, "--minutes", "0"), "--minutes"),
    ],
)
def test_what_cannot_be_learned_is_refused(
    edgeform: EdgeformInProcess, arguments: Sequence[str], says: str
) -> None:
    ran = edgeform("adapt", *arguments)
    assert ran.code == 2
    assert says in ran.err
    assert len(ran.err.strip().splitlines()) <= 2


def test_too_few_images_are_refused(edgeform: EdgeformInProcess, tmp_path: Path) -> None:
    for number, view in enumerate(views(photographs(), 40)):
        for copy in ("a", "b"):  # 80 files, of 40 different images
            view.resize((40, 40)).save(tmp_path / f"{number}{copy}.png")
    ran = edgeform("adapt", MODEL, "--images", tmp_path)
    assert ran.code == 2
    assert "40 different images are too few" in ran.err


def test_a_network_of_ones_own_is_refused(edgeform: EdgeformInProcess, tmp_path: Path) -> None:
    code = tmp_path / "net.py"
    code.write_text("from torch import nn\ndef make():\n    return nn.Conv2d(3, 4, 1).eval()\n")
    ran = edgeform("adapt", f"{code}:make", "--images", tmp_path, "--size", "32")
    assert ran.code == 2
    assert "is no model of the catalog" in ran.err
