"""Whole blocks that are not this product's, as torchvision and others write them."""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_models.parity import measure
from export_targets.interpret.mil.execute import Storage, execute
from tests.export_targets.interpret.converted import convert, inputs_of, program_of

MAPS, TOKENS = (1, 16, 14, 14), (1, 9, 32)


class BasicBlock(nn.Module):
    """ResNet's: two 3x3 convolutions with batch norms, and a strided shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(16, 24, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(24)
        self.conv2 = nn.Conv2d(24, 24, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(24)
        self.downsample = nn.Sequential(nn.Conv2d(16, 24, 1, 2, bias=False), nn.BatchNorm2d(24))

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(out + self.downsample(x))


class InvertedResidual(nn.Module):
    """MobileNetV3's: expansion, depthwise convolution, squeeze and excitation, projection."""

    def __init__(self) -> None:
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(16, 48, 1), nn.BatchNorm2d(48), nn.Hardswish())
        self.depthwise = nn.Sequential(
            nn.Conv2d(48, 48, 5, padding=2, groups=48), nn.BatchNorm2d(48), nn.Hardswish()
        )
        self.squeeze = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(48, 12, 1),
            nn.ReLU(),
            nn.Conv2d(12, 48, 1),
            nn.Hardsigmoid(),
        )
        self.project = nn.Sequential(nn.Conv2d(48, 16, 1), nn.BatchNorm2d(16))

    def forward(self, x: Tensor) -> Tensor:
        out = self.depthwise(self.expand(x))
        return x + self.project(out * self.squeeze(out))


class ConvNeXtBlock(nn.Module):
    """7x7 depthwise convolution, layer norm over the channels last, an MLP, a learned scale."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(16, 16, 7, padding=3, groups=16)
        self.norm = nn.LayerNorm(16, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 16))
        self.scale = nn.Parameter(torch.full((16, 1, 1), 0.3))

    def forward(self, x: Tensor) -> Tensor:
        out = self.mlp(self.norm(self.depthwise(x).permute(0, 2, 3, 1)))
        return x + self.scale * out.permute(0, 3, 1, 2)


class EncoderBlock(nn.Module):
    """A vision transformer's, with fused q, k and v."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(32), nn.LayerNorm(32)
        self.qkv, self.proj = nn.Linear(32, 96), nn.Linear(32, 32)
        self.mlp = nn.Sequential(nn.Linear(32, 128), nn.GELU(), nn.Linear(128, 32))

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(self.norm1(x)).reshape(1, 9, 3, 4, 8).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        attention = ((q @ k.transpose(-2, -1)) * 8**-0.5).softmax(-1)
        x = x + self.proj((attention @ v).transpose(1, 2).reshape(1, 9, 32))
        return x + self.mlp(self.norm2(x))


class UpAndConcatenate(nn.Module):
    """A U-Net's way up: transposed convolution, the map from the way down, a group norm."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.norm = nn.GroupNorm(4, 24)
        self.conv = nn.Conv2d(24, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        larger = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        return F.silu(self.conv(self.norm(torch.cat([self.up(x), larger], 1))))


BLOCKS: list[tuple[Callable[[], nn.Module], tuple[int, ...]]] = [
    (BasicBlock, MAPS),
    (InvertedResidual, MAPS),
    (ConvNeXtBlock, MAPS),
    (EncoderBlock, TOKENS),
    (UpAndConcatenate, MAPS),
]
NAMES = [block.__name__ for block, _ in BLOCKS]  # type: ignore[attr-defined]


@cache
def converted(index: int, precision: str) -> tuple[Any, nn.Module, Tensor]:
    """The coremltools model of a block with seeded weights, the block, and an input."""
    build, shape = BLOCKS[index]
    torch.manual_seed(index)
    module = build().eval()
    for name, value in module.state_dict().items():
        if "running" in name:
            value.copy_(torch.rand_like(value) + 0.5)
    x = torch.randn(shape)
    return convert(module, (x,), precision), module, x


@pytest.mark.parametrize("index", range(len(BLOCKS)), ids=NAMES)
@pytest.mark.parametrize(
    ("precision", "storage", "least"),
    [("float32", "declared", 110), ("float16", "float32", 55), ("float16", "declared", 50)],
)
def test_a_block_computes_what_torch_computes(
    index: int, precision: str, storage: Storage, least: float
) -> None:
    model, module, x = converted(index, precision)
    program = program_of(model)
    (found,) = execute(program, inputs_of(program, (x,)), storage).values()
    assert isinstance(found, Tensor)
    with torch.no_grad():
        metrics = measure(module(x).reshape(-1, 1), found.reshape(-1, 1))
    assert metrics.sqnr_db >= least


@pytest.mark.skipif(sys.platform != "darwin", reason="Core ML predicts on macOS only")
@pytest.mark.parametrize("index", range(len(BLOCKS)), ids=NAMES)
def test_core_ml_computes_what_the_interpreter_computes(index: int, tmp_path: Path) -> None:
    import coremltools as ct

    model, _, x = converted(index, "float16")
    model.save(str(tmp_path / "block.mlpackage"))
    loaded = ct.models.MLModel(str(tmp_path / "block.mlpackage"))
    program = program_of(model)
    (found,) = execute(program, inputs_of(program, (x,))).values()
    (predicted,) = loaded.predict({program.inputs[0].name: x.numpy()}).values()
    assert isinstance(found, Tensor)
    assert measure(found.reshape(-1, 1), torch.tensor(predicted).reshape(-1, 1)).sqnr_db >= 40
