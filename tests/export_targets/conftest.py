"""Artifacts in form, for what needs no model that runs."""

from pathlib import Path

import pytest

from tests.export_targets.made_up import write_made_up


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two artifacts in form."""
    return write_made_up(tmp_path / "one"), write_made_up(tmp_path / "two", name="other")
