"""How a build prepares images: the model's way, with what the request says of its training."""

from dataclasses import replace

from edge_models.errors import InputError
from edge_models.registry import named
from edge_models.spec import INTERPOLATIONS, RESIZE_MODES, SMALLEST_CROP, InputSpec, Size
from export_targets.request import BuildRequest

MAX_PIXELS = 2**24  # of the input, over the whole batch: 200 MB as float32
LARGEST_MEAN = 2.0  # of RGB in [0, 1]; larger ones are of pixels up to 255


def input_size(request: BuildRequest, published: InputSpec, stride: int) -> Size:
    """Height and width, multiples of ``stride``. Raises InputError for what cannot be."""
    height, width = request.size or published.size
    if height < stride or width < stride or height % stride or width % stride:
        raise InputError(
            f"The size {height}x{width} is not possible.",
            f"Height and width are multiples of {stride}.",
        )
    if request.batch * height * width > MAX_PIXELS:
        raise InputError(
            f"A batch of {request.batch} at {height}x{width} is too large.",
            f"Batch x height x width is at most {MAX_PIXELS}.",
        )
    return height, width


def preprocessing(published: InputSpec, request: BuildRequest) -> InputSpec:
    """The model's preprocessing with what the request says of its training. Raises InputError."""
    chosen = replace(
        published,
        mean=request.mean or published.mean,
        std=request.std or published.std,
        crop=published.crop if request.crop is None else request.crop,
        interpolation=request.interpolation or published.interpolation,  # type: ignore[arg-type]
        resize=request.resize or published.resize,  # type: ignore[arg-type]
    )
    named(dict.fromkeys(RESIZE_MODES), "resize", chosen.resize)
    if chosen.resize == "stretch":
        if request.crop not in (None, 1.0):
            raise InputError(
                "The resize stretch cuts nothing off.", "Leave --crop away, or --resize."
            )
        chosen = replace(chosen, crop=1.0)
    named(dict.fromkeys(INTERPOLATIONS), "interpolation", chosen.interpolation)
    if not all(0 <= value <= LARGEST_MEAN for value in chosen.mean):
        raise InputError(f"The mean {chosen.mean} is not of RGB in [0, 1].", "Divide it by 255.")
    if not all(0 < value <= LARGEST_MEAN for value in chosen.std):
        raise InputError(
            f"The std {chosen.std} is not of RGB in [0, 1].",
            "It is above zero; divide one of pixels up to 255 by 255.",
        )
    if not SMALLEST_CROP <= chosen.crop <= 1:
        raise InputError(
            f"The crop {chosen.crop} is not a share of the resized shorter side.",
            f"Give {SMALLEST_CROP} to 1: the crop's side over the resized image's, as 224 / 256.",
        )
    return chosen
