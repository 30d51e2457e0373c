"""A process that measures in turns and stands still in between.

A runtime's threads wait in a loop for some time after an inference, to be quick at the next one:
running freely, they would take the cores from whatever is measured next. The process is therefore
stopped by a signal except in its turn, and every runtime keeps its defaults.

It writes a line ``{"answer": ...}`` when it is ready, one for each line with a number of samples
that it reads, and a last one when its input ends. Other lines are a library's chatter.
"""

import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

from edge_models.errors import RunnerError
from export_targets.waiting_threads import users_environment

SECONDS = 600  # for one answer: the largest model takes 1 s an inference on a slow core
LARGEST_ANSWER = 2**24  # bytes


class Turns:
    """A child process by its command. Use it as a context manager; ``ready`` is its first answer.

    Raises RunnerError where it ends too early or does not answer. It is in a process group of its
    own: Ctrl-C reaches only its parent, and the system ends it if its parent is killed, as it ends
    every stopped process in a group that has become an orphan.
    """

    def __init__(self, command: Sequence[str], name: str) -> None:
        self.name = name
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  closed in __exit__
        self.child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            process_group=0,
            env=users_environment(),
        )
        self.ready: Any = None

    def __enter__(self) -> "Turns":
        try:
            self.ready = self._answer()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self.child.send_signal(signal.SIGSTOP)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.child.kill()
        self.child.wait()
        for stream in (self.child.stdin, self.child.stdout, self.errors):
            assert stream is not None
            stream.close()

    def turn(self, samples: int) -> Any:
        """The answer to a number of samples."""
        assert self.child.stdin is not None
        self.child.send_signal(signal.SIGCONT)
        try:
            os.write(self.child.stdin.fileno(), f"{samples}\n".encode())
        except BrokenPipeError as error:
            raise self._ended() from error
        answer = self._answer()
        self.child.send_signal(signal.SIGSTOP)
        return answer

    def finish(self) -> Any:
        """The last answer; the process ends. A turn that was interrupted is passed over."""
        assert self.child.stdin is not None
        self.child.send_signal(signal.SIGCONT)
        self.child.stdin.close()
        answers = list(self._answers())
        if not answers or self.child.wait() != 0:
            raise self._ended()
        return answers[-1]

    def _answer(self) -> Any:
        for found in self._answers():
            return found
        raise self._ended()

    def _answers(self) -> Iterator[Any]:
        """The answers until the process ends."""
        assert self.child.stdout is not None
        timer = threading.Timer(SECONDS, self.child.kill)
        try:
            timer.start()  # a Ctrl-C as it starts must not leave it: the program would wait for it
            while line := self.child.stdout.readline(LARGEST_ANSWER):
                if line.startswith(b'{"answer"'):
                    yield json.loads(line)["answer"]
        finally:
            timer.cancel()

    def _ended(self) -> RunnerError:
        code = self.child.wait()
        self.errors.seek(0)
        lines = [line for line in self.errors.read().decode(errors="replace").splitlines() if line]
        reason = "it took too long" if code == -signal.SIGKILL else f"it ended with {code}"
        return RunnerError(f"{self.name}: {reason}: {lines[-1] if lines else 'no message'}")


def answer(content: object) -> None:
    """The child's side: one line to the parent."""
    print(json.dumps({"answer": content}), flush=True)
