"""Ratios of medians and their intervals."""

import numpy as np
import pytest

from export_targets.profile.ratios import ratio


def noise(seed: int, rounds: int = 40, samples: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.9, 1.1, size=(rounds, samples))


def test_a_side_that_is_the_base_has_the_ratio_one_without_doubt() -> None:
    times = noise(0)
    found = ratio(times, times)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_the_interval_holds_the_true_ratio_and_not_much_else() -> None:
    found = ratio(3 * noise(0), noise(1))
    assert found.low < 3 < found.high
    assert found.low < found.value < found.high
    assert found.high - found.low < 0.3


def test_what_slows_a_whole_round_down_does_not_widen_the_interval() -> None:
    slow = np.where(np.arange(40) % 2, 1.0, 5.0)[:, None]
    together = ratio(2 * slow * np.ones((40, 3)), slow * np.ones((40, 3)))
    assert (together.low, together.high) == (2.0, 2.0)


def test_the_same_samples_give_the_same_interval() -> None:
    assert ratio(noise(0), noise(1)) == ratio(noise(0), noise(1))


def test_sides_of_other_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="40 rounds of one side, 39"):
        ratio(noise(0), noise(1, rounds=39))


def test_a_ratio_is_shown_with_its_interval() -> None:
    assert str(ratio(2 * np.ones((4, 3)), np.ones((4, 3)))) == "2.00 (2.00-2.00)"
