"""Checkpoints that do not load: each error names what is wrong and what to do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from edge_models.catalog import model_spec, model_specs
from edge_models.checkpoint import config_of, load_reference
from edge_models.checkpoint_file import read_weights
from edge_models.errors import InputError
from tests.edge_models.test_checkpoint import (
    COTNET,
    StateDict,
    shapes_only,
    state_dict,
)

NAMES = list(model_specs())
PAIRS = list(zip(NAMES, NAMES[1:] + NAMES[:1], strict=True))


def refusal(name: str, path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        load_reference(model_spec(name), path)
    assert caught.value.what
    assert caught.value.remedy
    return caught.value


def refusal_of(tensors: object, path: Path, name: str = COTNET) -> InputError:
    torch.save(tensors, path)
    error = refusal(name, path)
    assert path.name in error.what or "tensor" in error.what
    return error


@pytest.mark.parametrize(("asked", "given"), PAIRS)
def test_checkpoint_of_another_model_names_it(asked: str, given: str) -> None:
    with pytest.raises(InputError) as error:
        config_of(model_spec(asked), Path("some.pth"), shapes_only(given, num_classes=12))
    assert error.value.what == f"The checkpoint some.pth is not of {asked}."
    assert error.value.remedy == f"It fits {given}."


@pytest.mark.parametrize("asked", ["conformer_tiny_patch16", "conformer_base_patch16"])
def test_channel_ratio_of_another_published_size_is_not_taken(asked: str) -> None:
    with pytest.raises(InputError, match="It fits conformer_small_patch16"):
        config_of(model_spec(asked), Path("some.pth"), shapes_only("conformer_small_patch16"))


def without(tensors: StateDict) -> StateDict:
    del tensors["layer3.0.bn1.weight"]
    return tensors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without, "layer3.0.bn1.weight is missing"),
        (lambda t: {**t, "layer3.9.weight": t["fc.bias"]}, "layer3.9.weight is unknown"),
        (lambda t: {**t, "layer5.0.weight": t["fc.bias"]}, "layer5.0.weight is unknown"),
        (lambda t: {**t, "bn1.bias": torch.ones(5)}, r"bn1.bias is (5,), not (12,)"),
        (lambda t: {**t, "fc.bias": torch.ones(9)}, "fc.bias is (9,), not (10,)"),
    ],
    ids=["missing", "unknown", "one stage more", "wrong shape", "classes disagree"],
)
def test_a_difference_is_named(
    change: Callable[[StateDict], StateDict], message: str, tmp_path: Path
) -> None:
    error = refusal_of(change(state_dict(COTNET)), tmp_path / "weights.pth")
    assert message in error.what


def test_many_differences_are_counted(tmp_path: Path) -> None:
    error = refusal_of({"a": torch.ones(1), "b": torch.ones(2)}, tmp_path / "weights.pth")
    assert error.what.count(" is missing") == 3
    needed = [key for key in state_dict(COTNET) if not key.endswith("num_batches_tracked")]
    assert error.what.endswith(f"; and {len(needed) - 3} more")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("key", ["fc.weight", "layer2.0.bn3.running_var"])
def test_values_that_are_not_finite_are_refused(value: float, key: str, tmp_path: Path) -> None:
    tensors = state_dict(COTNET)
    tensors[key].view(-1)[3] = value
    assert f"tensor {key} holds NaN or infinite" in refusal_of(tensors, tmp_path / "w.pth").what


def test_float64_values_beyond_float32_are_refused(tmp_path: Path) -> None:
    tensors = state_dict(COTNET)
    tensors["fc.weight"] = tensors["fc.weight"].double() * 1e60
    assert "fc.weight" in refusal_of(tensors, tmp_path / "weights.pth").what


class Payload:
    """Pickled code: unpickling it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return exec, (f"open({str(self.marker)!r}, 'w').close()",)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("key", ["state_dict", "fc.weight", "optimizer"])
def test_pickled_code_does_not_run(key: str, legacy: bool, tmp_path: Path) -> None:
    marker, path = tmp_path / "code ran", tmp_path / "weights.pth"
    tensors = state_dict(COTNET)
    torch.save({**tensors, key: Payload(marker)}, path, _use_new_zipfile_serialization=not legacy)
    if key == "optimizer":  # beside the weights: it is left out
        assert load_reference(model_spec(COTNET), path).notes[0].endswith("left out: optimizer")
    else:
        assert f"{path} holds " in refusal(COTNET, path).what
    assert not marker.exists()
    torch.load(path, weights_only=False)  # the file does hold code
    assert marker.exists()


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_truncated_file_is_refused(ending: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / f"weights{ending}"
    (save_file if ending == ".safetensors" else torch.save)(state_dict(COTNET), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert str(path) in refusal(COTNET, path).what


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"fc.weight": [1.0, 2.0]}, "'fc.weight', which is not a dense tensor"),
        ({"model": {"fc.weight": "text"}}, "'fc.weight', which is not a dense tensor"),
        ([1, 2], "holds no state dict"),
        ({}, "holds no state dict"),
        ({"state_dict": {}}, "holds no state dict"),
    ],
)
def test_what_is_not_a_state_dict_is_refused(content: object, message: str, tmp_path: Path) -> None:
    assert message in refusal_of(content, tmp_path / "weights.pth").what


@pytest.mark.parametrize("name", ["absent.pth", "absent.safetensors"])
def test_absent_file_is_named(name: str, tmp_path: Path) -> None:
    assert (
        refusal(COTNET, tmp_path / name).what == f"There is no checkpoint file {tmp_path / name}."
    )


def test_a_folder_is_not_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "folder.pth").mkdir()
    with pytest.raises(InputError, match="no checkpoint file"):
        read_weights(tmp_path / "folder.pth")
