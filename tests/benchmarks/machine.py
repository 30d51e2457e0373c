"""The machine that measures: what decides its speed, and whether it is quiet."""

import os
import platform
from pathlib import Path

BUSY = 0.5  # load average of one minute above which times are not to be trusted
ISA = ("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "asimddp")


def describe_machine() -> dict[str, str]:
    """Processor, cores, the instruction sets that matter to INT8, system."""
    facts = _cpu_facts()
    flags = facts.get("flags", facts.get("Features", "")).split()
    return {
        "processor": facts.get("model name", platform.processor() or "unknown"),
        "cores": str(os.cpu_count()),
        "isa": " ".join(flag for flag in ISA if flag in flags) or "unknown",
        "system": f"{platform.system()} {platform.machine()}",
    }


def load_average() -> float:
    """Processes that wanted a core, on average over the last minute."""
    return os.getloadavg()[0]


def busy_note(load: float) -> str:
    """What a table says of the load at its start."""
    if load > BUSY:
        return f"**The machine was busy: load average {load:.2f} at the start (above {BUSY}).**"
    return f"Load average at the start: {load:.2f}."


def _cpu_facts() -> dict[str, str]:
    """The first processor of ``/proc/cpuinfo``; empty where there is none."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return {}
    first = path.read_text(encoding="utf-8").split("\n\n")[0]
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}
