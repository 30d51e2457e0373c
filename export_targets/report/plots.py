"""The page's plots. Every figure in them also stands in a table of the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from export_targets.artifact.latency_report import LatencyReport, Ratio
from export_targets.artifact.tuning import Agreement, Candidate, Tuning
from export_targets.prove.layer_errors import LayerError
from export_targets.report.svg import CARD, INK, RULE, SERIES, SOFT, figure, inline, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 400.0  # points; the page scales a plot to its column, a phone's to about nine tenths
ROW, MARGIN = 46.0, 46.0  # points a row of a plot, and for its axis
SMALLEST, LARGEST = 130.0, 520.0  # areas in square points of a marker; a number stands in it
LONGEST_LABEL = 66  # letters that fit into the width
FAR_APART = 20  # an axis is logarithmic where values are so many times apart
BEYOND = 2.0  # no axis of times is longer than about so many times its largest p90


@dataclass(frozen=True)
class Point:
    """An artifact in the plot of size, latency and accuracy; ``ms`` is None where not profiled."""

    number: int
    label: str
    megabytes: float
    sqnr_db: float
    ms: float | None
    color: str


def color(index: int) -> str:
    """The colour of the artifact at a position of the page."""
    return SERIES[index % len(SERIES)]


def latency_plot(key: str, rows: Sequence[tuple[str, LatencyReport, str]]) -> Markup:
    """Violins of the execute times, a row each: (label, report, colour)."""
    height = MARGIN + ROW * len(rows)
    with figure(WIDTH, height) as drawn:
        axes = drawn.subplots()
        phases = [report.phases.execute for _, report, _ in rows]
        longest = max(max(phase.samples_ms) for phase in phases)
        end = 1.05 * min(longest, BEYOND * max(phase.p90_ms for phase in phases))
        beyond = sum(sample > end for phase in phases for sample in phase.samples_ms)
        for place, ((label, _, hue), phase) in enumerate(zip(rows, phases, strict=True)):
            shown = [sample for sample in phase.samples_ms if sample <= end]
            options: dict[str, Any] = {"orientation": "horizontal", "showextrema": False}
            drawing: dict[str, Any] = axes.violinplot(shown, [place], widths=0.5, **options)
            drawing["bodies"][0].set(facecolor=hue, edgecolor=hue, alpha=0.35)
            marks = ((phase.p50_ms, 0.25), (phase.p90_ms, 0.14), (phase.p99_ms, 0.14))
            for value, size in marks:
                axes.vlines(value, place - size, place + size, colors=hue, linewidth=2)
            _label(axes, f"{label}: p50 {phase.p50_ms:.3g}, p99 {phase.p99_ms:.3g} ms", place)
        _rows(axes, len(rows))
        axes.set_xlim(0, end)
        rest = f"; {beyond} samples lie beyond" if beyond else ""
        axes.set_xlabel(f"execute, ms, marks at p50, p90, p99{rest}")
        told = "; ".join(
            f"{label}: median {phase.p50_ms:.3g}, 99th percentile {phase.p99_ms:.3g} milliseconds"
            for (label, _, _), phase in zip(rows, phases, strict=True)
        )
        return inline(drawn, key, printable(f"Distributions of execute times. {told}"))


def layer_plot(key: str, layers: Sequence[LayerError], hue: str) -> Markup:
    """The layers' SQNR in the order of the graph; the colour is of those that compute in INT8."""
    with figure(WIDTH, 190) as drawn:
        axes = drawn.subplots()
        axes.grid(visible=True, axis="both")
        for computes, shown in (("float", SOFT), ("int8", hue)):
            points = [
                (place, layer.sqnr_db)
                for place, layer in enumerate(layers, 1)
                if layer.computes == computes and layer.sqnr_db is not None
            ]
            axes.scatter(
                [place for place, _ in points],
                [decibels for _, decibels in points],
                14,
                color=shown,
                marker="o" if computes == "int8" else "D",
                label=f"computes in {computes.replace('int8', 'INT8')}",
            )
        known = [layer.sqnr_db for layer in layers if layer.sqnr_db is not None]
        axes.set_ylim(bottom=min([0.0, *known]))
        axes.set_xlim(0, len(layers) + 1)
        axes.set_ylabel("SQNR, dB")
        axes.set_xlabel("layer, in the order of the graph")
        axes.legend(frameon=False, fontsize=9, loc="lower left", ncols=2, handletextpad=0.1)
        told = f"from {max(known):.0f} down to {min(known):.0f} dB" if known else "none is known"
        return inline(drawn, key, f"Signal to noise ratio of {len(layers)} layers: {told}")


def ratio_plot(key: str, ratios: Sequence[tuple[Ratio, str]]) -> Markup:
    """How many times faster than a baseline, with the interval: (ratio, colour) a row."""
    with figure(WIDTH, MARGIN + ROW * len(ratios)) as drawn:
        axes = drawn.subplots()
        for place, (ratio, hue) in enumerate(ratios):
            axes.hlines(place, ratio.low, ratio.high, colors=hue, linewidth=3)
            axes.plot(ratio.value, place, marker="o", color=hue, markersize=7)
            _label(axes, f"against {ratio.baseline}: {ratio}", place)
        axes.axvline(1, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        _rows(axes, len(ratios))
        axes.set_xlim(0, 1.1 * max(1.0, *(ratio.high for ratio, _ in ratios)))
        axes.set_xlabel("times faster than the baseline (dashed: as fast)")
        told = "; ".join(f"{r.artifact} against {r.baseline}: {r}" for r, _ in ratios)
        return inline(drawn, key, printable(f"Ratios of median execute times. {told}"))


def tradeoff_plot(key: str, points: Sequence[Point]) -> Markup:
    """Accuracy over latency, marker area by size; over size where nothing was profiled."""
    timed = all(point.ms is not None for point in points)
    largest = max(point.megabytes for point in points)
    with figure(WIDTH, 250) as drawn:
        axes = drawn.subplots()
        axes.grid(visible=True, axis="both")
        for point in points:
            x = point.ms if timed and point.ms is not None else point.megabytes
            area = (
                SMALLEST + (LARGEST - SMALLEST) * point.megabytes / largest if timed else SMALLEST
            )
            axes.scatter(x, point.sqnr_db, area, color=point.color, edgecolors=CARD, alpha=0.95)
            _number(axes, point.number, x, point.sqnr_db, CARD)
        axes.set_ylim(0, 1.12 * max(1.0, *(point.sqnr_db for point in points)))
        _across(axes, [p.ms if timed and p.ms is not None else p.megabytes for p in points])
        axes.set_ylabel("SQNR against FP32, dB")
        axes.set_xlabel("median execute, ms; area: deployed MB" if timed else "deployed MB")
        told = "; ".join(
            f"{point.label}: {point.megabytes:.2f} megabytes, {point.sqnr_db:.0f} dB"
            + (f", {point.ms:.3g} milliseconds" if point.ms is not None and timed else "")
            for point in points
        )
        return inline(drawn, key, printable(f"Size, latency and accuracy. {told}"))


def agreement_plots(tuning: Tuning) -> list[Markup]:
    """Agreement over size, and over time where every file was timed; the front is filled."""
    tried = enumerate(tuning.candidates, 1)
    points = [(number, one, one.agreement) for number, one in tried if one.agreement is not None]
    axes_of = {"deployed MB": [one.megabytes or 0.0 for _, one, _ in points]}
    if tuning.timed:
        axes_of["median execute, ms"] = [one.p50_ms or 0.0 for _, one, _ in points]
    return [
        _agreements(f"tuning-{name[:6]}", tuning, points, name, axes_of[name]) for name in axes_of
    ]


def _agreements(
    key: str,
    tuning: Tuning,
    points: Sequence[tuple[int, Candidate, Agreement]],
    name: str,
    across: Sequence[float],
) -> Markup:
    with figure(WIDTH, 250) as drawn:
        axes = drawn.subplots()
        axes.grid(visible=True, axis="both")
        axes.axhline(tuning.at_least, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        for x, (number, one, agreement) in reversed([*zip(across, points, strict=True)]):
            hue = SERIES[0] if one.on_front else SOFT
            axes.vlines(x, *agreement.interval, colors=hue, linewidth=2)
            face = hue if one.on_front else CARD
            axes.scatter(x, agreement.share, SMALLEST, color=face, edgecolors=hue, zorder=3)
            _number(axes, number, x, agreement.share, CARD if one.on_front else INK)
        _across(axes, across)
        axes.set_xlabel(name)
        axes.set_ylabel("agreement with FP32")
        told = "; ".join(
            f"{one.name}: {x:.3g}, agreement {agreement.share:.3f}"
            for x, (_, one, agreement) in zip(across, points, strict=True)
        )
        return inline(drawn, key, printable(f"Agreement over {name}. {told}"))


def _number(axes: "Axes", number: int, x: float, y: float, hue: str) -> None:
    """A point's number inside its marker."""
    axes.annotate(
        str(number),
        (x, y),
        ha="center",
        va="center_baseline",
        fontsize=8,
        fontweight="bold",
        color=hue,
    )


def _across(axes: "Axes", values: Sequence[float]) -> None:
    """The range of the x axis: from zero, or logarithmic where the values are far apart."""
    least, most = min(values), max(values)
    if least > 0 and most / least > FAR_APART:
        axes.set_xscale("log")
        axes.set_xlim(least / 1.6, most * 1.6)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
    else:
        axes.set_xlim(0, 1.1 * most)


def _label(axes: "Axes", text: str, place: int) -> None:
    """A row's label above its mark, at the left end: long names need the whole width."""
    if len(text) > LONGEST_LABEL:  # the start of a name and the figure at the end tell most
        text = f"{text[: LONGEST_LABEL // 2]}…{text[-LONGEST_LABEL // 2 :]}"
    axes.annotate(
        printable(text),
        (0, place - 0.3),
        xycoords=("axes fraction", "data"),
        fontsize=9,
        color=INK,
        va="bottom",
        bbox={"facecolor": CARD, "edgecolor": "none", "pad": 1},
    ).set_in_layout(False)


def _rows(axes: "Axes", count: int) -> None:
    axes.set_ylim(count - 0.5, -0.75)
    axes.set_yticks(np.arange(count), labels=[""] * count)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.axvline(0, color=RULE, linewidth=0.8)
    axes.xaxis.label.set_color(SOFT)
