"""Artifacts in form, for what needs no model that runs; builds of random networks; folders behind
an address.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from export_targets import pipeline
from tests.export_targets.made_up import write_made_up

Served = Callable[[Path], str]


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two artifacts in form."""
    return write_made_up(tmp_path / "one"), write_made_up(tmp_path / "two", name="other")


@pytest.fixture
def no_search_for_a_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a random network's lower hop is red, no layer is looked for: a lowering each step."""
    monkeypatch.setattr(pipeline, "_first_apart", lambda *given: ())


@pytest.fixture
def served() -> Iterator[Served]:
    """Gives the address of a folder on a server of this machine."""
    with ExitStack() as servers:
        yield lambda folder: servers.enter_context(_server_of(folder))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *given: object) -> None:
        del given


@contextmanager
def _server_of(folder: Path) -> Iterator[str]:
    handler = partial(_Quiet, directory=folder.parent)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/{folder.name}"
        server.shutdown()
        thread.join()
