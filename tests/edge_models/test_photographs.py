"""The photographs' views."""

import numpy as np
from PIL import Image

from edge_models.photographs import photographs, views


def test_photographs_are_two_real_images() -> None:
    images = photographs()
    assert [image.size for image in images] == [(640, 427), (640, 427)]
    assert all(image.mode == "RGB" and np.asarray(image).std() > 30 for image in images)
    assert images[0].tobytes() != images[1].tobytes()


def test_views_are_seeded_and_differ() -> None:
    images = photographs()
    first, again, other = views(images, 9), views(images, 9), views(images, 9, seed=1)
    assert [v.tobytes() for v in first] == [v.tobytes() for v in again]
    assert len({v.tobytes() for v in first + other}) == 18


def test_views_are_squares_of_varying_size() -> None:
    sizes = [view.size for view in views(photographs(), 12)]
    assert all(width == height and 0.34 * 427 <= width <= 427 for width, height in sizes)
    assert len(set(sizes)) > 6


def test_views_take_turns_and_half_are_mirrored() -> None:
    ramp = np.tile(np.arange(200, dtype=np.uint8)[None, :, None], (100, 1, 3))
    images = [Image.fromarray(ramp), Image.fromarray(255 - ramp)]
    rising = [int(row[-1]) > int(row[0]) for row in first_rows(views(images, 8))]
    # the second ramp falls; views 2, 3, 6 and 7 are mirrored
    assert rising == [True, False, False, True, True, False, False, True]


def first_rows(images: list[Image.Image]) -> list[np.ndarray]:
    return [np.asarray(image)[0, :, 0] for image in images]
