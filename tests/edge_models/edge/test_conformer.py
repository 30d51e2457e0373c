"""The edge Conformer's parts on their own."""

import pytest
import torch
from torch import nn

from edge_models.edge import Conformer, ConvTransBlock, Forms
from edge_models.parity import measure
from edge_models.reference import Conformer as ReferenceConformer
from edge_models.reference import ConvTransBlock as ReferenceConvTransBlock
from tests.edge_models.layers import FORMS, made, made_model

BLOCKS = {
    "first": {"dw_stride": 4},
    "strided": {"dw_stride": 2, "stride": 2},
    "last": {"dw_stride": 1, "last_fusion": True},
}


def reference_block(**config: int) -> ReferenceConvTransBlock:
    block = made(
        ReferenceConvTransBlock,
        in_channels=8,
        out_channels=16,
        dim=12,
        num_heads=3,
        res_conv=True,
        **config,
    )
    assert isinstance(block, ReferenceConvTransBlock)
    return block


@pytest.mark.parametrize("forms", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("config", BLOCKS.values(), ids=BLOCKS)
def test_block_computes_the_reference(
    forms: Forms, config: dict[str, int], generator: torch.Generator
) -> None:
    reference = reference_block(**config)
    cells = config["dw_stride"] * config.get("stride", 1)
    size = (2 * cells, 3 * cells)
    x = torch.randn(2, 8, *size, generator=generator)
    tokens = torch.randn(2, 1 + 2 * 3, 12, generator=generator)
    with torch.no_grad():
        expected = reference(x.clone(), tokens)
        actual = ConvTransBlock(reference, size, forms).eval()(x, tokens)
    for before, after in zip(expected, actual, strict=True):
        assert measure(before.flatten(1), after.flatten(1)).sqnr_db > 110


def test_block_has_default_forms(generator: torch.Generator) -> None:
    reference = reference_block(dw_stride=2)
    x = torch.randn(1, 8, 4, 6, generator=generator)
    tokens = torch.randn(1, 7, 12, generator=generator)
    with torch.no_grad():
        expected, actual = (
            reference(x.clone(), tokens),
            ConvTransBlock(reference, (4, 6))(x, tokens),
        )
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


def test_pool_stands_before_the_projection_of_a_quarter_or_sixteenth_of_the_pixels(
    generator: torch.Generator,
) -> None:
    block = ConvTransBlock(reference_block(dw_stride=4), (8, 12), FORMS["xnnpack"])
    rows: list[int] = []
    block.squeeze_block.project.register_forward_hook(lambda _m, x, _o: rows.append(x[0].shape[1]))
    with torch.no_grad():
        block(torch.randn(1, 8, 8, 12, generator=generator), torch.randn(1, 7, 12))
    assert rows == [8 * 12 // 16]
    projection = block.squeeze_block.project
    assert projection.weight.mean(0).abs().max() < 1e-7  # centred, so that the norm need not
    assert block.squeeze_block.norm.centered


def test_both_heads_have_the_mean_of_the_single_output(generator: torch.Generator) -> None:
    reference = made_model("digits_conformer")
    assert isinstance(reference, ReferenceConformer)
    x = torch.randn(2, 3, 64, 96, generator=generator)
    with torch.no_grad():
        both = Conformer(reference, (64, 96), 2, "both")(x)
        mean = Conformer(reference, (64, 96), 2, "mean")(x)
        expected = reference(x)
    torch.testing.assert_close(both, tuple(expected), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mean, (both[0] + both[1]) / 2, rtol=1e-4, atol=1e-5)


def test_norms_are_folded() -> None:
    reference = made_model("digits_conformer")
    assert isinstance(reference, ReferenceConformer)
    kinds = {type(module) for module in Conformer(reference, (64, 64)).modules()}
    assert not kinds & {nn.BatchNorm2d, nn.LayerNorm}


def test_layer_norms_keep_the_epsilons() -> None:
    reference = made_model("digits_conformer")
    assert isinstance(reference, ReferenceConformer)
    edge = Conformer(reference, (64, 64))
    assert edge.norm.eps == 1e-5
    assert {block.trans_block.norm1.eps for block in edge.blocks} == {1e-6}
    assert {block.squeeze_block.norm.eps for block in edge.blocks} == {1e-6}
