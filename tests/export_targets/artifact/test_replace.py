"""An artifact is written whole or not at all, and only its own kind is replaced."""

from pathlib import Path
from typing import Any

import pytest

from edge_models.errors import InputError
from export_targets.artifact import replacement
from export_targets.artifact.folder import MANIFEST, open_artifact
from export_targets.artifact.replacement import check_replaceable, publish, staging
from tests.export_targets.made_up import CONTENT, made_up_manifest, write_made_up

IDENTITY = made_up_manifest().identity


def test_the_same_artifact_is_replaceable(tmp_path: Path) -> None:
    check_replaceable(write_made_up(tmp_path / "artifact"), IDENTITY, force=False)


def test_a_free_name_is_free(tmp_path: Path) -> None:
    check_replaceable(tmp_path / "artifact", IDENTITY, force=False)


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("recipe", {"recipe": "fp32"}),
        ("form", {"form": "published"}),
        ("heads", {"output": {**CONTENT["output"], "heads": "both"}}),
        ("input", {"input": {**CONTENT["input"], "shape": (2, 3, 32, 32)}}),
        ("weights", {"weights": {**CONTENT["weights"], "sha256": "1" * 64}}),
    ],
)
def test_another_artifact_only_with_force(key: str, change: dict[str, Any], tmp_path: Path) -> None:
    out = write_made_up(tmp_path / "artifact", **change)
    with pytest.raises(InputError, match=f"differs in {key}") as error:
        check_replaceable(out, IDENTITY, force=False)
    assert "--force" in error.value.remedy
    check_replaceable(out, IDENTITY, force=True)


@pytest.mark.parametrize("force", [False, True])
def test_a_foreign_folder_is_never_replaced(force: bool, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(InputError, match="not an artifact") as error:
        check_replaceable(tmp_path, IDENTITY, force)
    assert "--out" in error.value.remedy


def test_a_damaged_artifact_only_with_force(tmp_path: Path) -> None:
    out = write_made_up(tmp_path / "artifact")
    (out / MANIFEST).write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read") as error:
        check_replaceable(out, IDENTITY, force=False)
    assert "--force" in error.value.remedy
    check_replaceable(out, IDENTITY, force=True)


def test_staging_stands_beside_the_final_name_and_goes_away(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "artifact"
    with staging(out) as folder:
        assert folder.parent == out.parent
        (folder / "half").write_text("written", encoding="utf-8")
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_staging_goes_away_when_the_build_breaks(
    error: type[BaseException], tmp_path: Path
) -> None:
    def build() -> None:
        with staging(tmp_path / "artifact") as folder:
            (folder / "half").write_text("written", encoding="utf-8")
            raise error

    with pytest.raises(error):
        build()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at_once", [True, False])
def test_publishing_replaces_the_old_content_and_leaves_nothing_else(
    at_once: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not at_once:
        monkeypatch.setattr(replacement, "_exchange", lambda *_: False)
    out = tmp_path / "artifact"
    out.mkdir()
    (out / "old").write_text("old", encoding="utf-8")
    with staging(out) as folder:
        (folder / "new").write_text("new", encoding="utf-8")
        publish(folder, out)
    assert [path.name for path in out.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["artifact"]


def test_publishing_what_is_not_there_keeps_the_old_artifact(tmp_path: Path) -> None:
    out = write_made_up(tmp_path / "artifact")
    with pytest.raises(OSError, match="never staged"):
        publish(tmp_path / "never staged", out)
    assert open_artifact(out).manifest.identity == IDENTITY
    assert [path.name for path in tmp_path.iterdir()] == ["artifact"]


def test_publishing_that_breaks_at_the_exchange_keeps_the_old_artifact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = write_made_up(tmp_path / "artifact")
    staged = write_made_up(tmp_path / "staged")
    rename = Path.rename

    def refuse_the_new(path: Path, target: Path) -> Path:
        if path == staged:
            raise OSError("no space")
        return rename(path, target)

    monkeypatch.setattr(replacement, "_exchange", lambda *_: False)  # as on systems without it
    monkeypatch.setattr(Path, "rename", refuse_the_new)
    with pytest.raises(OSError, match="no space"):
        publish(staged, out)
    assert open_artifact(out).manifest.identity == IDENTITY
