"""Operations that a target wants written its own way: one a file, each in every form that some
target takes.

``Forms`` names one form of each operation; a target holds its ``Forms`` as data. The edge models
are written over these and hold no operation of their own that a target could want otherwise.
"""

from dataclasses import dataclass

from torch import nn

from edge_models.edge.forms.attention import AttentionBatched
from edge_models.edge.forms.average_pool import AveragePoolNative
from edge_models.edge.forms.blur_pool import BlurPoolDepthwise
from edge_models.edge.forms.group_norm import GroupNormByMeans
from edge_models.edge.forms.layer_norm import LayerNormNative
from edge_models.edge.forms.local_convolution import LocalConvolutionBySlices
from edge_models.edge.forms.residual import ChainedSum, GatheredSum
from edge_models.edge.forms.softmax_mean import SoftmaxByReduction
from edge_models.edge.forms.stem import StemNative
from edge_models.edge.forms.tokens import RowTokens
from edge_models.edge.forms.upsampling import UpsamplingByCopies


@dataclass(frozen=True)
class Forms:
    """One form of each operation. The defaults are the operators themselves, where a target takes
    them so. ``rewritten`` names the operators of a network of one's own that the target does not
    take as they are: the rewrites in ``edge_models/edge/network/rewrites``.
    """

    stem: type[nn.Module] = StemNative
    softmax_mean: type[nn.Module] = SoftmaxByReduction
    padded_average_pool: type[nn.Module] = AveragePoolNative
    average_pool: type[nn.Module] = AveragePoolNative
    blur_pool: type[nn.Module] = BlurPoolDepthwise
    layer_norm: type[nn.Module] = LayerNormNative
    tokens: type[RowTokens] = RowTokens
    attention: type[nn.Module] = AttentionBatched
    upsampling: type[nn.Module] = UpsamplingByCopies
    joins_shortcuts: bool = False  # a projected shortcut in the product before its sum
    residual: type[ChainedSum] | type[GatheredSum] = ChainedSum
    residual_scale: float = 1.0  # of a transformer's tokens, where float16 would not hold them
    local_convolution: type[nn.Module] = LocalConvolutionBySlices
    group_norm: type[nn.Module] = GroupNormByMeans
    rewritten: frozenset[str] = frozenset()
