"""Conformer's layers: a stage, its coupling units, and the transformer block it shares with DeiT.

Their tokens come and go as rows, (B, N, C): the form's layout is theirs alone.
"""

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor, nn

from edge_models.edge.conformer import Block, ConvTransBlock, FCUDown
from edge_models.edge.folding import as_linear, fold_batch_norm
from edge_models.edge.forms import Forms
from edge_models.edge.network.heads import heads_of
from edge_models.edge.network.known_layer import Candidate, KnownLayer
from edge_models.reference import conformer_blocks as reference
from edge_models.spec import Size


class StageOfRows(nn.Module):
    """A ConvTransBlock: map and rows to map and rows."""

    def __init__(self, source: reference.ConvTransBlock, size: Size, forms: Forms) -> None:
        super().__init__()
        self.tokens = forms.tokens
        self.block = ConvTransBlock(source, size, forms)

    def forward(self, x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        x, tokens = self.block(x, self.tokens.from_rows(rows))
        return x, self.tokens.to_rows(tokens)


class BlockOfRows(nn.Module):
    """A transformer block: rows to rows."""

    def __init__(self, source: reference.Block, forms: Forms) -> None:
        super().__init__()
        self.tokens, self.residual = forms.tokens, forms.residual
        self.block = Block(source, forms)

    def forward(self, rows: Tensor) -> Tensor:
        stream = self.residual(self.tokens.from_rows(rows))
        return self.tokens.to_rows(self.block(stream).total)


class DownOfRows(nn.Module):
    """FCUDown: a map, and rows that begin with the class token, to rows."""

    def __init__(self, source: reference.FCUDown, stride: int, forms: Forms) -> None:
        super().__init__()
        self.tokens = forms.tokens
        self.down = FCUDown(source, stride, forms)

    def forward(self, x: Tensor, rows: Tensor) -> Tensor:
        first = self.tokens.first(self.tokens.from_rows(rows))
        return self.tokens.to_rows(self.tokens.concatenate(first, self.down(x)))


class UpOfRows(nn.Module):
    """FCUUp: rows that begin with a class token to a map."""

    def __init__(self, source: reference.FCUUp, grid: Size, forms: Forms) -> None:
        super().__init__()
        self.tokens = forms.tokens
        projection = as_linear(fold_batch_norm(source.conv_project, source.bn))
        self.up = forms.upsampling(projection, source.up_stride, grid)

    def forward(self, rows: Tensor) -> Tensor:
        up: Tensor = self.up(self.tokens.rest(self.tokens.from_rows(rows)))
        return up


def _stages(candidate: Candidate) -> Iterator[nn.Module]:
    """The widths are those of the layers, the pooled pixels of the tokens' number."""
    x, rows = candidate.call.shapes
    convolutions = candidate.of(nn.Conv2d)
    middle = [c for c in convolutions if c.kernel_size == (3, 3) and c.in_channels > 1]
    linears = candidate.of(nn.Linear)
    if len(middle) != 2 or len(linears) != 4 or rows[1] < 2:
        return
    stride, last_fusion = middle[0].stride[0], middle[1].stride[0] == 2
    side = (x[2] // stride) * (x[3] // stride) / (rows[1] - 1)
    pooled = round(side**0.5)
    shortcuts = len(convolutions) - 8 - last_fusion
    if shortcuts not in (0, 1) or pooled < 1 or x[2] % (stride * pooled):
        return
    if x[3] % (stride * pooled):
        return
    for heads in heads_of(candidate, rows[2]):
        yield reference.ConvTransBlock(
            *(x[1], middle[0].in_channels * reference.EXPANSION, rows[2], heads, pooled),
            stride=stride,
            res_conv=shortcuts == 1,
            last_fusion=last_fusion,
        )


def _blocks(candidate: Candidate) -> Iterator[nn.Module]:
    """The width of the tokens and of the third linear; any number of heads that divides it."""
    ((_, _, dim),) = candidate.call.shapes
    linears = candidate.of(nn.Linear)
    if len(linears) == 4 and len(candidate.leaves) == 6 and linears[2].out_features % dim == 0:
        for heads in heads_of(candidate, dim):
            yield reference.Block(dim, heads, linears[2].out_features // dim)


def _downs(candidate: Candidate) -> Iterator[nn.Module]:
    x, rows = candidate.call.shapes
    pooled = round((x[2] * x[3] / max(rows[1] - 1, 1)) ** 0.5)
    if len(candidate.leaves) == 2 and pooled >= 1 and not x[2] % pooled and not x[3] % pooled:
        yield reference.FCUDown(x[1], rows[2], pooled)


def _ups(candidate: Candidate) -> Iterator[nn.Module]:
    ((_, count, dim),) = candidate.call.shapes
    results = candidate.call.result_shapes
    if len(candidate.leaves) != 2 or list(map(len, results)) != [4]:
        return
    (result,) = results
    if len(candidate.call.numbers) == 2 and count > 1:
        repeated = round((result[2] * result[3] / (count - 1)) ** 0.5)
        yield reference.FCUUp(dim, result[1], max(repeated, 1))


def _stage(layer: nn.Module, candidate: Candidate, forms: Forms) -> nn.Module:
    assert isinstance(layer, reference.ConvTransBlock)
    _, _, height, width = candidate.call.shapes[0]
    return StageOfRows(layer, (height, width), _unscaled(forms))


def _block(layer: nn.Module, _: Candidate, forms: Forms) -> nn.Module:
    assert isinstance(layer, reference.Block)
    return BlockOfRows(layer, _unscaled(forms))


def _down(layer: nn.Module, _: Candidate, forms: Forms) -> nn.Module:
    assert isinstance(layer, reference.FCUDown)
    return DownOfRows(layer, _side(layer.sample_pooling.stride), _unscaled(forms))


def _up(layer: nn.Module, candidate: Candidate, forms: Forms) -> nn.Module:
    assert isinstance(layer, reference.FCUUp)
    _, _, height, width = candidate.call.result_shapes[0]
    grid = height // layer.up_stride, width // layer.up_stride
    return UpOfRows(layer, grid, _unscaled(forms))


def _unscaled(forms: Forms) -> Forms:
    """What the tokens are added to is not known: they keep their scale."""
    return replace(forms, residual_scale=1.0)


def _side(stride: int | tuple[int, int]) -> int:
    return stride if isinstance(stride, int) else stride[0]


KNOWN = (
    KnownLayer("ConvTransBlock", reference.ConvTransBlock, (4, 3), _stages, _stage),
    KnownLayer("Block", reference.Block, (3,), _blocks, _block),
    KnownLayer("FCUDown", reference.FCUDown, (4, 3), _downs, _down),
    KnownLayer("FCUUp", reference.FCUUp, (3,), _ups, _up),
)
