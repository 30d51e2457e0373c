"""Frames of a camera, in the layouts that phones have, and what the Python side makes of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edge_models.images import preprocess
from edge_models.spec import InputSpec

Json = dict[str, Any]

TURNS = {
    0: None,
    90: Image.Transpose.ROTATE_270,  # Pillow's turn counter-clockwise
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}
SIZE = (64, 64)


def frames(folder: Path, manifest: Json) -> Iterator[Json]:
    """Frames at each rotation, planar and interleaved, and one that holds every chroma value."""
    generator = np.random.default_rng(0)
    for degrees in TURNS:
        for pixel_stride in (1, 2):
            planes = [generator.integers(0, 256, shape) for shape in ((60, 80), (30, 40), (30, 40))]
            yield frame(folder, manifest, degrees, pixel_stride, planes)
    blue, red = np.meshgrid(np.arange(256), np.arange(256))
    yield frame(folder, manifest, 0, 2, [generator.integers(0, 256, (512, 512)), blue, red])


def frame(
    folder: Path, manifest: Json, degrees: int, pixel_stride: int, planes: list[np.ndarray]
) -> Json:
    height, width = planes[0].shape
    name = f"frame_{width}x{height}_{degrees}_{pixel_stride}"
    wide = [planes[0], *(plane.repeat(2, 0).repeat(2, 1) for plane in planes[1:])]
    image = Image.merge("YCbCr", [Image.fromarray(plane.astype(np.uint8)) for plane in wide])
    image = image.convert("RGB")
    turn = TURNS[degrees]
    image = image if turn is None else image.transpose(turn)
    values = preprocess(image, InputSpec(), SIZE).numpy().astype("<f4")
    (folder / f"{name}.f32").write_bytes(values.tobytes())
    (folder / f"{name}.rgb").write_bytes(image.tobytes())
    strides = (1, pixel_stride, pixel_stride)
    stored = {
        letter: stored_plane(folder, f"{name}.{letter}", plane, stride)
        for letter, plane, stride in zip("yuv", planes, strides, strict=True)
    }
    return {
        **{"name": name, "width": width, "height": height, "degrees": degrees, **stored},
        "upright": {"path": f"{name}.rgb", "width": image.width, "height": image.height},
        "manifest": json.dumps(manifest),
        "input": f"{name}.f32",
    }


def stored_plane(folder: Path, name: str, plane: np.ndarray, pixel_stride: int) -> Json:
    """The plane with rows longer than its values, and nothing after the last value."""
    height, width = plane.shape
    row_stride = pixel_stride * width + 16
    rows = np.full((height, row_stride), 0xA5, np.uint8)
    rows[:, : pixel_stride * width : pixel_stride] = plane
    end = (height - 1) * row_stride + (width - 1) * pixel_stride + 1
    (folder / name).write_bytes(rows.tobytes()[:end])
    return {"path": name, "row_stride": row_stride, "pixel_stride": pixel_stride}
