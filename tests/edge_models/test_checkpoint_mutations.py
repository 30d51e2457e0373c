"""Mutated checkpoints, and state dicts of any shapes: they load right or end in an InputError."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save
from torch import Tensor

from edge_models import checkpoint
from edge_models.catalog import model_spec
from edge_models.checkpoint import LoadedModel, config_of, load_reference
from edge_models.checkpoint_file import Weights, read_weights
from tests.bad_input import mutated, only_inside, refused_or
from tests.edge_models.test_checkpoint import CONFORMER, COTNET, shapes_only, state_dict
from tests.edge_models.test_checkpoint_errors import Payload

CASES = 18  # of each change, spread over the model
SHAPES = {name: shapes_only(name) for name in (COTNET, CONFORMER)}
TENSORS = {"fc.weight": torch.arange(6.0).view(2, 3), "fc.bias": torch.ones(2)}


def saved(**options: Any) -> bytes:
    file = io.BytesIO()
    torch.save({"state_dict": TENSORS}, file, **options)
    return file.getvalue()


WHOLE = {
    "zip.pth": saved(),
    "legacy.pt": saved(_use_new_zipfile_serialization=False),
    "weights.safetensors": save(TENSORS),
}


@pytest.fixture(autouse=True, scope="module")
def _few_models() -> Iterator[None]:
    """So that an error asks only these whether the checkpoint is theirs."""
    few = {name: model_spec(name) for name in SHAPES}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "model_specs", lambda: few)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture(scope="module")
def published() -> dict[str, Tensor]:
    return state_dict(COTNET)


@pytest.mark.parametrize("name", WHOLE)
@given(data=st.data())
def test_a_mutated_file_is_read_or_refused(name: str, folder: Path, data: st.DataObject) -> None:
    path = folder / name
    path.write_bytes(data.draw(mutated(WHOLE[name])))
    with only_inside(folder):
        weights = refused_or(read_weights, path)
    if weights is not None:
        assert all(isinstance(value, Tensor) for value in weights.tensors.values())


@pytest.mark.parametrize("legacy", [False, True])
@given(data=st.data())
def test_no_code_of_a_mutated_training_checkpoint_runs(
    legacy: bool, folder: Path, data: st.DataObject
) -> None:
    marker, path = folder / "code ran", folder / "trained.pth"
    file = io.BytesIO()
    payload = Payload(marker)
    content = {"model": TENSORS, "args": payload, "hooks": [payload], "epoch": 3}
    torch.save(content, file, _use_new_zipfile_serialization=not legacy)
    path.write_bytes(data.draw(mutated(file.getvalue())))
    with only_inside(folder):
        refused_or(read_weights, path)
    assert not marker.exists()


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@given(content=st.binary(max_size=100))
def test_any_bytes_are_refused(ending: str, content: bytes, folder: Path) -> None:
    path = folder / f"bytes{ending}"
    path.write_bytes(content)
    with only_inside(folder):
        assert not refused_or(read_weights, path)


Change = Callable[[Tensor], Tensor]
CHANGES: dict[str, Change] = {
    "NaN": lambda t: t * float("nan"),
    "infinite": lambda t: t + float("inf"),
    "complex": lambda t: t * 1j,
    "sparse": lambda t: t.to_sparse(),
    "meta": lambda t: t.to("meta"),
    "no elements": lambda t: t[:0] if t.dim() else t.new_empty(0),
    "one dimension more": lambda t: t[None],
    "scalar": lambda t: torch.tensor(1.0) if t.dim() else t[None],
}
SAME: dict[str, Change] = {  # the weights that they were
    "float64": lambda t: t.double() if t.is_floating_point() else t,
    "not contiguous": lambda t: t.T.contiguous().T if t.dim() == 2 else t,
}


@pytest.mark.parametrize("kind", ["drop", "rename", *CHANGES, *SAME])
def test_a_changed_state_dict_loads_only_where_it_says_the_same(
    kind: str, folder: Path, published: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    (path := folder / "changed.pth").touch()
    keys = sorted(key for key, value in published.items() if value.dim())
    for key in keys[:: len(keys) // CASES]:
        tensors = dict(published)
        value = tensors.pop(key)
        if kind == "rename":
            tensors[f"{key}s"] = value
        elif kind != "drop":
            tensors[key] = {**CHANGES, **SAME}[kind](value)
        weights = Weights(tensors, None, "torch")
        monkeypatch.setattr(checkpoint, "read_weights", lambda *_, read=weights: read)
        loaded: LoadedModel | None = refused_or(load_reference, model_spec(COTNET), path)
        assert (loaded is not None) == (kind in SAME), key
        if loaded is not None:
            assert torch.equal(loaded.module.state_dict()[key], value)


@pytest.mark.parametrize("name", [COTNET, CONFORMER])
@given(data=st.data())
def test_any_shapes_are_this_models_or_refused(name: str, data: st.DataObject) -> None:
    spec, tensors = model_spec(name), dict(SHAPES[name])
    for key in data.draw(st.lists(st.sampled_from(list(tensors)), min_size=1, max_size=3)):
        shape = data.draw(st.lists(st.integers(0, 9), max_size=5))
        tensors[key] = torch.empty(shape, device="meta")
    config = refused_or(config_of, spec, Path("weights.pth"), tensors)
    if config is not None:
        with torch.device("meta"):
            spec.build(**config).load_state_dict(tensors, strict=True)
