"""Conformer in edge form, written over the token operations that a form supplies."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_models.edge.folding import (
    Affine,
    affine_of,
    as_linear,
    center_outputs,
    convolution_from,
    fold_batch_norm,
    fold_norm_affine,
    linear_from,
    numbers,
    scaled,
)
from edge_models.edge.forms import Forms
from edge_models.edge.forms.residual import ChainedSum, GatheredSum
from edge_models.reference import conformer as reference
from edge_models.reference import conformer_blocks as blocks
from edge_models.spec import Size

Stream = ChainedSum | GatheredSum


class Attention(nn.Module):
    """Self-attention of normalized tokens; the norm's affine part and q's scale are folded in."""

    def __init__(self, source: blocks.Attention, norm: nn.LayerNorm, forms: Forms) -> None:
        super().__init__()
        weight, bias = fold_norm_affine(norm, affine_of(source.qkv))
        query, key, value = (
            Affine(w, b) for w, b in zip(weight.chunk(3), bias.chunk(3), strict=True)
        )
        # before: (q * scale) k^T; after: the scale stands in q's weights
        self.query = forms.tokens.linear(scaled(query, source.scale))
        self.key = forms.tokens.linear(key)
        self.value = forms.tokens.linear(value)
        self.heads = forms.attention(source.num_heads)
        self.proj = forms.tokens.linear(scaled(affine_of(source.proj), forms.residual_scale))

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(self.heads(self.query(x), self.key(x), self.value(x)))


class Block(nn.Module):
    """The function of a reference transformer block over tokens in the form's layout."""

    def __init__(self, source: blocks.Block, forms: Forms) -> None:
        super().__init__()
        dim = source.norm1.normalized_shape[0]
        # before: LN(t), eps; after: LN(s t), s^2 eps: the same, with what is added to t scaled too
        scale = forms.residual_scale
        self.norm1 = forms.layer_norm(dim, source.norm1.eps * scale**2)
        self.attn = Attention(source.attn, source.norm1, forms)
        self.norm2 = forms.layer_norm(dim, source.norm2.eps * scale**2)
        self.fc1 = forms.tokens.linear(fold_norm_affine(source.norm2, affine_of(source.mlp.fc1)))
        self.fc2 = forms.tokens.linear(scaled(affine_of(source.mlp.fc2), scale))

    def forward(self, tokens: Stream) -> Stream:
        tokens = tokens.settled()
        tokens = tokens.plus(self.attn(self.norm1(tokens.total)))
        return tokens.plus(self.fc2(F.gelu(self.fc1(self.norm2(tokens.total)))))


class ConvBlock(nn.Module):
    """The function of a reference convolution block."""

    def __init__(self, source: blocks.ConvBlock) -> None:
        super().__init__()
        self.conv1 = convolution_from(fold_batch_norm(source.conv1, source.bn1))
        self.conv2 = convolution_from(fold_batch_norm(source.conv2, source.bn2), source.conv2)
        self.conv3 = convolution_from(fold_batch_norm(source.conv3, source.bn3))
        self.residual: nn.Module | None = None
        if source.res_conv:
            self.residual = convolution_from(
                fold_batch_norm(source.residual_conv, source.residual_bn), source.residual_conv
            )

    def forward(self, x: Tensor, from_tokens: Tensor | None = None) -> tuple[Tensor, Tensor]:
        residual = x if self.residual is None else self.residual(x)
        x = torch.relu(self.conv1(x))
        if from_tokens is not None:
            x = x + from_tokens
        middle = torch.relu(self.conv2(x))
        return torch.relu(self.conv3(middle) + residual), middle


class FCUDown(nn.Module):
    """Feature map -> patch tokens.

    before: GELU(LN(pool(W x + b)))
    after:  GELU(LN(W pool(x) + b)): the pool and the 1x1 convolution commute, stride^2 fewer
    products; W and b are centred, so that the norm's mean over channels is zero. The norm's affine
    part stands in the norm where its form has a place for it.
    """

    gamma: Tensor
    beta: Tensor

    def __init__(self, source: blocks.FCUDown, stride: int, forms: Forms) -> None:
        super().__init__()
        self.tokens, self.scale = forms.tokens, forms.residual_scale
        channels, dim = source.conv_project.in_channels, source.conv_project.out_channels
        self.pool = forms.average_pool(channels, stride, stride, 0) if stride > 1 else None
        projection = center_outputs(as_linear(affine_of(source.conv_project)))
        self.project = forms.tokens.linear(projection)
        self.norm = forms.layer_norm(dim, source.ln.eps, centered=True)
        gamma, beta = (numbers(p).clone() for p in (source.ln.weight, source.ln.bias))
        if self.norm.has_affine:
            self.norm.weight, self.norm.bias = gamma, beta
            return
        self.register_buffer("gamma", forms.tokens.from_rows(gamma.view(1, 1, -1)))
        self.register_buffer("beta", forms.tokens.from_rows(beta.view(1, 1, -1)))

    def forward(self, x: Tensor) -> Tensor:
        if self.pool is not None:
            x = self.pool(x)
        x = self.norm(self.project(self.tokens.from_map(x)))
        x = F.gelu(x if self.norm.has_affine else x * self.gamma + self.beta)
        return x if self.scale == 1.0 else x * self.scale


class ConvTransBlock(nn.Module):
    """The function of a reference ConvTransBlock for an input map of (H, W) = ``size``.

    ``forward`` takes and returns (map, tokens) as the reference does, with the tokens in the
    form's layout.
    """

    def __init__(
        self, source: blocks.ConvTransBlock, size: Size, forms: Forms | None = None
    ) -> None:
        super().__init__()
        forms = forms or Forms()
        self.tokens, self.residual = forms.tokens, forms.residual
        stride = source.dw_stride
        cells = source.cnn_block.conv2.stride[0] * stride  # input pixels per token along an axis
        grid = (size[0] // cells, size[1] // cells)
        self.cnn_block = ConvBlock(source.cnn_block)
        self.fusion_block = ConvBlock(source.fusion_block)
        self.squeeze_block = FCUDown(source.squeeze_block, stride, forms)
        expand = source.expand_block
        projection = as_linear(fold_batch_norm(expand.conv_project, expand.bn))
        projection = Affine(projection.weight / forms.residual_scale, projection.bias)
        self.expand_block = forms.upsampling(projection, stride, grid)
        self.trans_block = Block(source.trans_block, forms)

    def forward(self, x: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        x, stream = self.advance(x, self.residual(tokens))
        return x, stream.total

    def advance(self, x: Tensor, tokens: Stream) -> tuple[Tensor, Stream]:
        """The same with the tokens as a stream of the form."""
        x, middle = self.cnn_block(x)
        down = self.squeeze_block(middle)
        tokens = tokens.plus(self.tokens.concatenate(self.tokens.first(tokens.total), down))
        tokens = self.trans_block(tokens)
        x, _ = self.fusion_block(x, self.expand_block(self.tokens.rest(tokens.total)))
        return x, tokens


class Conformer(nn.Module):
    """The function of a reference Conformer for one size and batch: (B, 3, H, W) -> logits.

    ``heads="mean"``: (B, K), the mean of the two heads; ``"both"``: (convolution, transformer).
    """

    cls_token: Tensor

    def __init__(
        self,
        source: reference.Conformer,
        size: Size,
        batch: int = 1,
        heads: str = "mean",
        forms: Forms | None = None,
    ) -> None:
        super().__init__()
        forms = forms or Forms()
        self.heads, self.tokens, self.residual = heads, forms.tokens, forms.residual
        self.scale = forms.residual_scale
        self.stem = forms.stem(fold_batch_norm(source.conv1, source.bn1), source.conv1)
        self.maxpool = source.maxpool
        self.conv_1 = ConvBlock(source.conv_1)
        scale = forms.residual_scale
        patch = scaled(affine_of(source.trans_patch_conv), scale)
        self.patch = convolution_from(patch, source.trans_patch_conv)
        cls_token = numbers(source.cls_token).repeat(batch, 1, 1) * scale
        self.register_buffer("cls_token", forms.tokens.from_rows(cls_token))
        self.trans_1 = Block(source.trans_1, forms)
        blocks = []
        map_size = (size[0] // 4, size[1] // 4)
        for block in source.blocks():
            blocks.append(ConvTransBlock(block, map_size, forms))
            stride = block.cnn_block.conv2.stride[0]
            map_size = (map_size[0] // stride, map_size[1] // stride)
        self.blocks = nn.ModuleList(blocks)
        norm = source.trans_norm
        self.norm = forms.layer_norm(norm.normalized_shape[0], norm.eps * scale**2)
        # before: (conv + trans) / 2; after: each head's weights halved, then one addition
        share = 0.5 if heads == "mean" else 1.0
        self.conv_head = linear_from(scaled(affine_of(source.conv_cls_head), share))
        trans_head = fold_norm_affine(source.trans_norm, affine_of(source.trans_cls_head))
        self.trans_head = linear_from(scaled(trans_head, share))

    def features(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Map and tokens, as the reference has them, after each stage."""
        return [(x, self.rows(stream)) for x, stream in self.stages(x)]

    def rows(self, stream: Stream) -> Tensor:
        """A stream's tokens as the reference has them."""
        rows = self.tokens.to_rows(stream.total)
        return rows if self.scale == 1.0 else rows * (1.0 / self.scale)

    def stages(self, x: Tensor) -> list[tuple[Tensor, Stream]]:
        """Map and stream of tokens after each stage."""
        stem = self.maxpool(torch.relu(self.stem(x)))
        x, _ = self.conv_1(stem)
        patches = self.tokens.from_map(self.patch(stem))
        stream = self.residual(self.tokens.concatenate(self.cls_token, patches))
        stream = self.trans_1(stream)
        after = [(x, stream)]
        for block in self.blocks:
            assert isinstance(block, ConvTransBlock)
            x, stream = block.advance(x, stream)
            after.append((x, stream))
        return after

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x, stream = self.stages(x)[-1]
        conv_logits, trans_logits = self.logits(x, stream)
        if self.heads == "both":
            return conv_logits, trans_logits
        return conv_logits + trans_logits

    def logits(self, x: Tensor, stream: Stream) -> tuple[Tensor, Tensor]:
        """Of both heads, from what the last stage gives."""
        conv_logits = self.conv_head(x.mean(dim=(2, 3), keepdim=True).flatten(1))
        class_token = self.tokens.as_vector(self.norm(self.tokens.first(stream.total)))
        return conv_logits, self.trans_head(class_token)


def to_edge(source: nn.Module, size: Size, batch: int, heads: str, forms: Forms) -> nn.Module:
    """The edge form of a reference Conformer."""
    assert isinstance(source, reference.Conformer)
    return Conformer(source, size, batch, heads, forms).eval()
