"""The ARM64 program and the counting plugin, built once from the wheel's C++ SDK."""

import platform
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from export_targets.runners.bridges import cpp_build as linux_runner

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
    """Compile below ``folder`` against the ARM64 wheel of the installed executorch."""
    binaries = folder / f"build-{version('executorch')}"
    configure = ["cmake", f"-S{SOURCE}", f"-B{binaries}", "-DCMAKE_BUILD_TYPE=Release"]
    configure += [f"-Dexecutorch_DIR={linux_runner.sdk('arm64')}"]
    configure += linux_runner.cross_compilation("arm64")
    plugin = binaries / "instructions.so"
    compile_plugin = ["gcc", "-O2", "-shared", "-fPIC", "-o", str(plugin)]
    for command in (
        configure,
        ["cmake", "--build", str(binaries)],
        [*compile_plugin, str(SOURCE / "instructions.c")],
    ):
        subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return Program(binaries / "inference", plugin)
