"""softmax(q k^T) v for each head, in every layout of tokens.

The scale 1 / sqrt(C / heads) is already in q's weights.
"""

import torch
from torch import Tensor, nn


class AttentionBatched(nn.Module):
    """softmax(q k^T) v for each head, (B, N, C) row tokens, as batched products of 3-D operands.

    The scale 1 / sqrt(C / heads) is already in q's weights.
    """

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        batch, tokens, dim = query.shape
        heads = self.num_heads
        split = (batch, tokens, heads, dim // heads)
        query = query.view(split).permute(0, 2, 1, 3).flatten(0, 1)  # (B * heads, N, C / heads)
        key = key.view(split).permute(0, 2, 3, 1).flatten(0, 1)  # (B * heads, C / heads, N)
        value = value.view(split).permute(0, 2, 1, 3).flatten(0, 1)
        context = torch.bmm(torch.softmax(torch.bmm(query, key), dim=-1), value)
        context = context.view(batch, heads, tokens, dim // heads).permute(0, 2, 1, 3)
        return context.flatten(2)


class AttentionOfMatrices(nn.Module):
    """softmax(q k^T) v for each head, (N, C) tokens, as products of 3-D operands.

    The scale 1 / sqrt(C / heads) is already in q's weights.
    """

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        tokens, dim = query.shape
        split = (tokens, self.num_heads, dim // self.num_heads)
        query = query.view(split).permute(1, 0, 2)  # (heads, N, C / heads)
        key = key.view(split).permute(1, 2, 0)  # (heads, C / heads, N)
        value = value.view(split).permute(1, 0, 2)
        context = torch.bmm(torch.softmax(torch.bmm(query, key), dim=-1), value)
        return context.permute(1, 0, 2).reshape(tokens, dim)


class AttentionByHeads(nn.Module):
    """softmax(q k^T) v for each head of (B, C, 1, N), as rank-4 products without a transpose.

    The channels of a head stand together, so that heads are an axis by a reshape alone; the
    transposed operands are flags of the product. The scale is already in q's weights.
    """

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        batch, channels, _, tokens = query.shape
        split = (batch, self.num_heads, channels // self.num_heads, tokens)
        query, key, value = query.reshape(split), key.reshape(split), value.reshape(split)
        weights = torch.softmax(query.transpose(2, 3) @ key, dim=-1)  # (B, heads, N, N)
        context = value @ weights.transpose(2, 3)  # (B, heads, C / heads, N)
        return context.reshape(batch, channels, 1, tokens)
