"""The Android debug bridge: finding one phone, its shell, files to it and from it.

Every failure is an InputError that says what to do with the phone.
"""

import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from edge_models.errors import InputError

SECONDS = 60  # for one command
SECONDS_TO_COPY = 600  # for one push or pull: the largest artifact has some 300 MB
CONNECT = "Connect one with USB debugging on; `adb devices` lists what is there."


@dataclass(frozen=True)
class Phone:
    """A connected and authorized device, named by its serial number."""

    program: str
    serial: str

    def shell(self, *words: str) -> str:
        """What a command prints on the phone. Raises InputError where it fails."""
        return self.script(shlex.join(words))

    def script(self, text: str) -> str:
        """The same for a line of its shell."""
        return self._run(SECONDS, "shell", text)

    def push(self, source: Path, target: str) -> None:
        """Copy a file or folder to the phone."""
        self._run(SECONDS_TO_COPY, "push", str(source), target)

    def pull(self, source: str, target: Path) -> None:
        """Copy a file or folder from the phone."""
        self._run(SECONDS_TO_COPY, "pull", source, str(target))

    def crash(self) -> str:
        """The last line of the phone's crash log that names an error; "" where it has none."""
        lines = self._run(SECONDS, "logcat", "-b", "crash", "-d", "-t", "60").splitlines()
        found = [
            line for line in lines if "Exception" in line or "Error" in line or "signal" in line
        ]
        return found[-1].split(": ", 1)[-1] if found else ""

    def _run(self, limit: float, *arguments: str) -> str:
        done = run(self.program, limit, "-s", self.serial, *arguments)
        if done.returncode != 0:
            raise _explained(self.serial, done.stderr.strip() or done.stdout.strip())
        return done.stdout


def find_phone(serial: str | None) -> Phone:
    """The phone with a serial number, or the only one. Raises InputError where there is none, or
    one that cannot be used.
    """
    program = shutil.which("adb")
    if program is None:
        raise InputError(
            "The program adb is not installed.",
            "Install Android's platform tools, and put adb on the PATH.",
        )
    listed = run(program, SECONDS, "devices")
    if listed.returncode != 0:
        raise InputError(f"adb does not work: {_last(listed.stderr)}.", "Try `adb devices`.")
    states = dict(line.split("\t", 1) for line in listed.stdout.splitlines() if "\t" in line)
    if serial is None:
        if len(states) > 1:
            raise InputError(
                f"Several devices are connected: {', '.join(states)}.",
                "Name one: --runner adb:SERIAL.",
            )
        if not states:
            raise InputError("No Android device is connected.", CONNECT)
        serial = next(iter(states))
    if serial not in states:
        raise InputError(
            f"No device {serial} is connected.",
            f"There are {', '.join(states)}." if states else CONNECT,
        )
    _check_state(serial, states[serial])
    return Phone(program, serial)


def run(program: str, limit: float, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A finished adb command. Raises InputError where it takes over ``limit`` seconds."""
    try:
        return subprocess.run(
            [program, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=limit,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"adb {arguments[-2] if len(arguments) > 1 else arguments[0]} did not end within "
            f"{limit:g} s.",
            "Connect the phone again, or restart adb with `adb kill-server`.",
        ) from error


def _check_state(serial: str, state: str) -> None:
    if state == "unauthorized":
        raise InputError(
            f"The device {serial} has not allowed this computer to debug it.",
            "Unlock it and confirm the question on its screen.",
        )
    if state != "device":
        raise InputError(
            f"The device {serial} cannot be used: adb calls it {state}.",
            "Connect it again, or restart it.",
        )


def _explained(serial: str, message: str) -> InputError:
    if "No space left on device" in message:
        return InputError(f"The device {serial} has no space left.", "Free some space on it.")
    if f"'{serial}' not found" in message or "device offline" in message:
        return InputError(f"The device {serial} was disconnected.", "Connect it and try again.")
    return InputError(f"adb failed on the device {serial}: {_last(message)}.", "Try `adb devices`.")


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1]
