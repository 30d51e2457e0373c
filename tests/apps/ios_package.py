"""The app as one Swift package with stand-ins for Apple's frameworks, made in a folder."""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from tests.apps import swift_toolchain

ROOT = Path(__file__).parents[2]
IOS = ROOT / "apps" / "ios"
SCRATCH = ROOT / "build" / "ios"
CACHE = SCRATCH / "cache"  # of what the app keeps, not of the compiler
MODULE_MAP = "ExecuTorchRuntime.build/module.modulemap"
STAND_INS = Path(__file__).with_name("ios")


def executorch() -> Path:
    """The folder of the wheel, with the C++ runtime's headers and libraries."""
    spec = find_spec("executorch")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations)))


def assemble(folder: Path) -> None:
    """Fill a folder with the package; files keep their times, so that only changes compile."""
    shutil.rmtree(folder, ignore_errors=True)
    sources = folder / "Sources"
    for place in sorted(STAND_INS.iterdir()):
        if place.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(place, folder)
        elif place.name == "AppTests":
            shutil.copytree(place, folder / "Tests" / place.name)
        else:
            shutil.copytree(place, sources / place.name)
    shutil.copytree(IOS / "DeviceTests", folder / "Tests" / "DeviceTests")
    shutil.copytree(IOS / "App", sources / "App", ignore=shutil.ignore_patterns("*.xcassets"))
    core = IOS / "EdgeformCore" / "Sources" / "EdgeformCore"
    shutil.copytree(core, sources / "EdgeformCore")


def swift(
    command: str, package: Path, *arguments: object, reads: tuple[Path, ...] = (), **given: object
) -> subprocess.CompletedProcess[str]:
    """``swift test`` or ``swift build`` of an assembled package, warnings being errors."""
    return swift_toolchain.run(
        [
            *("swift", command, "--package-path", package),
            *("--scratch-path", SCRATCH / f"{package.name}-scratch"),
            *("-Xswiftc", "-warnings-as-errors"),
            *arguments,
        ],
        reads=[ROOT / "tests" / "apps", executorch(), *reads],
        writes=SCRATCH,
        environment={"EXECUTORCH": executorch(), "XDG_CACHE_HOME": CACHE, **given},
    )


def typecheck(package: Path, app: Path) -> subprocess.CompletedProcess[str]:
    """The app's sources in a folder against the modules of a package that was built."""
    scratch = SCRATCH / f"{package.name}-scratch" / "release"
    header = package / "Sources" / "ExecuTorchRuntime" / "include"
    return swift_toolchain.run(
        [
            *("swiftc", "-typecheck", "-swift-version", "6", "-warnings-as-errors"),
            *("-module-name", "App", "-parse-as-library", "-I", scratch / "Modules"),
            *("-I", header, "-Xcc", f"-fmodule-map-file={scratch / MODULE_MAP}"),
            *sorted(app.glob("*.swift")),
        ],
        reads=[app],
        writes=SCRATCH,
    )
