"""Chunks of images judged by several processes at once; one that dies is replaced."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from queue import Empty, SimpleQueue

from edge_models.errors import InputError, RunnerError
from export_targets.prove import judge
from export_targets.prove.accuracy import Judged
from export_targets.prove.judge import Answer, Chunk, Task

ERRORS = {error.__name__: error for error in (InputError, RunnerError)}
ATTEMPTS = 2  # a chunk that ended two processes would end a third
ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # processes that share cores with more wait for one another


class DiedError(Exception):
    """A process ended while it judged."""


class Process:
    """One process that judges for a task."""

    def __init__(self, task: Task) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        self.child = subprocess.Popen(
            [sys.executable, "-m", judge.__name__, task.model_dump_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env={**os.environ, **ONE_THREAD},
            start_new_session=True,  # Ctrl-C is for the one that counts the answers
        )

    def judge(self, chunk: Chunk, step: Callable[[], None]) -> Judged:
        """Raises what the judge raises, DiedError where it ends."""
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        try:
            self.child.stdin.write(json.dumps(chunk) + "\n")
            self.child.stdin.flush()
        except BrokenPipeError as error:
            raise DiedError(self._end()) from error
        for line in self.child.stdout:
            if line.rstrip("\n") == judge.STEP:
                step()
            else:
                return _answer(json.loads(line))
        raise DiedError(self._end())

    def close(self) -> None:
        """End it, whatever it does."""
        self.child.kill()
        self.child.wait()
        for pipe in (self.child.stdin, self.child.stdout, self.errors):
            assert pipe is not None
            pipe.close()

    def _end(self) -> str:
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "no message")
        return f"it ended with {self.child.wait()}: {last}"


def _answer(document: Mapping[str, str]) -> Judged:
    if "error" in document:
        raise ERRORS[document["error"]](document["what"], document["remedy"])
    return Judged.model_validate(document)


class Crew:
    """The processes of a task, each with a thread that gives it chunks and takes its answers."""

    def __init__(self, task: Task, chunks: Mapping[int, Chunk]) -> None:
        self.task = task
        self.waiting: SimpleQueue[tuple[int, Chunk]] = SimpleQueue()
        for entry in chunks.items():
            self.waiting.put(entry)
        self.news: SimpleQueue[Answer | BaseException | None] = SimpleQueue()  # None: a step
        self.stopped, self.processes = threading.Event(), set[Process]()

    def serve(self) -> None:
        """What a thread does: whatever goes wrong belongs to the one that counts."""
        process: Process | None = None
        while not self.stopped.is_set():
            try:
                number, chunk = self.waiting.get_nowait()
            except Empty:
                return
            try:
                process, judged = self._judged(process, chunk)
            except BaseException as error:
                self.news.put(error)
                return
            self.news.put((number, judged))

    def _judged(self, process: Process | None, chunk: Chunk) -> tuple[Process, Judged]:
        """By the process, or by a new one where there is none or it dies."""
        why = ""
        for _ in range(ATTEMPTS):
            if process is None:
                self.processes.add(process := Process(self.task))
            try:
                return process, process.judge(chunk, lambda: self.news.put(None))
            except DiedError as error:
                process, why = None, str(error)
            if self.stopped.is_set():
                break
        raise RunnerError(_twice(chunk, why))

    def close(self) -> None:
        """End all, whatever they do."""
        self.stopped.set()
        for process in list(self.processes):
            process.close()


def judged_by_processes(
    task: Task, chunks: Mapping[int, Chunk], count: int, advance: Callable[[], None]
) -> Iterator[Answer]:
    """The answers to chunks by their number, in the order in which they are ready. A chunk whose
    process dies is judged again by another; raises RunnerError where that dies too.
    """
    crew, left = Crew(task, chunks), len(chunks)
    for _ in range(min(count, left)):
        threading.Thread(target=crew.serve, daemon=True).start()
    try:
        while left:
            match crew.news.get():
                case None:
                    advance()
                case BaseException() as error:
                    raise error
                case answer:
                    left -= 1
                    yield answer
    finally:
        crew.close()


def _twice(chunk: Chunk, why: str) -> str:
    (first, _), (last, _) = chunk[0], chunk[-1]
    return f"the images {first} to {last} ended two processes that judged them; {why}"
