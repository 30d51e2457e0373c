"""Checkpoints that load: endings, nesting, prefixes, layouts, and what their shapes tell."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from edge_models.catalog import embedded_weights, model_spec, model_specs
from edge_models.checkpoint import config_of, load_reference
from edge_models.random_weights import random_reference
from tests.edge_models.layers import made_model

COTNET, CONFORMER = "digits_cotnet_simple", "digits_conformer"
StateDict = dict[str, Tensor]


def state_dict(name: str, seed: int = 1, **config: Any) -> StateDict:
    return dict(made_model(name, seed, **config).state_dict())


def shapes_only(name: str, **config: Any) -> StateDict:
    """The tensors of a full-size model, without memory."""
    spec = model_spec(name)
    with torch.device("meta"):
        return dict(spec.build(**{**spec.config, **config}).state_dict())


def mmpretrain_key(key: str) -> str:
    """A published Conformer key as mmpretrain writes it."""
    if key.split(".")[0] in ("conv_cls_head", "trans_cls_head"):
        return f"head.{key}"
    parts = {"norm1": "ln1", "norm2": "ln2", "mlp": "ffn.layers", "fc1": "0.0", "fc2": "1"}
    return "backbone." + ".".join(parts.get(part, part) for part in key.split("."))


def assert_same(actual: StateDict, expected: StateDict) -> None:
    assert actual.keys() == expected.keys()
    assert [key for key in expected if not torch.equal(actual[key], expected[key])] == []


@pytest.mark.parametrize("name", [COTNET, CONFORMER])
@pytest.mark.parametrize("ending", [".pth", ".pt", ".safetensors"])
def test_every_ending_loads_strictly(name: str, ending: str, tmp_path: Path) -> None:
    tensors = state_dict(name)
    path = tmp_path / f"weights{ending}"
    (save_file if ending == ".safetensors" else torch.save)(tensors, path)
    loaded = load_reference(model_spec(name), path)
    assert_same(dict(loaded.module.state_dict()), tensors)
    assert not any(module.training for module in loaded.module.modules())
    assert loaded.source == path.name
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert loaded.format == ("safetensors" if ending == ".safetensors" else "torch")
    assert loaded.seed is None


@pytest.mark.parametrize(
    "wrap",
    [
        lambda tensors: {"model": tensors, "epoch": 300},
        lambda tensors: {"state_dict": tensors, "arch": "cotnet"},
        lambda tensors: {"state_dict_ema": tensors},
        lambda tensors: {"model": {"state_dict": tensors}},
        lambda tensors: {"state_dict": {f"module.{k}": v for k, v in tensors.items()}},
    ],
    ids=["model", "state_dict", "state_dict_ema", "twice", "module."],
)
def test_nested_state_dict_is_found(wrap: Callable[[StateDict], object], tmp_path: Path) -> None:
    tensors = state_dict(COTNET)
    torch.save(wrap(tensors), tmp_path / "weights.pth")
    loaded = load_reference(model_spec(COTNET), tmp_path / "weights.pth")
    assert_same(dict(loaded.module.state_dict()), tensors)


def test_averaged_weights_come_first(tmp_path: Path) -> None:
    plain, averaged = state_dict(COTNET, 1), state_dict(COTNET, 2)
    torch.save({"state_dict": plain, "state_dict_ema": averaged}, tmp_path / "weights.pth")
    loaded = load_reference(model_spec(COTNET), tmp_path / "weights.pth")
    assert_same(dict(loaded.module.state_dict()), averaged)


def test_mmpretrain_layout_loads(tmp_path: Path) -> None:
    tensors = state_dict(CONFORMER)
    theirs = {mmpretrain_key(key): tensor for key, tensor in tensors.items()}
    assert not theirs.keys() & tensors.keys()
    torch.save({"state_dict": theirs, "meta": {"epoch": 300}}, tmp_path / "mm.pth")
    published = model_spec("conformer_tiny_patch16")
    spec = replace(model_spec(CONFORMER), published_key=published.published_key)
    loaded = load_reference(spec, tmp_path / "mm.pth")
    assert_same(dict(loaded.module.state_dict()), tensors)


@pytest.mark.parametrize("size", ["tiny", "small", "base"])
def test_every_published_key_has_its_mmpretrain_name(size: str) -> None:
    published_key = model_spec(f"conformer_{size}_patch16").published_key
    keys = list(shapes_only(f"conformer_{size}_patch16"))
    assert [key for key in keys if published_key(mmpretrain_key(key)) != key] == []
    assert [key for key in keys if published_key(key) != key] == []
    assert mmpretrain_key("conv_trans_3.trans_block.mlp.fc1.bias") == (
        "backbone.conv_trans_3.trans_block.ffn.layers.0.0.bias"
    )


@pytest.mark.parametrize("name", [COTNET, CONFORMER])
def test_classes_are_read_from_the_head(name: str, tmp_path: Path) -> None:
    torch.save(state_dict(name, num_classes=7), tmp_path / "weights.pth")
    loaded = load_reference(model_spec(name), tmp_path / "weights.pth")
    assert loaded.classes == 7
    assert loaded.config["num_classes"] == 7


def test_groups_are_read_from_the_key_convolution(
    tmp_path: Path, generator: torch.Generator
) -> None:
    grouped = made_model(COTNET, groups=4)
    torch.save(grouped.state_dict(), tmp_path / "weights.pth")
    loaded = load_reference(model_spec(COTNET), tmp_path / "weights.pth")
    x = torch.randn(1, 3, 64, 64, generator=generator)
    with torch.no_grad():
        assert torch.equal(loaded.module(x), grouped(x))


@pytest.mark.parametrize("ratio", [2, 3])
def test_channel_ratio_is_read_from_the_head(ratio: int) -> None:
    tensors = shapes_only("conformer_small_patch16", channel_ratio=ratio, num_classes=12)
    config = config_of(model_spec("conformer_small_patch16"), Path("weights.pth"), tensors)
    assert (config["channel_ratio"], config["num_classes"]) == (ratio, 12)


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"groups": 4, "num_classes": 12}, "cotnet50_simple"),
        ({"num_classes": 12}, "conformer_base_patch16"),
    ],
)
def test_published_sizes_fit_with_other_classes_and_groups(
    config: dict[str, int], name: str
) -> None:
    spec = model_spec(name)
    found = config_of(spec, Path("weights.pth"), shapes_only(name, **config))
    assert found == {**spec.config, **config}


def test_half_precision_becomes_float32(tmp_path: Path) -> None:
    tensors = {k: v.half() if v.is_floating_point() else v for k, v in state_dict(COTNET).items()}
    save_file(tensors, tmp_path / "half.safetensors")
    loaded = load_reference(model_spec(COTNET), tmp_path / "half.safetensors")
    weight = loaded.module.get_parameter("fc.weight")
    assert weight.dtype == torch.float32
    assert torch.equal(weight, tensors["fc.weight"].float())


def test_embedded_weights_are_the_default() -> None:
    spec = model_spec(COTNET)
    loaded = load_reference(spec, None)
    path = embedded_weights(spec)
    assert path is not None
    assert (loaded.source, loaded.format) == ("embedded", "safetensors")
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_without_a_checkpoint_weights_are_seeded() -> None:
    spec = replace(model_spec(COTNET), embedded=None)
    state = torch.random.get_rng_state()
    first, again, other = (load_reference(spec, None, seed) for seed in (5, 5, 6))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert (first.source, first.format, first.seed) == ("random", "random", 5)
    assert first.sha256 == again.sha256 != other.sha256


@pytest.mark.parametrize("name", [COTNET, CONFORMER])
def test_random_weights_have_norms_that_fold_to_something(name: str) -> None:
    module = random_reference(model_specs()[name], 0)
    norms = [layer for layer in module.modules() if "Norm" in type(layer).__name__]
    assert len(norms) > 20
    for norm in norms:
        for tensor in (norm.weight, norm.bias, *norm.buffers()):
            assert tensor.numel() == 1 or tensor.std() > 0.02 * tensor.abs().mean()
