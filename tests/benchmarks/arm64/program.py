"""The ARM64 program and the counting plugin, built once from the wheel's C++ SDK."""

import platform
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

SOURCE = Path(__file__).parent
TOOLS = {  # command: the Debian package that brings it
    "qemu-aarch64": "qemu-user",
    "aarch64-linux-gnu-g++": "g++-aarch64-linux-gnu",
    "aarch64-linux-gnu-objdump": "binutils-aarch64-linux-gnu",
    "gcc": "gcc",
    "cmake": "cmake",
    "make": "make",
    "taskset": "util-linux",
}
WHEEL_PLATFORM = "manylinux_2_28_aarch64"


@dataclass(frozen=True)
class Program:
    """``inference MODEL INPUT LOGITS TIMES`` for ARM64, and the plugin that counts for qemu."""

    inference: Path
    plugin: Path


def absent() -> str:
    """Why nothing can be counted here; empty where every tool is present."""
    if platform.system() != "Linux":
        return f"qemu-user runs on Linux, this is {platform.system()}"
    packages = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    return f"missing tools: apt-get install {' '.join(packages)}" if packages else ""


def build(folder: Path) -> Program:
    """Download the ARM64 wheel of the installed executorch and compile below ``folder``."""
    release = version("executorch")
    sdk = folder / f"executorch-{release}"
    if not sdk.is_dir():
        _download(release, sdk)
    binaries = folder / f"build-{release}"
    configure = [
        "cmake",
        f"-S{SOURCE}",
        f"-B{binaries}",
        "-DCMAKE_BUILD_TYPE=Release",
        "-DCMAKE_SYSTEM_NAME=Linux",
        "-DCMAKE_SYSTEM_PROCESSOR=aarch64",
        "-DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++",
        f"-Dexecutorch_DIR={(sdk / 'executorch/share/cmake').absolute()}",
    ]
    plugin = binaries / "instructions.so"
    compile_plugin = ["gcc", "-O2", "-shared", "-fPIC", "-o", str(plugin)]
    for command in (
        configure,
        ["cmake", "--build", str(binaries)],
        [*compile_plugin, str(SOURCE / "instructions.c")],
    ):
        subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return Program(binaries / "inference", plugin)


def _download(release: str, sdk: Path) -> None:
    sdk.parent.mkdir(parents=True, exist_ok=True)
    python = ".".join(platform.python_version_tuple()[:2])
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--platform", WHEEL_PLATFORM, "--python-version", python]
    command += ["--only-binary=:all:", "--dest", str(sdk.parent), f"executorch=={release}"]
    subprocess.run(command, check=True)
    (wheel,) = sdk.parent.glob(f"executorch-{release}-*aarch64.whl")
    unpacked = sdk.with_name(f".{sdk.name}")
    shutil.rmtree(unpacked, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    unpacked.rename(sdk)
    wheel.unlink()
