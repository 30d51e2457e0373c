"""What a CoTNet's bottlenecks make of their shortcuts."""

from torch import nn

from edge_models.edge.cotnet import Bottleneck, CoTNet
from edge_models.edge.forms import Forms
from tests.edge_models.layers import made_model


def first_blocks(forms: Forms) -> list[Bottleneck]:
    edge = CoTNet(made_model("digits_cotnet_simple"), (64, 64), forms)
    firsts = []
    for stage in edge.stages:
        assert isinstance(stage, nn.Sequential)
        block = stage[0]
        assert isinstance(block, Bottleneck)
        firsts.append(block)
    return firsts


def test_a_shortcut_is_joined_where_both_maps_have_one_size() -> None:
    plain, joined = first_blocks(Forms()), first_blocks(Forms(joins_shortcuts=True))
    assert [block.downsample is None for block in plain] == [False] * len(plain)
    assert [block.downsample is None for block in joined] == [True] + [False] * (len(joined) - 1)
    width, channels = plain[0].conv3.in_channels, plain[0].conv1.in_channels
    assert joined[0].conv3.in_channels == width + channels
