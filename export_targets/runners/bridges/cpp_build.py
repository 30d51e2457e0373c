"""Building the C++ runner of ``apps/linux`` against the C++ SDK inside an executorch wheel.

``python -m export_targets.runners.bridges.cpp_build x86-64`` or ``arm64``: `make runner` and
`make runner-arm64`.
"""

import platform
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from edge_models.errors import InputError

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "apps/linux"
BINARIES = ROOT / "build/runner"
WHEELS = ROOT / "build/sdk"
PROGRAM = "edgeform-runner"
ARM64_COMPILER = "aarch64-linux-gnu-g++"
ARM64_WHEEL = "manylinux_2_28_aarch64"
ARCHITECTURES = {"x86-64": "x86_64", "arm64": "aarch64"}  # as runners, and as Linux names them
HEADERS = {
    "nlohmann/json.hpp": "nlohmann-json3-dev",
    "stb/stb_image.h": "libstb-dev",
    "CLI/CLI.hpp": "libcli11-dev",
}
# Tool: the Debian package that brings it.
TOOLS = {"cmake": "cmake", "make": "make"}
CROSS_TOOLS = {ARM64_COMPILER: "g++-aarch64-linux-gnu", "qemu-aarch64": "qemu-user"}


def is_native(architecture: str) -> bool:
    """Whether this machine executes an architecture's programs itself."""
    return platform.machine() == ARCHITECTURES[architecture]


def absent(architecture: str) -> str:
    """Why the runner cannot be built and run here; empty where every tool is present."""
    if platform.system() != "Linux":
        return f"it is built and run on Linux, this is {platform.system()}"
    tools = {**TOOLS, **({"g++": "g++"} if is_native(architecture) else CROSS_TOOLS)}
    packages = [package for tool, package in tools.items() if shutil.which(tool) is None]
    places = ("/usr/include", "/usr/local/include")
    packages += [
        package
        for header, package in HEADERS.items()
        if not any(Path(place, header).is_file() for place in places)
    ]
    return f"missing: apt-get install {' '.join(packages)}" if packages else ""


def program(architecture: str) -> Path:
    """The built runner. Raises InputError where there is none."""
    if remedy := to_build(architecture):
        raise InputError(f"The runner {architecture} is not built here.", remedy)
    return BINARIES / architecture / PROGRAM


def to_build(architecture: str) -> str:
    """The command that builds the runner; empty where it is built."""
    if (BINARIES / architecture / PROGRAM).is_file():
        return ""
    command = "make runner" if architecture == "x86-64" else f"make runner-{architecture}"
    return command if SOURCE.is_dir() else f"{command} in a checkout: no wheel holds its sources"


def build(architecture: str, binaries: Path, sanitize: bool = False) -> Path:
    """Configure and compile into a folder; ``sanitize`` with AddressSanitizer and UBSan. Raises
    InputError where a tool is missing, CalledProcessError where the compiler refuses.
    """
    if why := absent(architecture):
        raise InputError(f"The runner {architecture} cannot be built: {why}.", "Then try again.")
    configure = [
        "cmake",
        f"-S{SOURCE}",
        f"-B{binaries}",
        f"-DSANITIZE={'ON' if sanitize else 'OFF'}",
    ]
    configure += ["-DCMAKE_BUILD_TYPE=Release", f"-Dexecutorch_DIR={sdk(architecture)}"]
    if not is_native(architecture):
        configure += cross_compilation(architecture)
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", str(binaries)], check=True, stdout=subprocess.DEVNULL)
    return binaries / PROGRAM


def cross_compilation(architecture: str) -> list[str]:
    """CMake's options to compile for another processor with Debian's compiler."""
    if architecture != "arm64":
        raise InputError(
            f"There is no cross compiler for {architecture} here.", "Build on such a machine."
        )
    return [
        "-DCMAKE_SYSTEM_NAME=Linux",
        f"-DCMAKE_SYSTEM_PROCESSOR={ARCHITECTURES[architecture]}",
        f"-DCMAKE_CXX_COMPILER={ARM64_COMPILER}",
    ]


def sdk(architecture: str) -> Path:
    """The folder of the SDK's CMake package: of the installed executorch, or of the same version's
    wheel for another processor, which is downloaded once.
    """
    if is_native(architecture):
        spec = find_spec("executorch")
        if spec is None or not spec.submodule_search_locations:
            raise InputError(
                "executorch is not installed.", "`edgeform doctor` says what is missing."
            )
        return Path(next(iter(spec.submodule_search_locations)), "share/cmake")
    release = version("executorch")
    folder = WHEELS / f"executorch-{release}-{architecture}"
    if not folder.is_dir():
        _download(release, folder)
    return folder / "executorch/share/cmake"


def _download(release: str, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    python = ".".join(platform.python_version_tuple()[:2])
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--platform", ARM64_WHEEL, "--python-version", python]
    command += ["--only-binary=:all:", "--dest", str(folder.parent), f"executorch=={release}"]
    subprocess.run(command, check=True)
    (wheel,) = folder.parent.glob(f"executorch-{release}-*aarch64.whl")
    unpacked = folder.with_name(f".{folder.name}")
    shutil.rmtree(unpacked, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    unpacked.rename(folder)
    wheel.unlink()


def main() -> None:
    """Build one architecture's runner and say where it is."""
    (architecture,) = sys.argv[1:]
    try:
        print(build(architecture, BINARIES / architecture))
    except InputError as error:
        sys.exit(f"{error.what}\n{error.remedy}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.cmd[0]} ended with {error.returncode}")


if __name__ == "__main__":
    main()
