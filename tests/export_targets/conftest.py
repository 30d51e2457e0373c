"""Artifacts in form, for what needs no model that runs; and builds of random networks."""

from pathlib import Path

import pytest

from export_targets import pipeline
from tests.export_targets.made_up import write_made_up


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two artifacts in form."""
    return write_made_up(tmp_path / "one"), write_made_up(tmp_path / "two", name="other")


@pytest.fixture
def no_search_for_a_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a random network's lower hop is red, no layer is looked for: a lowering each step."""
    monkeypatch.setattr(pipeline, "_first_apart", lambda *given: ())
