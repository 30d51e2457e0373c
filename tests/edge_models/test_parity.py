"""Parity: known values, what cannot be compared, gates, and the report's JSON."""

import json
import math
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from edge_models.gate import Gate
from edge_models.parity import (
    Hop,
    HopSpec,
    ParityReport,
    compare,
    measure,
    skip,
    wilson_interval,
)

SPEC = HopSpec("edge", "reference", "edge form", Gate(min_sqnr_db=30, min_top1_agreement=0.6))


def logits(seed: int = 0, rows: int = 8) -> Tensor:
    return torch.randn(rows, 10, generator=torch.Generator().manual_seed(seed))


def noisy(decibels: float, seed: int = 0) -> Tensor:
    """The logits with what differs between the rows too large by a share that gives this SQNR."""
    values = logits(seed).double()
    return values + (values - values.mean(0)) * 10 ** (-decibels / 20)


def one(values: Tensor | None) -> Tensor | None:
    """Logits (N, K) as those of a single output."""
    return None if values is None else values[None]


def report(*hops: Hop) -> ParityReport:
    return ParityReport(artifact="a", inputs="golden", hops=hops)


@pytest.mark.parametrize("decibels", [-6.0, 0.0, 20.0, 40.0, 99.0])
def test_sqnr_of_a_known_error(decibels: float) -> None:
    assert measure(logits(), noisy(decibels)).sqnr_db == pytest.approx(decibels, abs=1e-6)


def test_sqnr_is_the_ratio_of_powers() -> None:
    expected, actual = logits(), logits(1)
    ratio = ((expected - expected.mean(0)) ** 2).sum() / ((expected - actual) ** 2).sum()
    metrics = measure(expected, actual)
    assert metrics.sqnr_db == pytest.approx(10 * math.log10(ratio), abs=1e-4)
    assert metrics.max_abs == pytest.approx((expected - actual).abs().max().item())
    assert -0.5 < metrics.cosine < 0.5


def test_identical_tensors_have_the_highest_value() -> None:
    metrics = measure(logits(), logits())
    assert (metrics.sqnr_db, metrics.max_abs, metrics.top1_agreement) == (200.0, 0.0, 1.0)
    assert metrics.cosine == pytest.approx(1)
    barely = logits().double()
    barely[0, 0] *= 1 + 1e-15
    assert measure(logits(), barely).sqnr_db == 200.0


def test_cosine_of_the_opposite_is_minus_one() -> None:
    assert measure(logits(), -logits()).cosine == pytest.approx(-1)


def test_agreement_counts_rows() -> None:
    actual = logits()
    for row in (1, 4):
        actual[row, actual[row].argmin()] = 100.0
    assert measure(logits(), actual).top1_agreement == 6 / 8


@pytest.mark.parametrize(
    ("expected", "actual", "reason"),
    [
        (logits(), logits().index_fill(1, torch.tensor([2]), float("nan")), "result holds NaN"),
        (logits().index_fill(0, torch.tensor([2]), float("inf")), logits(), "reference holds NaN"),
        (logits(), logits() / 0, "result holds NaN or infinite"),
        (logits()[:0], logits()[:0], "no samples"),
        (logits(), logits().T, r"shape \(10, 8\) is not \(8, 10\)"),
        (logits(), logits()[:1], r"shape \(1, 10\)"),
        (torch.zeros(8, 10), logits(), "do not tell"),
        (torch.zeros(8, 10), torch.zeros(8, 10), "do not tell"),
        (logits()[:1], logits()[:1], "these inputs do not tell: there is one sample"),
        (logits()[:1].repeat(8, 1), logits(), "these inputs do not tell: the reference answers"),
        (logits()[:1] + 1e-8 * logits(1), logits(), "these inputs do not tell: the reference"),
    ],
    ids=[
        "nan",
        "inf",
        "both inf",
        "empty",
        "transposed",
        "broadcast",
        "zero",
        "both zero",
        "one",
        "constant",
        "rounding",
    ],
)
def test_what_cannot_be_compared_fails_with_its_reason(
    expected: Tensor, actual: Tensor, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        measure(expected, actual)
    hop = compare(SPEC, "host", one(expected), one(actual))
    assert hop.status == "failed"
    assert hop.sqnr_db is hop.max_abs is hop.cosine is hop.top1_agreement is None
    assert hop.median_sqnr_db is hop.worst_sqnr_db is hop.constant_agreement is None
    assert hop.why
    assert not report(hop).passed


@pytest.mark.parametrize(
    ("expected", "actual", "absent"),
    [(None, logits(), "reference"), (logits(), None, "edge form"), (None, None, "reference")],
)
def test_missing_logits_fail(expected: Tensor | None, actual: Tensor | None, absent: str) -> None:
    hop = compare(SPEC, "host", one(expected), one(actual))
    assert (hop.status, hop.why) == ("failed", f"no logits of {absent}")


@pytest.mark.parametrize(("decibels", "status"), [(30.1, "passed"), (29.9, "failed")])
def test_sqnr_gate(decibels: float, status: str) -> None:
    hop = compare(SPEC, "host", one(logits()), one(noisy(decibels)))
    assert hop.status == status
    assert ("SQNR 29.9 dB is below 30 by 0.1 dB" in hop.why) == (status == "failed")
    assert (hop.samples, hop.runner, hop.from_, hop.to) == (8, "host", "reference", "edge form")
    assert report(hop).passed == (status == "passed")


def test_agreement_gate() -> None:
    expected = logits()
    expected[0, :2] = 5.0
    actual = expected.clone()
    expected[0, 0] += 1e-4
    actual[0, 1] += 1e-4
    assert agreeing(expected, actual, 0.52).status == "passed"
    hop = agreeing(expected, actual, 0.9)
    assert hop.status == "failed"
    assert hop.why == "top-1 agreement 0.875 speaks for 0.529 or more, below 0.9 by 0.371"
    assert hop.agreement_interval == (
        pytest.approx(0.529, abs=1e-3),
        pytest.approx(0.978, abs=1e-3),
    )
    assert agreeing(expected, actual, 1.0).why == "top-1 agreement 0.875 is not of every sample"
    assert agreeing(expected, expected, 1.0).status == "passed"


def agreeing(expected: Tensor, actual: Tensor, share: float) -> Hop:
    spec = replace(SPEC, gate=Gate(min_sqnr_db=30, min_top1_agreement=share))
    return compare(spec, "host", one(expected), one(actual))


def test_few_samples_that_all_agree_pass_and_their_interval_says_how_little_that_is() -> None:
    few = agreeing(logits(rows=8), logits(rows=8), 0.9)
    assert few.status == "passed"
    assert few.agreement_interval == (pytest.approx(0.676, abs=1e-3), 1.0)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # R. G. Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval(successes: int, trials: int, low: float, high: float) -> None:
    found = wilson_interval(successes, trials)
    assert found == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    nothing_known = (successes / trials - found[0]) * (found[1] - successes / trials)
    assert nothing_known >= 0  # the share seen lies inside


def test_a_constant_answer_has_no_more_than_nothing() -> None:
    expected = 100 + logits()
    constant = expected.mean(0).expand(8, 10)
    assert measure(expected, constant).sqnr_db == pytest.approx(0, abs=1e-6)
    assert measure(expected, expected[:1].expand(8, 10)).sqnr_db < 0
    assert compare(SPEC, "host", one(expected), one(constant)).status == "failed"


def test_figures_of_single_samples_stand_beside_the_sums() -> None:
    expected = logits()
    actual = expected.double()
    actual[2] += 1.0
    metrics = measure(expected, actual)
    energy = (expected[2] - expected.mean(0)).double().square().sum().item()
    assert metrics.median_sqnr_db == 200.0
    assert metrics.worst_sqnr_db == pytest.approx(10 * math.log10(energy / 10), abs=1e-4)
    assert metrics.worst_sqnr_db < metrics.sqnr_db < metrics.median_sqnr_db


def test_agreement_that_a_constant_answer_reaches_is_not_judged() -> None:
    expected = logits()
    expected[:, 3] = 20.0  # the best class of every row
    hop = compare(SPEC, "host", one(expected), one(expected))
    assert (hop.status, hop.constant_agreement) == ("passed", 1.0)
    assert hop.why == "top-1 is not judged: one class is 100% of the reference's answers"
    loose = replace(SPEC, gate=Gate(min_sqnr_db=0, min_top1_agreement=0.9))
    hop = compare(loose, "host", one(expected), one(expected))
    assert hop.status == "failed"
    assert "these inputs do not tell" in hop.why


def test_of_several_outputs_the_worst_counts() -> None:
    expected = torch.stack([logits().double(), 1000 * logits(1).double()])
    actual = torch.stack([noisy(20.0), 1000 * noisy(60.0, seed=1)])
    hop = compare(SPEC, "host", expected, actual)
    assert hop.sqnr_db == pytest.approx(20.0, abs=1e-6)
    assert (hop.status, hop.samples) == ("failed", 8)


def test_report_in_which_nothing_ran_does_not_pass() -> None:
    skipped = skip(SPEC, "adb", "no phone")
    assert (skipped.status, skipped.why, skipped.samples) == ("skipped", "no phone", 0)
    assert not report().passed
    assert not report(skipped).passed


def test_one_failed_hop_fails_the_report() -> None:
    good = compare(SPEC, "host", one(logits()), one(logits()))
    bad = compare(SPEC, "host", one(logits()), one(logits(1)))
    assert report(good, skip(SPEC, "adb", "no phone")).passed
    assert not report(good, bad).passed


def test_json_round_trip_names_the_field_from() -> None:
    hops = (compare(SPEC, "host", one(logits()), one(logits(1))), skip(SPEC, "adb", "no phone"))
    text = report(*hops).model_dump_json(by_alias=True)
    first = json.loads(text)["hops"][0]
    assert first["from"] == "reference"
    assert "from_" not in first
    assert ParityReport.model_validate_json(text) == report(*hops)


@pytest.mark.parametrize(
    "field", ["sqnr_db", "worst_sqnr_db", "constant_agreement", "status", "from", "gate"]
)
def test_a_renamed_field_is_not_read_as_a_default(field: str) -> None:
    document = compare(SPEC, "host", one(logits()), one(logits(1))).model_dump(by_alias=True)
    document["renamed"] = document.pop(field)
    with pytest.raises(ValidationError, match=field):
        Hop.model_validate(document)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_have_no_place_in_a_report(value: float) -> None:
    document = compare(SPEC, "host", one(logits()), one(logits(1))).model_dump(by_alias=True)
    with pytest.raises(ValidationError, match="sqnr_db"):
        Hop.model_validate({**document, "sqnr_db": value})
    with pytest.raises(ValidationError, match="min_sqnr_db"):
        Gate(min_sqnr_db=value, min_top1_agreement=0.0)


@pytest.mark.parametrize("broken", [None, 0, 1])
def test_each_tensor_is_judged_on_its_own(broken: int | None) -> None:
    spec = replace(SPEC, gate=Gate(min_sqnr_db=30.0, min_top1_agreement=0.0))
    tensors = [logits(), logits(1)[:, :3]]
    found = [noisy(40.0), tensors[1]]
    if broken is not None:
        found[broken] = -tensors[broken]
    hop = compare(spec, "host", tensors, found, ["boxes", "scores"])
    assert hop.status == ("passed" if broken is None else "failed")
    assert [tensor.name for tensor in hop.tensors] == ["boxes", "scores"]
    assert hop.sqnr_db == min(tensor.sqnr_db for tensor in hop.tensors)
    assert hop.top1_agreement is hop.agreement_interval is hop.constant_agreement is None
    if broken is not None:
        assert hop.why.startswith(f"{['boxes', 'scores'][broken]}: SQNR -")


def test_a_tensor_that_cannot_be_compared_is_named() -> None:
    tensors = [logits(), torch.ones(8, 2)]
    hop = compare(SPEC, "host", tensors, tensors, ["boxes", "anchors"])
    assert hop.status == "failed"
    assert hop.why.startswith("anchors: these inputs do not tell")
    fewer = compare(SPEC, "host", tensors, tensors[:1], ["boxes", "anchors"])
    assert fewer.why == "1 outputs are not 2"
