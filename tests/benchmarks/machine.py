"""What the tables say of the machine that measures."""

import platform

from export_targets.runners.processes.this_machine import BUSY, this_device


def describe_machine() -> dict[str, str]:
    """Processor, cores, the instruction sets that matter to INT8, system."""
    device = this_device()
    return {
        "processor": device.name,
        "cores": str(device.cores),
        "isa": " ".join(device.isa) or "unknown",
        "system": f"{platform.system()} {platform.machine()}",
    }


def busy_note(load: float) -> str:
    """What a table says of the load at its start."""
    if load > BUSY:
        return f"**The machine was busy: load average {load:.2f} at the start (above {BUSY}).**"
    return f"Load average at the start: {load:.2f}."
