"""edgeform's Android app on a connected phone: pushing to it, starting it, waiting for its answer.

They meet in the app's external files: artifacts in ``artifacts/<name>``, inputs in ``runs/<run>``,
and the app's answer in ``results/<run>``. The app's side is ``RemoteRuns.kt``.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from edge_models.errors import InputError
from export_targets.artifact.folder import Artifact
from export_targets.runners.bridges import sample_app
from export_targets.runners.bridges.debug_bridge import Phone, find_phone
from export_targets.runners.bridges.sample_app import Look

PACKAGE = "edgeform.app"
FILES = f"/sdcard/Android/data/{PACKAGE}/files"
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
        """Wait for the answer, as ``sample_app.wait`` does."""
        sample_app.wait(self._look, steps, advance, self.phone.crash)

    def _look(self) -> Look:
        look = LOOK.format(results=self.results, package=PACKAGE)
        lines = self.phone.script(look).splitlines()
        said = {word: rest for word, _, rest in (line.partition(" ") for line in lines)}
        return Look(said.get("progress", ""), said.get("done", ""), bool(said.get("process")))


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
    name = run.artifact.manifest.name
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, name)
        sample_app.copy_for_app(run.artifact, folder)
        run.phone.shell("rm", "-rf", f"{FILES}/artifacts/{name}")
        run.phone.shell("mkdir", "-p", f"{FILES}/artifacts", f"{FILES}/runs")
        run.phone.push(folder, f"{FILES}/artifacts/{name}")
