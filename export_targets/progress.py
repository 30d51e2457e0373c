"""What a running command says on stderr: its stages with their times, and steps within a stage."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

SECONDS_BETWEEN_LINES = 30  # of a stage's progress, where stderr is not a terminal


class Reporter:
    """Reports to a console; on one that is not a terminal each stage is a plain line."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Name what begins, and say how long it took when it ends."""
        start = time.monotonic()
        with self.console.status(f"{name} ..."):
            yield
        self.console.print(f"{name}: {time.monotonic() - start:.1f} s", highlight=False)

    @contextmanager
    def steps(self, name: str, total: int) -> Iterator[Callable[[], None]]:
        """A progress bar with the time left, or where there is no terminal a line now and then; the
        yielded function advances it by one.
        """
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,  # it would print an empty line
        )
        start = told = time.monotonic()
        done = 0

        def advance() -> None:
            nonlocal done, told
            done += 1
            bar.advance(task)
            now = time.monotonic()
            if not self.console.is_terminal and now - told > SECONDS_BETWEEN_LINES:
                told = now
                left = (now - start) / done * (total - done) / 60
                self.note(f"{name}: {done:,} of {total:,}, {left:.1f} min left")

        with bar:
            task = bar.add_task(name, total=total)
            yield advance
        self.console.print(f"{name}: {time.monotonic() - start:.1f} s", highlight=False)

    def notes(self, lines: Iterable[str]) -> None:
        """Lines that the user should read."""
        for line in lines:
            self.note(line)

    def note(self, text: str) -> None:
        """One line that the user should read."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)


def stderr_reporter() -> Reporter:
    """The reporter of the command line."""
    return Reporter(Console(stderr=True))


def silent_reporter() -> Reporter:
    """A reporter that prints nothing, for use from Python."""
    return Reporter(Console(quiet=True))
