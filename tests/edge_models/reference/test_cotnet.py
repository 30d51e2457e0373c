"""The reference CoTNet's shape: trunk, pools, key names."""

import torch
from torch import nn

from edge_models.catalog import model_spec
from edge_models.reference import CoTNet
from edge_models.reference.cotnet import Bottleneck
from tests.edge_models.layers import made, made_model


def full_size() -> CoTNet:
    spec = model_spec("cotnet50_simple")
    with torch.device("meta"):
        model = spec.build(**spec.config)
    assert isinstance(model, CoTNet)
    return model


def test_depth_and_width_are_those_of_resnet50() -> None:
    stages = full_size().stages()
    assert [len(stage) for stage in stages] == [3, 4, 6, 3]
    assert [stage[0].conv2.dim for stage in stages] == [64, 128, 256, 512]
    assert full_size().fc.in_features == 2048


def test_first_block_of_later_stages_pools_before_its_cot_layer() -> None:
    pools = {
        name: module
        for name, module in full_size().named_modules()
        if isinstance(module, nn.AvgPool2d)
    }
    assert list(pools) == ["layer2.0.avd", "layer3.0.avd", "layer4.0.avd"]
    for pool in pools.values():
        assert (pool.kernel_size, pool.stride, pool.padding) == (3, 2, 1)
        assert pool.count_include_pad


def test_strided_bottleneck_is_convolution_pool_cot_layer_convolution(
    generator: torch.Generator,
) -> None:
    block = made(Bottleneck, in_channels=8, planes=4, stride=2, groups=1)
    x = torch.randn(2, 8, 6, 10, generator=generator)
    with torch.no_grad():
        inner = torch.relu(block.bn1(block.conv1(x)))
        windows = nn.functional.unfold(inner, 3, padding=1, stride=2).view(2, 4, 9, 3, 5)
        inner = block.bn3(block.conv3(block.conv2(windows.sum(2) / 9)))
        expected = torch.relu(inner + block.downsample[1](block.downsample[0](x)))
        torch.testing.assert_close(block(x), expected)


def test_groups_change_the_function_and_the_weights(generator: torch.Generator) -> None:
    x = torch.randn(1, 3, 32, 64, generator=generator)
    dense, grouped = (made_model("digits_cotnet_simple", groups=groups) for groups in (1, 4))
    with torch.no_grad():
        assert dense(x).shape == grouped(x).shape == (1, 10)
        assert not torch.allclose(dense(x), grouped(x))
    key = "layer2.0.conv2.key_embed.0.weight"
    assert dense.state_dict()[key].shape[1] == 4 * grouped.state_dict()[key].shape[1]
