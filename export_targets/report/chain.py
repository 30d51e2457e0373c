"""The parity chain as a picture: programs in a row, the hops between them, and the hops across."""

from dataclasses import dataclass

from edge_models.parity import Hop, ParityReport

PROGRAMS = {
    "reference": "the model as published, FP32",
    "edge": "static shapes, exact algebra, FP32",
    "quantized": "the quantized graph",
    "file": "what the app loads",
}


@dataclass(frozen=True)
class Step:
    """A hop, with its SQNR and its gate as parts of the picture's scale, in [0, 1].

    ``reached`` is None where the hop has no SQNR.
    """

    hop: Hop
    reached: float | None
    gate: float


@dataclass(frozen=True)
class Chain:
    """``steps`` follow each other from ``start``; ``across`` span several of them.

    ``scale``: the SQNR in dB at the right end of every bar.
    """

    start: str
    steps: tuple[Step, ...]
    across: tuple[Step, ...]
    scale: float


def chain_of(report: ParityReport) -> Chain | None:
    """The picture of a parity report; None where it holds no hop."""
    if not report.hops:
        return None
    scale = max(1.0, *(max(hop.sqnr_db or 0, hop.gate.min_sqnr_db) for hop in report.hops))
    start = end = report.hops[0].from_
    steps, across = [], []
    for hop in report.hops:
        reached = None if hop.sqnr_db is None else _part(hop.sqnr_db, scale)
        step = Step(hop, reached, _part(hop.gate.min_sqnr_db, scale))
        if hop.from_ == end:
            steps.append(step)
            end = hop.to
        else:
            across.append(step)
    return Chain(start, tuple(steps), tuple(across), scale)


def _part(decibels: float, scale: float) -> float:
    return min(1.0, max(0.0, decibels / scale))
