"""Replacing an artifact folder: by one build at a time, whole or not at all.

Beside an artifact ``<name>`` stand, while it is built, ``.<name>.lock`` and ``.<name>.building``;
what a killed build left of them is harmless, and the next build removes it.
"""

import ctypes
import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path

from edge_models.errors import InputError
from export_targets.artifact.folder import MANIFEST, old_of, read_manifest
from export_targets.artifact.manifest import Identity

FAILED = ".failed"  # after an artifact's name: what a build whose gates fail leaves


def check_replaceable(out: Path, identity: Identity, force: bool) -> None:
    """Raises InputError where ``out`` holds something other than this artifact. ``force`` lets
    another or a damaged artifact be replaced, never anything else.
    """
    if not out.exists():
        return
    if not (out / MANIFEST).is_file():
        raise InputError(
            f"{out} exists and is not an artifact of edgeform.", "Choose another --out."
        )
    if force:
        return
    try:
        held = read_manifest(out).identity
    except InputError as error:
        raise InputError(
            f"{out} holds an artifact that cannot be read: {error.what}",
            "Choose another --out, or say --force to replace it.",
        ) from error
    if differing := identity.differing(held):
        raise InputError(
            f"{out} holds another artifact, which differs in {', '.join(differing)}.",
            "Choose another --out, or say --force to replace it.",
        )


@contextmanager
def sole_build(out: Path) -> Iterator[None]:
    """Keep other builds away from ``out``, and bring back what a killed one had set aside.

    Raises InputError where another build is at work. The system frees the lock of a dead process.
    """
    made = [folder for folder in out.parents if not folder.exists()]
    path = out.with_name(f".{out.name}.lock")
    with _locked(path, out):
        try:
            _bring_back(out)
            yield
        finally:
            path.unlink()  # still held: whoever opened it meanwhile finds that it is gone
            with suppress(OSError):  # a folder that is not empty stays
                for folder in made:
                    folder.rmdir()


def _locked(path: Path, out: Path) -> TextIOWrapper:
    """The lock file, open and held until it is closed."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise InputError(
                f"Another build into {out} is at work.", "Wait for it, or choose another --out."
            ) from error
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
        file.close()  # its last holder removed it before this one held it: once more


def _bring_back(out: Path) -> None:
    old = old_of(out)
    if out.exists():
        remove(old)
    elif old.exists():
        old.rename(out)


@contextmanager
def staging(out: Path) -> Iterator[Path]:
    """An empty folder beside ``out`` to build in; removed at the end, whatever happens."""
    folder = out.with_name(f".{out.name}.building")
    remove(folder)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        with suppress(OSError):  # the next build tries again
            remove(folder)


def publish(staged: Path, out: Path) -> None:
    """Put a finished folder at its final name: flushed to disk, then exchanged in one step."""
    for path in (*staged.rglob("*"), staged):
        _flush(path)
    if not out.exists():
        staged.rename(out)
    elif not _exchange(staged, out):
        old = old_of(out)
        remove(old)
        out.rename(old)
        try:
            staged.rename(out)
        except OSError:
            old.rename(out)
            raise
        remove(old)
    _flush(out.parent)


def set_aside(staged: Path, out: Path, reason: str) -> None:
    """Keep an unfinished folder as ``out``, with the reason why it is no artifact."""
    (staged / "reason.txt").write_text(f"{reason}\n", encoding="utf-8")
    publish(staged, out)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step where the system can (Linux's renameat2)."""
    if sys.platform != "linux":
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    return libc.renameat2(here, bytes(one), here, bytes(other), exchange) == 0


def remove(path: Path) -> None:
    """A file, a link or a folder with all in it; nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
