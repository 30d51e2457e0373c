"""The reference Conformer: counts, key names, epsilons and the order of the heads."""

import re

import pytest
import torch
from torch import Tensor, nn

from edge_models.catalog import model_spec
from edge_models.reference import Conformer, ConvTransBlock
from tests.edge_models.layers import made, made_model

PARAMETERS = {"tiny": 23_524_704, "small": 37_673_424, "base": 83_289_136}
ENTRIES = 718

BLOCK_KEYS = r"(conv|bn)[123]|residual_(conv|bn)"
TRANSFORMER_KEYS = r"norm[12]|attn\.(qkv|proj)|mlp\.fc[12]"
KEYS = re.compile(
    r"cls_token|(trans_norm|(trans|conv)_cls_head|conv1|bn1|trans_patch_conv"
    rf"|conv_1\.({BLOCK_KEYS})|trans_1\.({TRANSFORMER_KEYS})"
    rf"|conv_trans_([2-9]|1[0-2])\.((cnn|fusion)_block\.({BLOCK_KEYS})"
    rf"|squeeze_block\.(conv_project|ln)|expand_block\.(conv_project|bn)"
    rf"|trans_block\.({TRANSFORMER_KEYS})))"
    r"\.(weight|bias|running_mean|running_var|num_batches_tracked)"
)


def published(size: str) -> Conformer:
    spec = model_spec(f"conformer_{size}_patch16")
    with torch.device("meta"):
        model = spec.build(**spec.config)
    assert isinstance(model, Conformer)
    return model


@pytest.mark.parametrize("size", PARAMETERS)
def test_counts_are_the_published_ones(size: str) -> None:
    model = published(size)
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[size]
    assert len(model.state_dict()) == ENTRIES


@pytest.mark.parametrize("size", PARAMETERS)
def test_keys_are_the_published_ones_without_a_position_embedding(size: str) -> None:
    assert [key for key in published(size).state_dict() if not KEYS.fullmatch(key)] == []


def test_epsilon_is_1e_6_but_for_the_stem_and_the_last_norm() -> None:
    epsilons = {
        name: module.eps
        for name, module in published("tiny").named_modules()
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm)
    }
    others = {name: epsilon for name, epsilon in epsilons.items() if epsilon != 1e-6}
    assert others == {"bn1": 1e-5, "trans_norm": 1e-5}
    assert len(epsilons) > 100


def test_shortcuts_are_projected_where_the_map_changes() -> None:
    keys = published("tiny").state_dict()
    projected = {
        key.removesuffix(".residual_conv.weight") for key in keys if "residual_conv" in key
    }
    assert projected == {
        "conv_1",
        "conv_trans_5.cnn_block",
        "conv_trans_9.cnn_block",
        "conv_trans_12.fusion_block",
    }


def test_token_strides_follow_the_map() -> None:
    strides = [block.dw_stride for block in published("tiny").blocks()]
    assert strides == [4, 4, 4, 2, 2, 2, 2, 1, 1, 1, 1]


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_tokens_come_down_pooled_and_go_up_repeated(
    stride: int, generator: torch.Generator
) -> None:
    block = made(
        ConvTransBlock, in_channels=8, out_channels=16, dim=12, num_heads=3, dw_stride=stride,
        res_conv=True,
    )  # fmt: skip
    tokens = torch.randn(2, 1 + 2 * 3, 12, generator=generator)
    x = torch.randn(2, 4, 2 * stride, 3 * stride, generator=generator)
    down, up = block.squeeze_block, block.expand_block
    with torch.no_grad():
        cells = down.conv_project(x).unflatten(3, (3, stride)).unflatten(2, (2, stride))
        cells = cells.mean(dim=(3, 5)).flatten(2).transpose(1, 2)
        below = nn.functional.gelu(down.ln(cells))
        torch.testing.assert_close(down(x, tokens), torch.cat([tokens[:, :1], below], dim=1))

        grid = tokens[:, 1:].unflatten(1, (2, 3)).permute(0, 3, 1, 2)
        grid = torch.relu(up.bn(up.conv_project(grid)))
        expected = grid.repeat_interleave(stride, dim=2).repeat_interleave(stride, dim=3)
        torch.testing.assert_close(up(tokens, 2, 3), expected)


def test_block_runs_on_its_own(generator: torch.Generator) -> None:
    block = made(
        ConvTransBlock, in_channels=8, out_channels=16, dim=12, num_heads=3, dw_stride=2,
        stride=2, res_conv=True, last_fusion=True,
    )  # fmt: skip
    x, tokens = torch.randn(2, 8, 8, 12, generator=generator), torch.randn(2, 7, 12)
    with torch.no_grad():
        out, tokens = block(x, tokens)
    assert (out.shape, tokens.shape) == ((2, 16, 2, 3), (2, 7, 12))


def test_outputs_are_the_convolution_head_then_the_transformer_head(
    generator: torch.Generator,
) -> None:
    model = made_model("digits_conformer")
    seen: dict[str, Tensor] = {}
    for name in ("conv_cls_head", "trans_cls_head"):
        head = model.get_submodule(name)
        head.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
    with torch.no_grad():
        convolution, transformer = model(torch.randn(2, 3, 64, 96, generator=generator))
    assert torch.equal(convolution, seen["conv_cls_head"])
    assert torch.equal(transformer, seen["trans_cls_head"])
    assert not torch.allclose(convolution, transformer)


def test_attention_follows_its_definition(generator: torch.Generator) -> None:
    attention = made_model("digits_conformer").get_submodule("trans_1.attn")
    x = torch.randn(2, 5, 48, generator=generator)
    with torch.no_grad():
        qkv = attention.qkv(x).view(2, 5, 3, 3, 16)  # (B, N, qkv, heads, head dim)
        scores = torch.einsum("bnhd,bmhd->bhnm", qkv[:, :, 0], qkv[:, :, 1]) / 16**0.5
        context = torch.einsum("bhnm,bmhd->bnhd", scores.softmax(-1), qkv[:, :, 2])
        torch.testing.assert_close(attention(x), attention.proj(context.reshape(2, 5, 48)))
