"""The recipe of training: what it learns from, that it learns, and what it writes."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from edge_models.training.fit import loss_of
from tests.benchmarks import trained, training

MODEL = "digits_cotnet"


def test_no_pixel_is_in_two_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    places = np.arange(256 * 256, dtype=np.int32).reshape(256, 256)  # each pixel is another number
    monkeypatch.setattr(training, "classes", lambda: {"photograph": Image.fromarray(places)})
    seen = [
        {number for view in training.labelled(split)[0] for number in np.asarray(view).flat}
        for split in training.CELLS
    ]
    assert all(len(numbers) > 1000 for numbers in seen)
    assert len(set.union(*seen)) == sum(len(numbers) for numbers in seen)


def test_a_seed_gives_the_weights_which_beat_a_guess_and_the_views_that_judge_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(training, "VIEWS", {"train": 1, "calibration": 1, "test": 1})
    monkeypatch.setattr(training, "EPOCHS", {MODEL: 2})
    monkeypatch.setenv("EDGEFORM_TRAINED", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["training", MODEL, "--out", str(tmp_path)])
    files = []
    for _ in range(2):
        training.main()
        files.append(trained.checkpoint(MODEL, trained.VIEWS).read_bytes())
    assert files[0] == files[1]
    images, classes = trained.photographs("test", trained.VIEWS)
    with torch.no_grad():
        loss = loss_of(trained.model(MODEL, trained.VIEWS).module(images), classes)
    assert loss < math.log(len(training.classes())) - 0.05
    for label, held_out in zip(*reversed(training.inputs("test")), strict=True):
        assert (images[classes == label] == held_out).flatten(1).all(1).any()
