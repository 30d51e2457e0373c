"""edgeform's Android app on a connected phone: pushing to it, starting it, waiting for its answer.

They meet in the app's external files: artifacts in ``artifacts/<name>``, inputs in ``runs/<run>``,
and the app's answer in ``results/<run>``. The app's side is ``RemoteRuns.kt``.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from edge_models.errors import InputError, RunnerError
from export_targets.artifact.folder import GOLDEN, MANIFEST, Artifact
from export_targets.runners.bridges.debug_bridge import Phone, find_phone

PACKAGE = "edgeform.app"
LOOK_AT_IT = "See what the app shows on the phone, and try again."
FILES = f"/sdcard/Android/data/{PACKAGE}/files"
GOLDEN_OF_APP = ("input", "expected", "image")  # what the app's own screens need of golden/
# A slow phone takes seconds to load a model, and the largest model some seconds a run.
SECONDS_TO_START, SECONDS_A_RUN = 120.0, 20.0
SECONDS_BETWEEN_LOOKS = 0.5
LOOKS_WITHOUT_PROCESS = 4  # after which the app is dead: its process starts after its intent
LOOK = """
echo "progress $(cat {results}/progress 2>/dev/null)"
echo "done $(cat {results}/done.json 2>/dev/null)"
echo "process $(pidof {package})"
"""


@dataclass(frozen=True)
class Run:
    """One run of an artifact by the app, known to both by its ``name``."""

    phone: Phone
    artifact: Artifact
    name: str

    @property
    def inputs(self) -> str:
        """The folder on the phone that the app reads."""
        return f"{FILES}/runs/{self.name}"

    @property
    def results(self) -> str:
        """The folder on the phone that the app writes."""
        return f"{FILES}/results/{self.name}"

    def start(self, screen: str, numbers: Mapping[str, int]) -> None:
        """Open a screen of the app with a request. Raises InputError where it does not open."""
        extras = ["--es", "run", self.name, "--es", "artifact", self.artifact.manifest.name]
        for key, value in numbers.items():
            extras += ["--ei", key, str(value)]
        said = self.phone.shell("am", "start", "-n", f"{PACKAGE}/.{screen}", *extras)
        if "Error" in said or "Exception" in said:
            raise InputError(
                f"The phone did not open the app: {said.strip().splitlines()[-1].strip()}.",
                "Install the app of this version again.",
            )

    def wait(self, steps: int, advance: Callable[[], None]) -> None:
        """Wait for the answer, calling ``advance`` after each of ``steps``. Raises InputError with
        what the app says was wrong, RunnerError where it crashes or takes too long.
        """
        limit = SECONDS_TO_START + SECONDS_A_RUN * steps
        end = time.monotonic() + limit
        look = LOOK.format(results=self.results, package=PACKAGE)
        seen = absent = 0
        while time.monotonic() < end:
            lines = self.phone.script(look).splitlines()
            said = {word: rest for word, _, rest in (line.partition(" ") for line in lines)}
            for _ in range(seen, steps if said.get("done") else _number(said.get("progress", ""))):
                advance()
                seen += 1
            if done := said.get("done"):
                return _judge(done)
            absent = 0 if said.get("process") else absent + 1
            if absent >= LOOKS_WITHOUT_PROCESS:
                raise RunnerError(f"the app crashed on the phone: {self.phone.crash()}", LOOK_AT_IT)
            time.sleep(SECONDS_BETWEEN_LOOKS)
        raise RunnerError(f"the app gave no answer within {limit:g} s", LOOK_AT_IT)


@contextmanager
def run_on_phone(serial: str | None, artifact: Artifact) -> Iterator[Run]:
    """An artifact on a phone that has the app: both are checked, the artifact is pushed. What was
    pushed for the run is removed at the end, and the app is stopped where it is left early.
    """
    phone = find_phone(serial)
    if PACKAGE not in phone.script(f"pm path {PACKAGE} || true"):
        raise InputError(
            f"The app {PACKAGE} is not installed on the device {phone.serial}.",
            "Install it from Android Studio: see apps/android/README.md.",
        )
    phone.shell("am", "force-stop", PACKAGE)  # what it did before would delay this run
    if not phone.script(f"ls -d {FILES} 2>/dev/null || true").strip():
        # the system makes the app's folder when the app first asks for it
        phone.shell("am", "start", "-W", "-n", f"{PACKAGE}/.ClassifyActivity")
    run = Run(phone, artifact, uuid4().hex)
    _push(run)
    try:
        yield run
    except BaseException:
        phone.shell("am", "force-stop", PACKAGE)
        raise
    finally:
        phone.shell("rm", "-rf", run.inputs, run.results)


def _push(run: Run) -> None:
    """What the manifest deploys and the golden files of the app's screens, in place of older."""
    artifact = run.artifact
    name = artifact.manifest.name
    wanted = [entry.path for entry in artifact.manifest.files if entry.deploy or _shown(entry.path)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, name)
        for path in [MANIFEST, *wanted]:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(artifact.folder / path, folder / path)
        run.phone.shell("rm", "-rf", f"{FILES}/artifacts/{name}")
        run.phone.shell("mkdir", "-p", f"{FILES}/artifacts", f"{FILES}/runs")
        run.phone.push(folder, f"{FILES}/artifacts/{name}")


def _shown(path: str) -> bool:
    return path.startswith(tuple(f"{GOLDEN}/{kind}_" for kind in GOLDEN_OF_APP))


def _number(progress: str) -> int:
    """The finished runs of "3/10"; 0 of anything else."""
    done = progress.partition("/")[0]
    return int(done) if done.isdecimal() else 0


def _judge(done: str) -> None:
    """Raise what the app's last word says went wrong."""
    try:
        answer = json.loads(done)
        problem = (str(answer["what"]), str(answer["remedy"])) if answer else None
    except (ValueError, KeyError, TypeError) as error:
        raise RunnerError(f"the app's answer cannot be read: {done[:200]}", LOOK_AT_IT) from error
    if problem is not None:
        raise InputError(f"On the phone: {problem[0]}", problem[1])
