"""Results of long steps, used again while everything that shaped them is the same."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from export_targets.artifact.manifest import to_json

Identity = dict[str, str]


def is_current(path: Path, identity: Identity) -> bool:
    """Whether ``path`` exists and was remembered with this identity."""
    note = _note(path)
    if not path.exists() or not note.is_file():
        return False
    return bool(json.loads(note.read_text(encoding="utf-8")) == identity)


def remember(path: Path, identity: Identity) -> None:
    """Note beside ``path`` what shaped it."""
    _note(path).write_text(to_json(identity), encoding="utf-8")


def sources(places: Iterable[Path]) -> str:
    """Digest of every Python file at or below the places, whether committed or not."""
    digest = hashlib.sha256()
    for place in places:
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(path.as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.identity.json")
