"""Made-up latency reports: right in form, of times that nobody measured."""

import json
from typing import Any

from export_targets.artifact.latency_report import (
    LatencyReport,
    Operator,
    OperatorTable,
    Phase,
    rate,
)

MACS, SAMPLES = 2_000_000, (4.0, 2.0, 3.0, 9.0)


def operator(name: str, ms: float, **changes: Any) -> Operator:
    """A row of a table of 4 ms."""
    macs = changes.pop("macs", MACS)
    content: dict[str, Any] = {
        "operator": name,
        "module": "layer1.0",
        "kind": "convolution",
        "delegated": True,
        "ms": ms,
        "share": ms / 4.0,
        "macs": macs,
        "gmac_s": rate(macs, ms),
    }
    return Operator(**{**content, **changes})


def made_up_report(**changes: Any) -> LatencyReport:
    """A valid report, with some top-level fields changed."""
    return LatencyReport.model_validate({**content(), **changes})


def content() -> dict[str, Any]:
    """The content of a valid report, as JSON has it."""
    small = Phase.of([0.25] * len(SAMPLES))
    rows = (
        operator("conv2d", 3.0),
        operator("add", 0.5, module="", kind="elementwise", delegated=False, macs=None),
    )
    report = {
        "schema_version": "1.0",
        "artifact": "digits_cotnet_simple-xnnpack-int8-32x32",
        "model_sha256": "0" * 64,
        "runner": "adb:1A2B",
        "created": "2026-01-01T00:00:00+00:00",
        "device": {
            "name": "Pixel 9",
            "os": "Android 16",
            "soc": "Tensor G4",
            "cores": 8,
            "abi": "arm64-v8a",
            "isa": ["neon", "dotprod", "i8mm"],
        },
        "runtime": {"backend": "xnnpack", "version": "1.5.1", "threads": 4},
        "image": {"width": 640, "height": 480},
        "warmup": 3,
        "iterations": len(SAMPLES),
        "interrupted": False,
        "load_ms": 12.5,
        "first_ms": 8.0,
        "phases": {
            "preprocess": small.model_dump(),
            "execute": Phase.of(SAMPLES).model_dump(),
            "postprocess": small.model_dump(),
            "total": Phase.of([sample + 0.5 for sample in SAMPLES]).model_dump(),
        },
        "peak_memory_bytes": 50_000_000,
        "thermal": {"start": "none", "end": "light"},
        "operators": OperatorTable.of(5, 4.0, rows).model_dump(),
        "ratios": [
            {
                "artifact": "digits_cotnet_simple-xnnpack-int8-32x32",
                "baseline": "digits_cotnet_simple-xnnpack-int8-32x32-published",
                "value": 2.0,
                "low": 1.9,
                "high": 2.1,
                "level": 0.95,
                "rounds": 40,
            }
        ],
    }
    copied: dict[str, Any] = json.loads(json.dumps(report))
    return copied


def reports_of(document: Any) -> list[LatencyReport]:
    return [LatencyReport.model_validate(content) for content in document["latency"]]
