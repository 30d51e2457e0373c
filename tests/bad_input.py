"""What tests of bad input share: mutated bytes, and which files a reader opens meanwhile."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st

from edge_models.errors import InputError

NOBODY = 65534
Result = TypeVar("Result")
_open_now: list[set[Path]] = []


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _open_now and isinstance(arguments[0], str | bytes):
        path = Path(arguments[0].decode() if isinstance(arguments[0], bytes) else arguments[0])
        if path.suffix not in (".py", ".pyc", ".so"):  # modules that are imported meanwhile
            _open_now[-1].add(path)


sys.addaudithook(_note)


@contextmanager
def only_inside(folder: Path) -> Iterator[None]:
    """Fails where this process opens a file that is not below a folder."""
    _open_now.append(set())
    try:
        yield
    finally:
        opened = _open_now.pop()
    outside = {str(path) for path in opened if not path.resolve().is_relative_to(folder.resolve())}
    assert outside == set()


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """As a user without rights, where the tests run as root, whom permission bits do not bind.

    The folder is made readable, and not writable.
    """
    root = os.geteuid() == 0
    for above in (folder, *folder.parents) if root else ():
        above.chmod(above.stat().st_mode | 0o555)
    if root:
        os.seteuid(NOBODY)
    else:
        folder.chmod(0o555)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        else:
            folder.chmod(0o755)


def refused_or(read: Callable[..., Result], *arguments: Any) -> Result | None:
    """What a reader returns, or None where it says what is wrong and what to do."""
    try:
        return read(*arguments)
    except InputError as error:
        if not error.what or not error.remedy:
            raise
        return None


def mutated(content: bytes) -> st.SearchStrategy[bytes]:
    """The content with some bytes replaced, removed or added, or cut short."""
    places = st.integers(0, max(0, len(content) - 1))
    edits = st.tuples(
        st.sampled_from(["replace", "remove", "add", "cut"]), places, st.binary(max_size=8)
    )

    def apply(edits: list[tuple[str, int, bytes]]) -> bytes:
        result = content
        for kind, place, new in edits:
            if kind == "cut":
                result = result[:place]
            else:
                end = place if kind == "add" else place + len(new)
                result = result[:place] + (b"" if kind == "remove" else new) + result[end:]
        return result

    return st.lists(edits, min_size=1, max_size=4).map(apply)
