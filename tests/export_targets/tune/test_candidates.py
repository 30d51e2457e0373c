"""The front, the choice and what is said where there is none, on made-up files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from export_targets.artifact.tuning import Candidate
from export_targets.tune.candidates import chosen, on_front, problem
from export_targets.tune.front import front
from tests.export_targets.tune.made_up_tuning import made_up_tuning, tried

FILES = st.lists(st.tuples(*[st.integers(0, 4).map(float)] * 3), max_size=12)


@given(FILES)
def test_on_the_front_is_what_no_other_file_beats(files: list[tuple[float, ...]]) -> None:
    on = front(files)
    assert any(on) or not files
    for one, is_on in zip(files, on, strict=True):
        beaten_by = [
            other
            for other in files
            if all(a <= b for a, b in zip(other, one, strict=True))
            and any(a < b for a, b in zip(other, one, strict=True))
        ]
        assert is_on == (not beaten_by)


@given(
    st.lists(
        st.tuples(st.integers(180, 200), st.integers(1, 4), st.integers(1, 4), st.booleans()),
        min_size=1,
        max_size=8,
    )
)
def test_the_chosen_file_meets_what_is_asked_and_stands_on_the_front(
    figures: list[tuple[int, int, int, bool]],
) -> None:
    timed = all(one[-1] for one in figures)
    found = on_front(
        [
            tried(
                str(n),
                agreeing,
                float(size),
                p50_ms=float(ms) if has else None,
                meets=agreeing > 190,
            )
            for n, (agreeing, size, ms, has) in enumerate(figures)
        ]
    )
    best, meeting = chosen(found), [one for one in found if one.meets]
    assert (best is None) == (not meeting)
    if best is not None:
        assert best.on_front
        assert best.meets
        figure = "p50_ms" if timed else "megabytes"
        assert getattr(best, figure) == min(getattr(one, figure) for one in meeting)


def test_where_one_file_was_not_timed_the_front_is_of_size_and_agreement() -> None:
    slow = tried("slow and small", 200, 1.0, p50_ms=9.0)
    fast = tried("fast and large", 200, 2.0, p50_ms=1.0)
    assert [one.on_front for one in on_front([slow, fast])] == [True, True]
    unknown = tried("unknown", 199, 3.0)
    assert [one.on_front for one in on_front([slow, fast, unknown])] == [True, False, False]


def test_a_red_build_is_not_on_the_front() -> None:
    found = on_front([tried("red", None), tried("green", 190, 1.0, p50_ms=1.0)])
    assert [(one.name, one.on_front) for one in found] == [("red", False), ("green", True)]
    with pytest.raises(ValidationError, match="gates failed is not on the front"):
        tried("red", None, on_front=True)
    with pytest.raises(ValidationError, match="nowhere else"):
        tried("red", None, passed=True)
    with pytest.raises(ValidationError, match="none of those that agree"):
        made_up_tuning(tried("green", 190), chosen="green")


@pytest.mark.parametrize(
    ("candidates", "said"),
    [
        ([tried("red", None)], ["No build held its gates"]),
        (
            [tried("best", 188), tried("worse", 180)],
            [
                "The best is best: 0.940 of 200 images",
                "add --agreement 0.95",
                "than --at-least 0.95",
            ],
        ),
        ([tried("near", 192)], ["give more images, or add --agreement 0.95"]),
    ],
)
def test_where_nothing_is_chosen_the_best_is_named_and_what_to_try(
    candidates: list[Candidate], said: list[str]
) -> None:
    text = problem(made_up_tuning(*candidates))
    assert [part for part in said if part not in text] == []


def test_what_was_searched_for_is_not_advised_again() -> None:
    assert "--agreement" not in problem(made_up_tuning(tried("best", 188, asked=0.95)))
