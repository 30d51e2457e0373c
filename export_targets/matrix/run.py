"""The cells of a matrix, as many at once as cores and memory take, here or on Ray."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from export_targets.matrix.cell import Cell, Row, identity_of, run_cell
from export_targets.progress import Reporter
from export_targets.workers import cluster, cores

SHARE_OF_MEMORY = 0.8


def run_matrix(
    cells: Sequence[Cell],
    out: Path,
    reporter: Reporter,
    workers: int | None = None,
    gigabytes: float | None = None,
    on: str | None = None,
) -> list[Row]:
    """A row for each cell, in their order; each is noted when it is done. A failed cell does not
    stop the rest. ``workers`` processes at once (None: one for each core) that together take at
    most ``gigabytes`` (None: most of the memory); ``on="ray"``: on a Ray cluster, ``out`` shared.
    """
    out.mkdir(parents=True, exist_ok=True)
    start, rows = time.monotonic(), dict[str, Row]()
    if on is not None:
        done = _on_ray(cells, out, on)
    else:
        done = _here(cells, out, workers or cores(), gigabytes or _memory())
    for row in done:
        rows[row.name] = row
        left = (time.monotonic() - start) / len(rows) * (len(cells) - len(rows))
        reporter.note(
            f"{row.name}: {said(row)} ({len(rows)} of {len(cells)}, about {left:.0f} s left)"
        )
    return [rows[cell.name] for cell in cells]


def said(row: Row) -> str:
    """A row in words."""
    if not row.passed:
        return f"FAILED: {'; '.join(row.problems)}"
    figures = (
        (row.sqnr_db, "{:.1f} dB"),
        (row.top1_agreement, "top-1 agreement {:.3f}"),
        (row.agreement, f"{{:.1%}} agree of {row.images} images"),
    )
    return ", ".join(
        ["passed", *(text.format(value) for value, text in figures if value is not None)]
    )


def _here(cells: Sequence[Cell], out: Path, workers: int, gigabytes: float) -> Iterator[Row]:
    memory = Memory(gigabytes)
    threads = max(1, cores() // workers)

    def run(cell: Cell) -> Row:
        with memory.taken(cell.gigabytes):
            return run_cell(cell, out, threads)

    with ThreadPoolExecutor(workers) as pool:
        pending = {pool.submit(run, cell) for cell in cells}
        try:
            while pending:
                finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class Memory:
    """What is free of some gigabytes; a cell that wants more than all of it runs alone."""

    def __init__(self, gigabytes: float) -> None:
        self.free = self.all = gigabytes
        self.changed = threading.Condition()

    @contextmanager
    def taken(self, wanted: float) -> Iterator[None]:
        """Waits until so many gigabytes are free, and holds them."""
        gigabytes = min(wanted, self.all)
        with self.changed:
            self.changed.wait_for(lambda: self.free >= gigabytes)
            self.free -= gigabytes
        try:
            yield
        finally:
            with self.changed:
                self.free += gigabytes
                self.changed.notify_all()


def _memory() -> float:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return SHARE_OF_MEMORY * pages / 1e9


def _on_ray(cells: Sequence[Cell], out: Path, on: str) -> Iterator[Row]:
    ray = cluster(on)
    place = out.resolve()
    pending = {
        ray.remote(num_cpus=1, memory=int(cell.gigabytes * 1e9))(run_cell).remote(
            cell, place, 1
        ): cell
        for cell in cells
    }
    while pending:
        (ready, *_), _ = ray.wait(list(pending))
        cell = pending.pop(ready)
        try:
            yield ray.get(ready)
        except ray.exceptions.RayError as error:
            yield Row(
                **cell.model_dump(include={"name", "model", "target", "recipe"}),
                identity=identity_of(cell),
                artifact=str(place / cell.name),
                passed=False,
                problems=(f"Ray could not build it: {error}",),
            )
