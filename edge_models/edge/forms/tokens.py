"""Where the tokens of a transformer lie in a tensor, in every layout that a target takes."""

import torch
from torch import Tensor, nn

from edge_models.edge.folding import Affine, linear_from, pointwise_from


class RowTokens:
    """Tokens as rows, (B, N, C): a linear is a matrix product over the last axis."""

    @staticmethod
    def linear(affine: Affine) -> nn.Module:
        return linear_from(affine)

    @staticmethod
    def from_rows(rows: Tensor) -> Tensor:
        """(B, N, C) rows in this layout."""
        return rows

    @staticmethod
    def to_rows(tokens: Tensor) -> Tensor:
        """The tokens as (B, N, C) rows."""
        return tokens

    @staticmethod
    def from_map(x: Tensor) -> Tensor:
        """(B, C, H, W) -> tokens in row-major order of the pixels."""
        return x.permute(0, 2, 3, 1).flatten(1, 2)

    @staticmethod
    def first(tokens: Tensor) -> Tensor:
        """The class token, as a sequence of one."""
        return tokens[:, :1]

    @staticmethod
    def rest(tokens: Tensor) -> Tensor:
        """All but the class token."""
        return tokens[:, 1:]

    @staticmethod
    def concatenate(first: Tensor, rest: Tensor) -> Tensor:
        return torch.cat([first, rest], dim=1)

    @staticmethod
    def as_vector(tokens: Tensor) -> Tensor:
        """A sequence of one token -> (B, C)."""
        return tokens.flatten(1)


class MatrixTokens(RowTokens):
    """Tokens as rows of a matrix, (N, C), of one image."""

    @staticmethod
    def from_rows(rows: Tensor) -> Tensor:
        if len(rows) != 1:
            raise ValueError("tokens of one image alone are a matrix")
        return rows.flatten(0, 1)

    @staticmethod
    def to_rows(tokens: Tensor) -> Tensor:
        return tokens.unsqueeze(0)

    @staticmethod
    def from_map(x: Tensor) -> Tensor:
        return x.view(x.shape[1], -1).permute(1, 0)

    @staticmethod
    def first(tokens: Tensor) -> Tensor:
        return tokens[:1]

    @staticmethod
    def rest(tokens: Tensor) -> Tensor:
        return tokens[1:]

    @staticmethod
    def concatenate(first: Tensor, rest: Tensor) -> Tensor:
        return torch.cat([first, rest], dim=0)

    @staticmethod
    def as_vector(tokens: Tensor) -> Tensor:
        return tokens


class ChannelTokens(RowTokens):
    """Tokens as columns, (B, C, 1, N): a linear is a 1x1 convolution, a map's pixels are tokens
    without a transpose.
    """

    @staticmethod
    def linear(affine: Affine) -> nn.Module:
        return pointwise_from(affine)

    @staticmethod
    def from_rows(rows: Tensor) -> Tensor:
        return rows.transpose(1, 2).unsqueeze(2).contiguous()

    @staticmethod
    def to_rows(tokens: Tensor) -> Tensor:
        return tokens.flatten(2).transpose(1, 2)

    @staticmethod
    def from_map(x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], x.shape[1], 1, -1)

    @staticmethod
    def first(tokens: Tensor) -> Tensor:
        return tokens[..., :1]

    @staticmethod
    def rest(tokens: Tensor) -> Tensor:
        return tokens[..., 1:]

    @staticmethod
    def concatenate(first: Tensor, rest: Tensor) -> Tensor:
        return torch.cat([first, rest], dim=3)
