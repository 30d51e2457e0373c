"""Which cases of a test run every day; the others run with the full tests."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def daily(cases: Iterable[Any], every_day: Collection[Any]) -> list[Any]:
    """The cases as parameters, a tuple as several: those of ``every_day`` as they are."""
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)),
            marks=() if case in every_day else pytest.mark.full,
        )
        for case in cases
    ]
