"""Made-up files of a tune: right in form, with whatever figures a test wants."""

from typing import Any

from edge_models.parity import wilson_interval
from export_targets.artifact.tuning import Agreement, Candidate, Tuning


def agreed(agreeing: int, judged: int = 200) -> Agreement:
    interval = wilson_interval(agreeing, judged)
    return Agreement(images="0" * 64, judged=judged, agreeing=agreeing, interval=interval)


def tried(name: str, agreeing: int | None, megabytes: float = 1.0, **changes: Any) -> Candidate:
    """A file of which so many of 200 images agree; None: its gates failed."""
    content: dict[str, Any] = {
        "name": name,
        "folder": name,
        "target": "xnnpack",
        "recipe": "int8",
        "asked": None,
        "passed": agreeing is not None,
    }
    if agreeing is not None:
        content |= {"agreement": agreed(agreeing), "megabytes": megabytes, "int8_share": 0.5}
    else:
        content["problems"] = ("hop chain: SQNR 3.0 dB is below 20 by 17.0 dB",)
    return Candidate(**{**content, **changes})


def made_up_tuning(*candidates: Candidate, **changes: Any) -> Tuning:
    content: dict[str, Any] = {
        "model": "digits_conformer",
        "images": "digits, held out",
        "at_least": 0.95,
        "runner": "host",
        "device": None,
        "untimed": {},
        "candidates": candidates,
        "chosen": None,
    }
    return Tuning(**{**content, **changes})
