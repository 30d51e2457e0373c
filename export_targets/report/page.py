"""``edgeform report``: artifacts -> one HTML file that loads nothing."""

import base64
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from markupsafe import Markup

from edge_models.errors import InputError
from export_targets.artifact.latency_report import Ratio
from export_targets.artifact.tuning import TUNING, Tuning
from export_targets.progress import Reporter
from export_targets.report.chain import PROGRAMS, Chain, chain_of
from export_targets.report.plots import (
    Point,
    agreement_plots,
    color,
    latency_plot,
    layer_plot,
    ratio_plot,
    tradeoff_plot,
)
from export_targets.report.subject import Place, Subject, read_subjects

if TYPE_CHECKING:
    from jinja2 import Environment

SUFFIXES = (".html", ".htm")
COUNTS = ((10**9, "G"), (10**6, "M"), (10**3, "k"))
ABSENT = "–"  # noqa: RUF001  a dash for a figure that there is not


@dataclass(frozen=True)
class Part:
    """An artifact's part of the page. ``index``: of its colour."""

    index: int
    subject: Subject
    chain: Chain | None
    latency_plot: Markup | None
    ratios: tuple[Ratio, ...]
    ratio_plot: Markup | None
    layer_plot: Markup | None


@dataclass(frozen=True)
class Overview:
    """What several artifacts have beside each other: places of the columns of times, and plots."""

    places: tuple[Place, ...]
    tradeoff_plots: tuple[tuple[str, Markup], ...]
    latency_plots: tuple[tuple[str, Markup], ...]


def write_report(
    folders: Sequence[Path], out: Path, reporter: Reporter, tuning: Tuning | None = None
) -> Path:
    """Write the page about artifacts to ``out``, whole or not at all; ``tuning``: they are
    of one. Of several folders those of a tune's builds, which have a page, are left out.

    Raises InputError for a damaged artifact, and for an ``out`` that is not a page's name.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise InputError(f"The page {out} is not named .html.", "Give --out another name.")
    if out.is_dir() or not out.parent.is_dir():
        raise InputError(
            f"The page {out} cannot be written: "
            + ("it is a folder." if out.is_dir() else f"there is no folder {out.parent}."),
            "Give --out another name.",
        )
    tunes = [folder for folder in folders if len(folders) > 1 and (folder / TUNING).is_file()]
    reporter.notes(f"{folder}: left out, it has a page of its own" for folder in tunes)
    with reporter.stage("Reading and checking"):
        subjects = read_subjects([folder for folder in folders if folder not in tunes])
    for subject in subjects:
        source = subject.manifest.golden.source
        reporter.note(f"{subject.manifest.name}: the page shows its golden images, {source}")
    with reporter.stage("Page"):
        text = render(subjects, tuning)
        _replace(out, text)
    return out


def render(subjects: Sequence[Subject], tuning: Tuning | None = None) -> str:
    """The page about artifacts. The same artifacts give the same text."""
    environment = _environment()
    style, script = (_source(environment, name) for name in ("style.css", "script.js"))
    digest = hashlib.sha256(script.encode()).digest()
    return environment.get_template("page.html.j2").render(
        parts=[_part(index, subject) for index, subject in enumerate(subjects)],
        overview=_overview(subjects) if len(subjects) > 1 else None,
        tuning=tuning,
        tuning_plots=agreement_plots(tuning) if tuning else (),
        programs=PROGRAMS,
        style=Markup(style),
        script=Markup(script),
        script_sha256=base64.b64encode(digest).decode(),
    )


def _part(index: int, subject: Subject) -> Part:
    current, hue = subject.current, color(index)
    rows = [(str(place), report, hue) for place, report in current.items()]
    ratios = tuple(ratio for report in current.values() for ratio in report.ratios)
    return Part(
        index=index,
        subject=subject,
        chain=chain_of(subject.parity) if subject.parity else None,
        latency_plot=latency_plot(f"{subject.key}-latency", rows) if rows else None,
        ratios=ratios,
        ratio_plot=(
            ratio_plot(f"{subject.key}-ratios", [(ratio, hue) for ratio in ratios])
            if ratios
            else None
        ),
        layer_plot=(
            layer_plot(f"{subject.key}-layers", subject.layers, hue) if subject.layers else None
        ),
    )


def _overview(subjects: Sequence[Subject]) -> Overview:
    places = tuple(dict.fromkeys(place for subject in subjects for place in subject.current))
    tradeoffs = [(str(place), _points(subjects, place)) for place in places]
    if not places:
        tradeoffs = [("", _points(subjects, None))]
    latencies: list[tuple[str, Markup]] = []
    for place in places:
        rows = [
            (f"{index + 1} {subject.label}", subject.current[place], color(index))
            for index, subject in enumerate(subjects)
            if place in subject.current
        ]
        latencies.append((str(place), latency_plot(f"all-latency-{len(latencies)}", rows)))
    return Overview(
        places=places,
        tradeoff_plots=tuple(
            (name, tradeoff_plot(f"all-tradeoff-{number}", points))
            for number, (name, points) in enumerate(tradeoffs)
            if points
        ),
        latency_plots=tuple(latencies),
    )


def _points(subjects: Sequence[Subject], place: Place | None) -> list[Point]:
    """The artifacts whose chain was compared and, with a place, that were profiled there."""
    return [
        Point(
            number=index + 1,
            label=subject.label,
            megabytes=subject.manifest.deployed_bytes / 1e6,
            sqnr_db=subject.chain.sqnr_db,
            ms=subject.current[place].phases.execute.p50_ms if place else None,
            color=color(index),
        )
        for index, subject in enumerate(subjects)
        if subject.chain is not None and subject.chain.sqnr_db is not None
        if place is None or place in subject.current
    ]


def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=PackageLoader("export_targets.report", "template"),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = _figure
    environment.filters["count"] = _count
    return environment


def _source(environment: "Environment", name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _figure(value: float | None, form: str, unit: str = "") -> str:
    """A number in a format, with its unit behind a narrow space that does not break."""
    if value is None:
        return ABSENT
    text = format(value, form).rstrip(".")  # the alternate form keeps zeros, and a point at the end
    return text + (f"\N{NARROW NO-BREAK SPACE}{unit}" if unit else "")


def _count(value: int) -> str:
    """A large count with three figures: 13.4 M, 5.2 G."""
    size, unit = next((pair for pair in COUNTS if value >= pair[0]), (1, ""))
    return _figure(value / size, "#.3g" if unit else "g", unit)


def _replace(out: Path, text: str) -> None:
    temporary = out.with_name(f".{out.name}.{uuid4().hex}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
