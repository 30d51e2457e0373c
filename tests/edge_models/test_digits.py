"""The digits' split, and the embedded models on its held-out part."""

from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor

from edge_models.catalog import model_spec, model_specs
from edge_models.checkpoint import load_reference
from edge_models.digits import digits
from edge_models.edge import edge_form
from edge_models.images import preprocess_all
from edge_models.reference.heads import SingleOutput
from tests.edge_models.layers import FORMS

MIN_TOP1 = 0.97
FIRST_LABELS = [9, 6, 7, 7, 5, 9, 3, 5, 9, 8, 0, 4]  # of the held-out split
DIGITS = [spec.name for spec in model_specs().values() if spec.embedded]


def as_bytes(images: list[Image.Image]) -> list[bytes]:
    return [image.tobytes() for image in images]


@cache
def held_out() -> tuple[Tensor, Tensor]:
    images, labels = digits("held_out")
    spec = model_spec(DIGITS[0]).input
    return preprocess_all(images, spec, spec.size), torch.tensor(labels)


def test_splits_are_disjoint_and_together_the_whole_set() -> None:
    train, train_labels = digits("train")
    test, test_labels = digits("held_out")
    assert len(test) == len(test_labels) >= 400
    assert len(train) == len(train_labels) == 1797 - len(test)
    assert not set(as_bytes(train)) & set(as_bytes(test))
    counts = np.bincount(train_labels + test_labels)
    np.testing.assert_array_equal(counts, np.bincount(load_digits().target))
    assert set(test_labels) == set(range(10))


def test_split_is_the_one_the_weights_were_trained_on() -> None:
    images, labels = digits("held_out")
    again, _ = digits("held_out")
    assert as_bytes(images) == as_bytes(again)
    assert labels[:12] == FIRST_LABELS


def test_images_are_rgb_of_the_models_size() -> None:
    images, _ = digits("held_out")
    assert {(image.mode, image.size) for image in images} == {("RGB", (64, 64))}
    assert len(set(as_bytes(images))) == len(images)
    assert np.asarray(images[0]).max() > 200


def test_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match="'validation'"):
        digits("validation")


@pytest.mark.parametrize("name", DIGITS)
def test_embedded_model_reads_held_out_digits_and_so_does_its_edge_form(name: str) -> None:
    inputs, labels = held_out()
    spec = model_spec(name)
    reference = load_reference(spec, None).module
    edge = edge_form(spec, reference, spec.input.size, len(inputs), "mean", FORMS["xnnpack"])
    with torch.no_grad():
        expected, actual = SingleOutput(reference)(inputs).argmax(1), edge(inputs).argmax(1)
    assert (expected == labels).double().mean() >= MIN_TOP1
    assert torch.equal(actual, expected)
