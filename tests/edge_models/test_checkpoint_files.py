"""Checkpoints as trainers write them: what stands beside the weights, where they lie, what else a
file of that name can be.
"""

import argparse
import sys
import types
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from edge_models.catalog import model_spec
from edge_models.checkpoint import LoadedModel, load_reference
from edge_models.checkpoint_file import read_weights
from tests.edge_models.layers import made_model
from tests.edge_models.test_checkpoint import COTNET, StateDict, assert_same, state_dict
from tests.edge_models.test_checkpoint_errors import refusal


class HistoryBuffer:
    """A class of a trainer that is not installed where the file is read."""

    def __init__(self) -> None:
        self.history = np.arange(3.0)


def load(content: object, path: Path, **options: Any) -> LoadedModel:
    torch.save(content, path, **options)
    return load_reference(model_spec(COTNET), path)


def trained(tensors: StateDict) -> dict[str, object]:
    """What a training script saves: the weights are a small part."""
    weight = nn.Parameter(torch.ones(3, 2))
    optimizer = torch.optim.AdamW([weight])
    weight.sum().backward()
    optimizer.step()
    return {
        "model": tensors,
        "optimizer": optimizer.state_dict(),
        "args": argparse.Namespace(lr=1e-3, output=Path("runs")),
        "best": np.float64(81.2),
        "curve": np.arange(4.0),
        "message_hub": {"loss": HistoryBuffer()},
        "epoch": 299,
    }


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("ending", [".pth", ".pth.tar", ".ckpt", ".bin", ""])
def test_a_training_scripts_checkpoint_loads(ending: str, legacy: bool, tmp_path: Path) -> None:
    tensors, path = state_dict(COTNET), tmp_path / f"best{ending}"
    content = trained(tensors)
    loaded = load(content, path, _use_new_zipfile_serialization=not legacy)
    assert_same(dict(loaded.module.state_dict()), tensors)
    assert (loaded.key, loaded.format, loaded.notes) == ("model", "torch", ())


def test_no_class_of_the_file_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("a_trainer")
    module.HistoryBuffer = HistoryBuffer  # type: ignore[attr-defined]
    monkeypatch.setattr(HistoryBuffer, "__module__", "a_trainer")
    monkeypatch.setitem(sys.modules, "a_trainer", module)
    torch.save(trained(state_dict(COTNET)), tmp_path / "last.pth")
    monkeypatch.delitem(sys.modules, "a_trainer")
    assert load_reference(model_spec(COTNET), tmp_path / "last.pth").key == "model"
    assert "a_trainer" not in sys.modules


@pytest.mark.parametrize("name", ["weights", "weights.pth"])
def test_safetensors_are_known_by_their_content(name: str, tmp_path: Path) -> None:
    save_file(state_dict(COTNET), tmp_path / name)
    assert load_reference(model_spec(COTNET), tmp_path / name).format == "safetensors"


@pytest.mark.parametrize(
    "prefix",
    ["_orig_mod.", "module._orig_mod.", "model.", "backbone.", "net.", "model.module.", "x.y."],
)
def test_a_prefix_of_all_keys_is_taken_off(prefix: str, tmp_path: Path) -> None:
    tensors = state_dict(COTNET)
    loaded = load({f"{prefix}{k}": v for k, v in tensors.items()}, tmp_path / "weights.pth")
    assert_same(dict(loaded.module.state_dict()), tensors)
    assert loaded.notes == ()


@pytest.mark.parametrize(
    ("key", "over"),
    [
        ("state_dict_ema", "state_dict"),
        ("model_ema", "model"),
        ("ema", "net"),
        ("state_dict", "net"),
        ("model_state_dict", "net"),
    ],
)
def test_it_says_which_weights_it_took(key: str, over: str, tmp_path: Path) -> None:
    first, second = state_dict(COTNET, 1), state_dict(COTNET, 2)
    loaded = load({over: second, key: first}, tmp_path / "last.pth")
    assert_same(dict(loaded.module.state_dict()), first)
    assert loaded.key == key
    assert loaded.notes == (
        f"last.pth: the weights under {key} are taken; --weights chooses: {over}",
    )
    chosen = load_reference(model_spec(COTNET), tmp_path / "last.pth", key=over)
    assert_same(dict(chosen.module.state_dict()), second)
    assert chosen.key == over


def test_weights_under_a_key_of_ones_own_are_chosen(tmp_path: Path) -> None:
    tensors, path = state_dict(COTNET), tmp_path / "last.pth"
    torch.save({"generator": tensors, "step": 3}, path)
    error = refusal(COTNET, path)
    assert error.remedy == "It has weights under generator: choose with --weights."
    loaded = load_reference(model_spec(COTNET), path, key="generator")
    assert_same(dict(loaded.module.state_dict()), tensors)


def test_student_and_teacher_are_not_confused(tmp_path: Path) -> None:
    student, teacher = state_dict(COTNET, 1), state_dict(COTNET, 2)
    both = {f"teacher.{k}": v for k, v in teacher.items()}
    both |= {f"student.{k}": v for k, v in student.items()}
    torch.save({"state_dict": both}, tmp_path / "last.ckpt")
    assert "several networks: " in refusal(COTNET, tmp_path / "last.ckpt").what
    loaded = load_reference(model_spec(COTNET), tmp_path / "last.ckpt", key="student")
    assert_same(dict(loaded.module.state_dict()), student)


@pytest.mark.parametrize(
    "name",
    ["total_ops", "layer1.0.conv1.total_params", "n_averaged", "criterion.weight", "head2.bias"],
)
@pytest.mark.parametrize("prefix", ["", "model."])
def test_what_is_no_parameter_is_named_or_refused(name: str, prefix: str, tmp_path: Path) -> None:
    tensors = state_dict(COTNET)
    all_of = {f"{prefix}{k}": v for k, v in tensors.items()} | {name: torch.ones(2)}
    loaded = load(all_of, tmp_path / "weights.pth")
    assert_same(dict(loaded.module.state_dict()), tensors)
    (note,) = loaded.notes
    assert note.endswith(f"left out: {name}")
    with pytest.raises(Exception, match=f"no parameter of {COTNET}: {name}"):
        load_reference(model_spec(COTNET), tmp_path / "weights.pth", strict=True)


def test_counters_of_batches_may_be_missing(tmp_path: Path) -> None:
    tensors = state_dict(COTNET)
    few = {k: v for k, v in tensors.items() if not k.endswith("num_batches_tracked")}
    assert len(few) < len(tensors)
    loaded = load(few, tmp_path / "weights.pth")
    assert torch.equal(loaded.module.get_parameter("fc.weight"), tensors["fc.weight"])


@pytest.mark.parametrize("place", ["", "['model']"])
def test_a_whole_network_is_refused_with_what_saves_its_weights(place: str, tmp_path: Path) -> None:
    module, path = made_model(COTNET, 1), tmp_path / "whole.pth"
    torch.save({"model": module} if place else module, path)
    error = refusal(COTNET, path)
    assert f"an object of {type(module).__module__}.{type(module).__name__}" in error.what
    assert f"torch.load('whole.pth', 'cpu', weights_only=False){place}; " in error.remedy


def test_the_remedy_names_a_model_only_where_it_fits_better(tmp_path: Path) -> None:
    tensors = state_dict(COTNET)
    del tensors["layer3.0.bn1.weight"]
    torch.save(tensors, tmp_path / "weights.pth")
    assert "trained as" not in refusal(COTNET, tmp_path / "weights.pth").remedy
    remedy = refusal("digits_conformer", tmp_path / "weights.pth").remedy
    assert remedy == f"It is nearer to {COTNET}: name the model that it was trained as."


def unpacked(path: Path) -> None:
    (path / "archive").mkdir(parents=True)
    (path / "archive" / "data.pkl").touch()


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (unpacked, "is a folder: a file of torch.save that was unpacked"),
        (lambda p: p.write_text("\n<!DOCTYPE html><html>"), "is a web page"),
        (
            lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
            "is a Git LFS pointer",
        ),
        (lambda p: p.write_bytes(b"\x1f\x8b\x08"), "is a compressed archive"),
        (lambda p: p.write_bytes(b"\x89HDF\r\n"), "is an HDF5 file"),
        (lambda p: p.write_bytes(b""), "is empty"),
        (lambda p: p.write_bytes(b"\x08\x07"), "neither a safetensors file nor one of torch.save"),
        (lambda p: p.write_bytes(b"\x80\x02}q\x00."), "is a plain pickle"),
    ],
)
def test_what_is_no_checkpoint_is_called_what_it_is(
    make: Callable[[Path], object], what: str, tmp_path: Path
) -> None:
    make(tmp_path / "weights.pth")
    refused = refusal(COTNET, tmp_path / "weights.pth")
    assert what in refused.what
    again = what in ("is empty", "neither a safetensors file nor one of torch.save")
    assert (refused.remedy == "Fetch or save it again.") == again


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_torchscript_program_is_called_what_it_is(compression: int, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit itself
        scripted = torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2))
    saved, path = tmp_path / "saved.pt", tmp_path / "weights.pt"
    scripted.save(str(saved))
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(path, "w", compression) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name) + b"\n" * 4096 * ("debug" in name))
    refused = refusal(COTNET, path)
    assert "is a TorchScript program" in refused.what
    assert "torch.jit.load('weights.pt', 'cpu')" in refused.remedy


@pytest.mark.parametrize("legacy", [False, True])
def test_views_of_one_storage_are_read_once(legacy: bool, tmp_path: Path) -> None:
    tensors, path = state_dict(COTNET), tmp_path / "flat.pth"
    floats = {name: value for name, value in tensors.items() if value.is_floating_point()}
    flat = torch.cat([value.flatten() for value in floats.values()])
    parts = flat.split([value.numel() for value in floats.values()])
    views = {n: p.view(v.shape) for (n, v), p in zip(floats.items(), parts, strict=True)}
    torch.save({**tensors, **views}, path, _use_new_zipfile_serialization=not legacy)
    read = read_weights(path).tensors
    assert len({read[name].untyped_storage().data_ptr() for name in views}) == 1
    assert_same(load_reference(model_spec(COTNET), path).module.state_dict(), tensors)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("protocol", [2, 4])
def test_weights_in_numpys_arrays_load(legacy: bool, protocol: int, tmp_path: Path) -> None:
    tensors, path = state_dict(COTNET), tmp_path / "numpy.pth"
    arrays = {name: value.numpy() for name, value in tensors.items()}
    name = max((n for n in arrays if arrays[n].ndim == 4), key=lambda n: arrays[n].size)
    arrays[name] = np.asfortranarray(arrays[name])
    swapped = min(n for n in arrays if arrays[n].dtype == np.float32)
    arrays[swapped] = arrays[swapped].astype(">f4")
    content = {"model": arrays, "curve": np.arange(4.0), "best": np.float64(81.2)}
    torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    assert_same(load_reference(model_spec(COTNET), path).module.state_dict(), tensors)


def test_arrays_of_objects_are_no_weights(tmp_path: Path) -> None:
    arrays = {name: np.array([None]) for name in state_dict(COTNET)}
    torch.save({"model": arrays}, tmp_path / "objects.pth")
    assert "not of plain numbers" in refusal(COTNET, tmp_path / "objects.pth").what


def test_a_zip_archive_of_something_else_is_to_be_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/weights.bin", b"0" * 100)
    assert "Unpack it" in refusal(COTNET, path).remedy
