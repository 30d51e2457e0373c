"""What a saved delegate asks of a GPU beyond the limits that common phones have."""

import math

from export_targets.interpret.vk.graph import Graph, TensorValue

# maxImageDimension2D, maxImageDimension3D and maxStorageBufferRange of common phone GPUs
LARGEST_IMAGE_2D, LARGEST_IMAGE_3D, LARGEST_BUFFER = 16384, 2048, 128 * 2**20
# ExecuTorch's event tracer holds 4,096 timestamps, two a dispatch, and aborts beyond them.
MOST_TRACED = 2000
TEXEL = 4  # numbers that lie in one texel along the packed axis
PACKED_AXIS = {"TENSOR_WIDTH_PACKED": 0, "TENSOR_HEIGHT_PACKED": 1, "TENSOR_CHANNELS_PACKED": 2}


def beyond_limits(graph: Graph) -> tuple[str, ...]:
    """A line for each kind of tensor that common phone GPUs cannot hold, and one for more calls
    than a runtime built for tracing takes.
    """
    lines = [_beyond(value) for value in graph.values if isinstance(value, TensorValue)]
    if len(graph.calls) > MOST_TRACED:
        lines.append(
            f"the file makes {len(graph.calls)} calls: a runtime built for tracing stops beyond "
            f"{MOST_TRACED}; one built without its event tracer takes them"
        )
    return tuple(dict.fromkeys(line for line in lines if line))


def _beyond(value: TensorValue) -> str:
    """What a tensor asks for too much of; empty where it fits."""
    what = f"a tensor of the shape {value.shape} is a"
    width, height, depth = extents(value)
    if value.storage == "TEXTURE_3D":
        if max(width, height, depth) > LARGEST_IMAGE_3D:
            sides = f"{width} x {height} x {depth}"
            return f"{what} 3-D image of {sides}, phones take {LARGEST_IMAGE_3D} a side"
    elif value.storage == "TEXTURE_2D":
        if max(width, height * depth) > LARGEST_IMAGE_2D:
            sides = f"{width} x {height * depth}"
            return f"{what} 2-D image of {sides}, phones take {LARGEST_IMAGE_2D} a side"
    elif (size := math.prod(value.shape) * value.dtype.itemsize) > LARGEST_BUFFER:
        return f"{what} buffer of {size} bytes, phones take {LARGEST_BUFFER}"
    return ""


def extents(value: TensorValue) -> tuple[int, int, int]:
    """Width, height and depth in texels of the image that holds a tensor."""
    padded = (*(1,) * (4 - len(value.shape)), *value.shape)
    sides = list(padded[:-4:-1])  # width, height, channels
    packed = PACKED_AXIS.get(value.layout, 0)
    sides[packed] = -(-sides[packed] // TEXEL)
    return sides[0], sides[1], sides[2] * math.prod(padded[:-3])
