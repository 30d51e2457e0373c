"""The relative error observer against the library's histogram observer."""

import pytest
import torch
from torch import Tensor, nn
from torchao.quantization.pt2e import HistogramObserver, PerChannelMinMaxObserver

from edge_models.parity import measure
from quantize.observers import SAMPLE, RelativeErrorObserver, WeightObserver, find_ranges

INT8 = {
    "dtype": torch.int8,
    "quant_min": -128,
    "quant_max": 127,
    "qscheme": torch.per_tensor_affine,
    "eps": 2.0**-24,
}
MAX_LOSS_DB = 1.0  # 0.1 here, on activations without an image that is far from the others


def sqnr(observer: HistogramObserver | RelativeErrorObserver, x: Tensor) -> float:
    """Of the activation after a round trip through INT8, the mean over its images."""
    scale, zero = observer.calculate_qparams()
    rounded = torch.fake_quantize_per_tensor_affine(x, scale.float(), zero.int(), -128, 127)
    return measure(x.flatten(1), rounded.flatten(1)).sqnr_db


def maps(count: int, size: int, seed: int = 0) -> list[Tensor]:
    """Feature maps whose channels have different ranges."""
    generator = torch.Generator().manual_seed(seed)
    scale = torch.linspace(0.2, 2.0, 16).view(1, 16, 1, 1)
    return [torch.randn(1, 16, size, size, generator=generator) * scale for _ in range(count)]


def observed(batches: list[Tensor]) -> RelativeErrorObserver:
    observer = RelativeErrorObserver(**INT8)
    for x in batches:
        observer(x)
    return observer


def histogram(batches: list[Tensor]) -> HistogramObserver:
    observer = HistogramObserver(**INT8)
    for x in batches:
        observer(x)
    return observer


def scale_of(batches: list[Tensor]) -> float:
    return float(observed(batches).calculate_qparams()[0])


@pytest.mark.parametrize("size", [8, 96])
def test_even_images_lose_no_more_than_by_a_histogram_of_all_numbers(size: int) -> None:
    batches = maps(3, size)
    x = torch.cat(batches)
    assert sqnr(observed(batches), x) > sqnr(histogram(batches), x) - MAX_LOSS_DB


def test_one_image_far_beyond_the_others_does_not_take_their_steps() -> None:
    ordinary = maps(31, size=16)
    batches = [*ordinary, maps(1, size=16, seed=1)[0] * 100]
    x = torch.cat(ordinary)
    assert sqnr(histogram(batches), x) < 15
    assert sqnr(observed(batches), x) > 23


def test_an_image_of_zeros_does_not_decide() -> None:
    batches = maps(3, size=16)
    assert scale_of([*batches, torch.zeros_like(batches[0])]) == pytest.approx(scale_of(batches))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_side_without_numbers_takes_no_step(sign: float) -> None:
    scale, zero = observed([sign * x.abs() for x in maps(2, size=16)]).calculate_qparams()
    assert zero == (-128 if sign > 0 else 127)
    assert scale > 0


def test_a_symmetric_range_has_zero_in_the_middle_and_clips() -> None:
    observer = RelativeErrorObserver(**INT8 | {"qscheme": torch.per_tensor_symmetric})
    batches = [x.abs() for x in maps(8, 96)]
    for x in batches:
        observer(x)
    low, high = observer.search()
    assert low == -high
    assert 0 < high < max(x.max() for x in batches)
    scale, zero_point = observer.calculate_qparams()
    assert zero_point == 0
    assert scale == pytest.approx(high.item() / 127.5)


def test_each_image_of_a_batch_counts_as_much_as_alone() -> None:
    batches = maps(4, size=96)
    assert scale_of([torch.cat(batches)]) == pytest.approx(scale_of(batches))


def test_activations_of_several_sizes_share_one_range() -> None:
    large, small = maps(1, size=96)[0], maps(1, size=16)[0] * 3
    assert scale_of([large]) < scale_of([large, small]) < scale_of([small]) * 1.01


@pytest.mark.parametrize("extreme", [9.0, -9.0])
def test_extremes_are_always_in_the_sample(extreme: float) -> None:
    (x,) = maps(1, size=96)
    x.view(-1)[12_345] = extreme
    (sample,) = observed([x]).samples
    assert extreme in sample
    assert SAMPLE / 2 < sample.numel() < 2 * SAMPLE


def test_kept_samples_do_not_change_with_the_activation() -> None:
    (x,) = maps(1, size=16)
    expected = scale_of([x.clone()])
    observer = observed([x])
    x.mul_(100)
    assert float(observer.calculate_qparams()[0]) == expected


@pytest.mark.parametrize("size", [16, 96])
def test_observing_passes_the_activation_through(size: int) -> None:
    (x,) = maps(1, size)
    before = x.clone()
    assert RelativeErrorObserver(**INT8)(x) is x
    assert torch.equal(x, before)


def test_an_activation_that_was_never_observed_is_refused() -> None:
    with pytest.raises(ValueError, match="never observed"):
        RelativeErrorObserver(**INT8).calculate_qparams()


def test_rows_of_one_image_share_its_energy() -> None:
    small = torch.randn(63, 8, generator=torch.Generator().manual_seed(0)) * 0.002
    rows = torch.cat([small, torch.full((1, 8), 1.0)])
    scales = []
    for one_image in (False, True):
        observer = RelativeErrorObserver(
            dtype=torch.int8, qscheme=torch.per_tensor_affine, one_image=one_image
        )
        observer(rows)
        scales.append(observer.calculate_qparams()[0].item())
    assert scales[1] > 0.9 / 255  # the large row is kept
    assert scales[0] < scales[1] / 2  # as images of their own, the many small ones decide


def test_a_weight_is_looked_at_once_and_ranged_as_by_the_library() -> None:
    weight = torch.randn(8, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    options = {"dtype": torch.int8, "quant_min": -127, "quant_max": 127, "ch_axis": 0}
    options["qscheme"] = torch.per_channel_symmetric
    ours, library = WeightObserver(**options), PerChannelMinMaxObserver(**options)
    assert ours(weight) is weight
    library(weight)
    expected = library.calculate_qparams()
    assert all(map(torch.equal, ours.calculate_qparams(), expected))
    ours(weight * 100)
    assert all(map(torch.equal, ours.calculate_qparams(), expected))


def test_ranges_found_together_are_those_found_one_by_one() -> None:
    observers = [observed([x * (index + 1) for x in maps(4, size=16)]) for index in range(5)]
    alone = [observer.calculate_qparams() for observer in observers]
    threads = torch.get_num_threads()
    find_ranges(nn.ModuleList([*observers, RelativeErrorObserver(**INT8), observers[0]]))
    assert torch.get_num_threads() == threads
    for observer, (scale, zero_point) in zip(observers, alone, strict=True):
        assert observer.range is not None
        assert torch.equal(observer.calculate_qparams()[0], scale)
        assert torch.equal(observer.calculate_qparams()[1], zero_point)
