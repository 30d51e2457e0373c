"""The machine that measures: what decides its speed, and whether it is quiet."""

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Literal

from edge_models.errors import InputError
from export_targets.artifact.device import Device

PLATFORM = sys.platform
BUSY = 0.5  # load average of one minute above which times are not to be trusted
# As Linux names a feature of the processor: as reports name the instruction set.
ISA = {
    "avx2": "avx2",
    "fma": "fma",
    "avx512f": "avx512f",
    "avx512_vnni": "avx512_vnni",
    "avx_vnni": "avx_vnni",
    "avx512_bf16": "avx512_bf16",
    "amx_int8": "amx_int8",
    "asimd": "neon",
    "asimdhp": "fp16",
    "asimddp": "dotprod",
    "i8mm": "i8mm",
    "bf16": "bf16",
    "sve": "sve",
}


def this_device() -> Device:
    """This machine as a latency report has it."""
    facts = _cpu_facts()
    flags = facts.get("flags", facts.get("Features", "")).split()
    processor = facts.get("model name") or _apple_processor() or platform.machine()
    abi: Literal["arm64", "x86_64"]
    abi = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    return Device(
        name=processor,
        os=_system(),
        soc=processor,
        cores=os.cpu_count() or 1,
        abi=abi,
        isa=tuple(name for flag, name in ISA.items() if flag in flags),
    )


def require_mac(what: str) -> None:
    """Raises InputError that says what only a Mac can, where this is none."""
    if PLATFORM != "darwin":
        raise InputError(what, "Run it on a Mac, or use --runner interpreter here.")


def load_average() -> float:
    """Processes that wanted a core, on average over the last minute."""
    return os.getloadavg()[0]


def _system() -> str:
    if PLATFORM == "darwin":
        return f"macOS {platform.mac_ver()[0]}"
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:  # not a Linux with a name
        return f"{platform.system()} {platform.release()}"


def _cpu_facts() -> dict[str, str]:
    """The first processor of ``/proc/cpuinfo``; empty where there is none."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return {}
    first = path.read_text(encoding="utf-8").split("\n\n")[0]
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _apple_processor() -> str:
    """The processor's name on macOS; empty elsewhere."""
    if platform.system() != "Darwin":
        return ""
    command = ["sysctl", "-n", "machdep.cpu.brand_string"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
