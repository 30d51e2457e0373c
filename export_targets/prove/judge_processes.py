"""Chunks of images judged by several processes at once; one that dies is replaced."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from queue import SimpleQueue

from edge_models.errors import InputError, RunnerError
from export_targets.prove import judge
from export_targets.prove.accuracy import Judged
from export_targets.prove.judge import Chunk, Task

ERRORS = {error.__name__: error for error in (InputError, RunnerError)}
ATTEMPTS = 2  # a chunk that ended two processes would end a third
ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # processes that share cores with more wait for one another

Answer = tuple[int, Judged]  # a chunk by its number


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


def judged_by_processes(
    task: Task, chunks: Mapping[int, Chunk], count: int, advance: Callable[[], None]
) -> Iterator[Answer]:
    """The answers to chunks by their number, in the order in which they are ready. A chunk whose
    process dies is judged again by another; raises RunnerError where that dies too.
    """
    waiting = deque(chunks.items())
    news: SimpleQueue[Answer | BaseException | None] = SimpleQueue()  # None: a step
    processes: set[Process] = set()

    def serve() -> None:
        process: Process | None = None
        try:
            while waiting:
                number, chunk = waiting.popleft()
                for attempt in range(1, ATTEMPTS + 1):
                    if process is None:
                        processes.add(process := Process(task))
                    try:
                        news.put((number, process.judge(chunk, lambda: news.put(None))))
                        break
                    except DiedError as error:
                        process = None
                        if attempt == ATTEMPTS:
                            raise RunnerError(_twice(chunk, str(error))) from error
        except IndexError:  # another took the last chunk
            return
        except BaseException as error:  # it belongs to the one that counts
            news.put(error)

    for _ in range(min(count, len(chunks))):
        threading.Thread(target=serve, daemon=True).start()
    left = len(chunks)
    try:
        while left:
            match news.get():
                case None:
                    advance()
                case BaseException() as error:
                    raise error
                case answer:
                    left -= 1
                    yield answer
    finally:
        waiting.clear()
        for process in list(processes):
            process.close()


def _twice(chunk: Chunk, why: str) -> str:
    (first, _), (last, _) = chunk[0], chunk[-1]
    return f"the images {first} to {last} ended two processes that judged them; {why}"
