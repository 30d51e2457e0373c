"""Apple's devicectl, which comes with Xcode: finding one iPhone, its apps, files to it and from it.

Only the JSON that it writes is read. Every failure is an InputError that says what to do.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_models.errors import InputError

APP = "Edgeform"  # the app's name on the phone; its bundle identifier is the developer's own
SECONDS = 120  # for one command
SECONDS_TO_COPY = 900  # the largest artifact has some 300 MB
CONNECT = "Connect one by cable or trust it in Xcode; `xcrun devicectl list devices` lists them."
# Codes of devicectl's errors, and of those below them: what happened, and what to do.
EXPLAINED = {
    1000: ("is not connected any more", "Connect it and try again."),
    4000: ("is locked", "Unlock it, and keep the app open."),
    10002: ("is locked", "Unlock it, and keep the app open."),
    12040: ("has no developer disk image yet", "Open Xcode with the phone connected, and wait."),
}


@dataclass(frozen=True)
class Iphone:
    """A paired phone, named by devicectl's ``identifier``, and the app's bundle identifier."""

    program: str
    identifier: str
    bundle: str = ""

    def copy_to(self, source: Path, target: str) -> None:
        """Copy a folder into a new one of the app's container."""
        self._copy("to", str(source), target)

    def copy_from(self, source: str, target: Path) -> None:
        """Copy a file or folder from the app's container."""
        self._copy("from", source, str(target))

    def launch(self, variables: dict[str, str]) -> int:
        """Start the app afresh with environment variables; its process number."""
        arguments = ["--terminate-existing", "--environment-variables", json.dumps(variables)]
        launched = self.run("device", "process", "launch", *arguments, after=(self.bundle,))
        return int(launched["process"]["processIdentifier"])

    def runs(self, process: int) -> bool:
        """Whether a process is alive."""
        found = self.run("device", "info", "processes")["runningProcesses"]
        return any(other.get("processIdentifier") == process for other in found)

    def terminate(self, process: int) -> None:
        """End the app."""
        self.run("device", "process", "terminate", "--pid", str(process), "--kill")

    def run(
        self, *arguments: str, limit: float = SECONDS, after: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """The result of a command on this phone."""
        command = [*arguments, "--device", self.identifier]
        return _run(self.program, limit, command, after, self.identifier)

    def _copy(self, direction: str, source: str, target: str) -> None:
        self.run(
            *("device", "copy", direction, "--domain-type", "appDataContainer"),
            *("--domain-identifier", self.bundle, "--source", source, "--destination", target),
            limit=SECONDS_TO_COPY,
        )


def find_iphone(udid: str | None) -> Iphone:
    """The phone with a UDID, or the only one, with the app on it. Raises InputError where there is
    none that can be used.
    """
    program = shutil.which("xcrun")
    if program is None:
        raise InputError(
            "The runner ios needs Xcode 15 or newer on a Mac: there is no xcrun here.",
            "Run it on a Mac; or measure in the app, and take its report with --import.",
        )
    listed = _run(program, SECONDS, ["list", "devices", "--timeout", "5"], (), "")
    phones = {_udid(device): device for device in listed.get("devices", []) if _is_phone(device)}
    if udid is None:
        if len(phones) > 1:
            raise InputError(
                f"Several iPhones are connected: {', '.join(phones)}.",
                "Name one: --runner ios:UDID.",
            )
        if not phones:
            raise InputError("No iPhone is connected.", CONNECT)
        udid = next(iter(phones))
    if udid not in phones:
        there = f"There are {', '.join(phones)}." if phones else CONNECT
        raise InputError(f"No iPhone {udid} is connected.", there)
    _check(udid, phones[udid])
    phone = Iphone(program, phones[udid]["identifier"])
    return Iphone(program, phone.identifier, _bundle(phone, udid))


def _is_phone(device: dict[str, Any]) -> bool:
    hardware = device.get("hardwareProperties", {})
    return hardware.get("platform") == "iOS" and hardware.get("reality", "physical") == "physical"


def _udid(device: dict[str, Any]) -> str:
    return str(device.get("hardwareProperties", {}).get("udid", device.get("identifier")))


def _check(udid: str, device: dict[str, Any]) -> None:
    connection = device.get("connectionProperties", {})
    if connection.get("pairingState") != "paired":
        raise InputError(
            f"The iPhone {udid} is not paired with this Mac.",
            "Connect it by cable, unlock it and answer Trust.",
        )
    if connection.get("tunnelState") == "unavailable":
        raise InputError(f"The iPhone {udid} is not connected.", CONNECT)
    if device.get("deviceProperties", {}).get("developerModeStatus") != "enabled":
        raise InputError(
            f"Developer Mode is off on the iPhone {udid}.",
            "Turn it on in Settings, Privacy & Security, and restart the phone.",
        )


def _bundle(phone: Iphone, udid: str) -> str:
    for app in phone.run("device", "info", "apps").get("apps", []):
        if app.get("name") == APP:
            return str(app["bundleIdentifier"])
    raise InputError(
        f"The app {APP} is not installed on the iPhone {udid}.",
        "Run apps/ios once from Xcode: see docs/ios.md.",
    )


def _run(
    program: str, limit: float, command: list[str], after: tuple[str, ...], phone: str
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        written = Path(temporary, "result.json")
        words = [program, "devicectl", *command, "--json-output", str(written), *after]
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, errors="replace", check=False, timeout=limit
            )
            answer = json.loads(written.read_text(encoding="utf-8"))
        except subprocess.TimeoutExpired as error:
            raise InputError(
                f"devicectl {' '.join(command[:3])} did not end within {limit:g} s.",
                "Connect the phone again, and try once more.",
            ) from error
        except (OSError, ValueError) as error:
            said = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise InputError(
                f"devicectl does not work: {said}.", "Install Xcode 15 or newer and open it once."
            ) from error
    if done.returncode == 0 and answer.get("info", {}).get("outcome") == "success":
        result: dict[str, Any] = answer.get("result", {})
        return result
    raise _explained(answer.get("error", {}), phone)


def _explained(error: dict[str, Any], phone: str) -> InputError:
    errors = list(_chain(error))
    text = "; ".join(said for said in map(_text, errors) if said) or "it gives no reason"
    if "No space left" in text or "not enough space" in text.lower():
        return InputError(f"The iPhone {phone} has no space left.", "Free some space on it.")
    for code in (one.get("code") for one in errors):
        if code in EXPLAINED:
            what, remedy = EXPLAINED[code]
            return InputError(f"The iPhone {phone} {what}.", remedy)
    return InputError(f"devicectl refused: {text}.", "See whether Xcode can run an app there.")


def _chain(error: Any) -> Iterator[dict[str, Any]]:
    """An error and those below it."""
    while isinstance(error, dict) and error:
        yield error
        error = error.get("userInfo", {}).get("NSUnderlyingError", {}).get("error")


def _text(error: dict[str, Any]) -> str:
    said = error.get("userInfo", {}).get("NSLocalizedDescription", {}).get("string", "")
    return str(said).rstrip(".")
