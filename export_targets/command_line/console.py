"""What every command shares: exit codes, how results and errors are printed, and what changes the
whole process: warnings, loggers, Ctrl-C and the collector of cycles.
"""

import atexit
import gc
import json
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import TextIOWrapper
from typing import Any, NoReturn

import typer

from edge_models.errors import InputError, RunnerError
from export_targets.waiting_threads import sleep_while_waiting

# Loggers, "" being the root of all.
CHATTY = ("", "torch", "torch.utils._pytree", "torchao", "executorch", "coremltools")
STDERR = 2  # its number
OUT_OF_MEMORY = "can't allocate memory"  # what torch says, in a RuntimeError
DONE, GATE_FAILED, BAD_INPUT, OWN_FAULT, INTERRUPTED = 0, 1, 2, 3, 130
FAULT = "This is a fault of edgeform: nothing was replaced, and --debug shows where it is."
USAGE_ERROR: Any = typer.BadParameter.__base__  # of every wrong argument; typer names it nowhere


def run(app: typer.Typer) -> NoReturn:
    """Run the commands of ``sys.argv`` and exit with the contract's code."""
    atexit.register(gc.freeze)  # else the graphs are searched for cycles at the end: 2 s
    arguments = sys.argv[1:]
    as_json, debug = "--json" in arguments, "--debug" in arguments
    _check_streams()
    sleep_while_waiting()
    if not debug:
        _quiet_libraries()
    try:
        _check_working_directory()
        code = app(args=arguments, standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except USAGE_ERROR as error:
        _complain(error.format_message(), "See edgeform COMMAND --help.", as_json)
        code = BAD_INPUT
    except Exception as error:  # whatever it is, a user sees what and a remedy
        if debug:
            traceback.print_exc()
        what, remedy = _explained(error)
        _complain(what, remedy, as_json)
        code = OWN_FAULT if remedy == FAULT else BAD_INPUT
        if isinstance(error, RunnerError):
            code = GATE_FAILED
    if code == INTERRUPTED:  # typer returns it for Ctrl-C in a command
        _complain("Interrupted.", "Nothing was replaced.", as_json)
    sys.exit(code)


def _check_streams() -> None:
    """Ends the program where stdout is closed; a closed stderr goes nowhere."""
    if sys.stderr is None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDERR)
        sys.stderr = open(STDERR, "w", encoding="utf-8")  # noqa: SIM115  until the end
    if sys.stdout is None:
        print("Stdout is closed: there is no place for the result.", file=sys.stderr)
        print("Leave it open, or send it elsewhere: > FILE.", file=sys.stderr)
        sys.exit(BAD_INPUT)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a name of a file need not be text
            stream.reconfigure(errors="backslashreplace")


def _check_working_directory() -> None:
    try:
        os.getcwd()  # noqa: PTH109  asked for its error
    except FileNotFoundError as error:
        raise InputError(
            "The working directory no longer exists.", "Change to another: cd DIRECTORY."
        ) from error


def _explained(error: Exception) -> tuple[str, str]:
    """What is wrong, and the remedy."""
    if isinstance(error, InputError):
        return error.what, error.remedy
    if isinstance(error, RunnerError):
        return f"The saved file does not run: {error}.", error.remedy
    if isinstance(error, MemoryError) or OUT_OF_MEMORY in str(error):
        return "There is not enough memory.", "End other programs, or use a smaller --batch."
    if isinstance(error, ImportError):
        return f"{error}.", "`edgeform doctor` says what is missing here."
    if isinstance(error, OSError):
        return f"{error}.", "Check the path, rights and space."
    first = (str(error).strip().splitlines() or ["no message"])[0]
    return f"{type(error).__name__}: {first}", FAULT


def _quiet_libraries() -> None:
    """Hide other libraries' chatter; ``--debug`` shows it."""
    # of executorch's Core ML compiler, which sets its logger's level by it when it is imported
    os.environ.setdefault("ET_COREML_LOG_LEVEL", "ERROR")
    warnings.simplefilter("ignore")
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)


def judged(problems: tuple[str, ...]) -> int:
    """Name each failed gate on stderr; the exit code."""
    for problem in problems:
        print(problem, file=sys.stderr)
    return GATE_FAILED if problems else DONE


def print_result(document: Any, as_json: bool, table: Callable[[], None]) -> None:
    """One JSON document, or the table that ``table`` prints. Ends the program where stdout takes
    no more.
    """
    try:
        if as_json:
            print(json.dumps(document, indent=1, allow_nan=False))
        else:
            table()
        sys.stdout.flush()
    except (OSError, SystemExit) as error:  # rich ends the program itself at a closed pipe
        # what is still buffered goes nowhere, and not once more to stdout at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        why = error.strerror if isinstance(error, OSError) else "Broken pipe"
        print(f"Stdout takes no more: {why}.\nThe result was not printed.", file=sys.stderr)
        sys.exit(BAD_INPUT)


@contextmanager
def loading() -> Iterator[None]:
    """For the import of what a command needs: a warning for each library of a version that was not
    tested. While open, Ctrl-C ends the program where it stands: nothing is written yet, and an
    exception inside a library that is being loaded would abort the process.
    """
    from export_targets.command_line.doctor import outside_tested_range

    def leave(*_: object) -> None:
        _complain("Interrupted.", "Nothing was replaced.", "--json" in sys.argv)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(INTERRUPTED)

    before = signal.signal(signal.SIGINT, leave)
    try:
        for line in outside_tested_range():
            print(f"warning: {line}", file=sys.stderr)
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def results_alone() -> Iterator[None]:
    """While open, stdout is kept for results: what the user's own network prints goes to stderr."""
    with redirect_stdout(sys.stderr):
        yield


@contextmanager
def collector_off() -> Iterator[None]:
    """Without Python's search for cycles, which looks at every node of a graph again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.unfreeze()  # all objects are old now: the next search is among new ones
        if was_on:
            gc.enable()


def _complain(what: str, remedy: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": {"what": what, "remedy": remedy}}))
    else:
        print(f"{what}\n{remedy}", file=sys.stderr)
