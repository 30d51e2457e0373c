"""Odd checkpoints end in an InputError too."""

from pathlib import Path

import pytest
import torch

from edge_models.catalog import model_spec
from edge_models.checkpoint import config_of, load_reference
from edge_models.errors import InputError
from tests.edge_models.test_checkpoint import (
    COTNET,
    mmpretrain_key,
    shapes_only,
    state_dict,
)


@pytest.mark.parametrize(
    "groups",
    [2, 8, 16],
)
def test_groups_that_do_not_divide_another_models_width_are_read(groups: int) -> None:
    tensors = shapes_only("cotnet50_simple", groups=groups)
    config = config_of(model_spec("cotnet50_simple"), Path("weights.pth"), tensors)
    assert config["groups"] == groups


@pytest.mark.parametrize("content", [b"\x80\x02s.", b"\x80\x02(s.", b"\x80\x02}K\x01K\x02s\x86R."])
def test_damaged_pickle_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(InputError, match=r"weights\.pth"):
        load_reference(model_spec(COTNET), tmp_path / "weights.pth")


@pytest.mark.parametrize(
    "weight",
    [
        pytest.param(torch.tensor(1.0), id="scalar"),
        pytest.param(torch.ones(10, 384).to_sparse(), id="sparse"),
        pytest.param(torch.ones(10, 384, device="meta"), id="meta"),
        pytest.param(torch.ones(10, 384) * 1j, id="complex"),
    ],
)
def test_head_that_is_not_a_dense_float_matrix_is_refused(
    weight: torch.Tensor, tmp_path: Path
) -> None:
    torch.save({**state_dict(COTNET), "fc.weight": weight}, tmp_path / "weights.pth")
    with pytest.raises(InputError, match=r"fc\.weight"):
        load_reference(model_spec(COTNET), tmp_path / "weights.pth")


def test_head_without_classes_is_refused(tmp_path: Path) -> None:
    tensors = state_dict(COTNET)
    empty = {key: tensors[key][:0] for key in ("fc.weight", "fc.bias")}
    torch.save({**tensors, **empty}, tmp_path / "weights.pth")
    with pytest.raises(InputError):
        load_reference(model_spec(COTNET), tmp_path / "weights.pth")


def test_one_tensor_under_two_keys_is_refused(tmp_path: Path) -> None:
    tensors = state_dict(COTNET)
    torch.save({**tensors, "module.fc.weight": tensors["fc.weight"] + 1}, tmp_path / "weights.pth")
    with pytest.raises(InputError, match=r"fc\.weight"):
        load_reference(model_spec(COTNET), tmp_path / "weights.pth")


def test_mmpretrain_layout_of_another_model_names_it() -> None:
    tensors = shapes_only("conformer_tiny_patch16")
    theirs = {mmpretrain_key(key): tensor for key, tensor in tensors.items()}
    with pytest.raises(InputError, match="It fits conformer_tiny_patch16"):
        config_of(model_spec("cotnet50_simple"), Path("mm.pth"), theirs)
