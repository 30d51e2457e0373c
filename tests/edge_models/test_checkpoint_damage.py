"""Odd checkpoints end in an InputError too."""

import json
import resource
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from edge_models.catalog import model_spec
from edge_models.checkpoint import config_of, load_reference
from edge_models.checkpoint_file import read_weights
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


def test_a_compressed_checkpoint_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(25_000_000)}, tmp_path / "plain.pth")
    bomb = tmp_path / "bomb.pth"
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    assert bomb.stat().st_size < 1_000_000
    with pytest.raises(InputError, match=r"bomb\.pth cannot be read: it would unpack to 1000"):
        read_weights(bomb)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_tensor_larger_than_its_file_is_refused(dtype: torch.dtype, tmp_path: Path) -> None:
    vast = torch.zeros(1, dtype=dtype).expand(10**6, 10**6)
    torch.save({**state_dict(COTNET), "fc.weight": vast}, tmp_path / "weights.pth")
    with pytest.raises(InputError, match=r"smaller than its tensor fc\.weight of \(1000000, "):
        load_reference(model_spec(COTNET), tmp_path / "weights.pth")


class Vast:
    """A pickled call for more memory than there is."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (bytearray, (10**15,))


def test_a_pickled_call_for_more_memory_than_there_is_is_not_made(tmp_path: Path) -> None:
    torch.save({"fc.weight": Vast()}, tmp_path / "weights.pth")
    with pytest.raises(InputError, match=r"holds 'fc\.weight', which is not a dense"):
        read_weights(tmp_path / "weights.pth")


def test_a_storage_of_more_memory_than_there_is_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"fc.bias": torch.ones(3)}, path, _use_new_zipfile_serialization=False)
    three, vast = b"K\x03Ntq", b"\x8a\x06\x00\x00\x00\x00\x00\x01Ntq"
    assert path.read_bytes().count(three) == 1
    path.write_bytes(path.read_bytes().replace(three, vast))
    with pytest.raises(InputError, match=r"weights\.pth cannot be read"):
        read_weights(path)


@pytest.mark.parametrize("length", [2**32, 2**40, 2**63, 2**64 - 1])
def test_a_safetensors_header_of_gigabytes_is_refused(length: int, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", length))
        file.truncate(min(length, 2**33) + 8)  # sparse: it takes no space on the disk
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=r"weights\.safetensors cannot be read: .*header"):
        read_weights(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # KB or bytes


def test_a_safetensors_tensor_beyond_its_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    entry = {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}
    header = json.dumps({"fc.weight": entry}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(InputError, match=r"weights\.safetensors cannot be read"):
        read_weights(path)
