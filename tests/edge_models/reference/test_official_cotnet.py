"""The official family's references: the sizes and keys of the published checkpoints."""

from pathlib import Path

import pytest
import torch
from torch import nn

from edge_models.catalog import model_spec, model_specs
from edge_models.checkpoint import config_of, load_reference
from edge_models.errors import InputError
from edge_models.reference.official_cot_layer import LocalConvolution
from export_targets.contents import count_macs
from tests.edge_models.layers import made_model

NAMES = [
    spec.name
    for spec in model_specs().values()
    if spec.family == "official_cotnet" and not spec.embedded
]
PARAMETERS = {"cotnet50": 22_222_416, "cotnet101": 38_272_048}
# Published to 0.1 M; these two lie just below 30.05 and 53.35 M
MILLIONS = {"cotnext50_2x48d": 30.1, "cotnext101_2x48d": 53.4}
MACS = {"cotnet50": 3.3e9, "cotnet101": 6.1e9, "cotnext50_2x48d": 4.3e9, "cotnext101_2x48d": 8.2e9}
ENTRIES = {"cotnet50": 800, "cotnext50_2x48d": 800}


def without_memory(name: str) -> nn.Module:
    spec = model_spec(name)
    with torch.device("meta"):
        return spec.build(**spec.config).eval()


@pytest.mark.parametrize("name", NAMES)
def test_size_and_work_are_the_published_ones(name: str) -> None:
    model = without_memory(name)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if name in PARAMETERS:
        assert parameters == PARAMETERS[name]
    else:
        assert parameters / 1e6 == pytest.approx(MILLIONS[name], abs=0.055)
    if name in ENTRIES:
        assert len(model.state_dict()) == ENTRIES[name]

    local = []
    for module in model.modules():
        if isinstance(module, LocalConvolution):
            module.register_forward_hook(lambda _, __, output: local.append(9 * output.numel()))
    with torch.device("meta"):
        macs = count_macs(model, torch.empty(1, 3, 224, 224))
    assert macs + sum(local) == pytest.approx(MACS[name], rel=0.02)


def test_keys_are_those_of_the_published_layout() -> None:
    keys = set(without_memory("cotnet50").state_dict())
    block = {key.removeprefix("layer2.0.") for key in keys if key.startswith("layer2.0.")}
    modules = {key.rpartition(".")[0] for key in block}
    assert modules == {
        *("conv1", "bn1", "conv3", "bn3", "downsample.0", "downsample.1"),
        *("conv2.key_embed.0", "conv2.key_embed.1", "conv2.embed.0", "conv2.embed.1"),
        *("conv2.embed.3", "conv2.embed.4", "conv2.conv1x1.0", "conv2.conv1x1.1", "conv2.bn"),
        *("conv2.se.0", "conv2.se.1", "conv2.se.3"),
    }
    assert {key for key in keys if not key.startswith("layer")} == {
        "conv1.weight",
        *(f"bn1.{name}" for name in ("weight", "bias", "running_mean", "running_var")),
        "bn1.num_batches_tracked",
        "fc.weight",
        "fc.bias",
    }


@pytest.mark.parametrize("nesting", ["state_dict", "state_dict_ema"])
def test_a_published_file_loads_strictly(nesting: str, tmp_path: Path) -> None:
    model = made_model("digits_cotnet", num_classes=7)
    tensors = {f"module.{key}": value for key, value in model.state_dict().items()}
    torch.save({nesting: tensors, "epoch": 3}, tmp_path / "weights.pth")
    loaded = load_reference(model_spec("digits_cotnet"), tmp_path / "weights.pth")
    assert loaded.classes == 7
    for key, value in loaded.module.state_dict().items():
        assert torch.equal(value, tensors[f"module.{key}"])


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_named_as_another_model_is_recognized(name: str) -> None:
    tensors = dict(without_memory(name).state_dict())
    assert config_of(model_spec(name), Path("file.pth"), tensors) == model_spec(name).config
    with pytest.raises(InputError) as error:
        config_of(model_spec("cotnet50_simple"), Path("file.pth"), tensors)
    assert name in error.value.remedy


def test_strides_stand_in_pools_between_first_convolution_and_layer() -> None:
    pools = {
        name: (module.kernel_size, module.stride, module.padding, module.count_include_pad)
        for name, module in without_memory("cotnet50").named_modules()
        if isinstance(module, nn.AvgPool2d)
    }
    assert pools == {f"layer{stage}.0.avd": (3, 2, 1, True) for stage in (2, 3, 4)}
