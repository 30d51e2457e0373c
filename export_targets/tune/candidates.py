"""The builds of a tune as its report has them: what was measured of each, the front, the choice."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from export_targets.artifact.folder import Artifact
from export_targets.artifact.latency_report import LatencyReport
from export_targets.artifact.tuning import Agreement, Candidate, Tuning
from export_targets.matrix.cell import Row
from export_targets.prove.layer_errors import int8_share, read_layer_errors
from export_targets.search.search import most_lost
from export_targets.tune.front import Costs, front


def candidates(
    rows: Sequence[Row],
    asked: Mapping[str, float | None],
    built: Mapping[str, Artifact],
    agreeing: Mapping[str, Agreement],
    times: Mapping[str, LatencyReport],
    at_least: float,
) -> tuple[Candidate, ...]:
    """One for each row, in their order; ``asked`` by which agreement it was searched for, the rest
    what was measured, by name.
    """
    found = []
    for row in rows:
        content = row.model_dump(include={"name", "target", "recipe", "passed", "problems"})
        content |= {"folder": Path(row.artifact).name, "asked": asked[row.name]}
        if row.passed:
            artifact, agreement = built[row.name], agreeing[row.name]
            missing = agreement.judged - agreement.agreeing
            content |= {
                "megabytes": artifact.manifest.deployed_bytes / 1e6,
                "agreement": agreement,
                "int8_share": int8_share(read_layer_errors(artifact)),
                "meets": missing <= most_lost(agreement.judged, at_least),
            }
        if row.name in times:
            content["p50_ms"] = times[row.name].phases.execute.p50_ms
        found.append(Candidate(**content))
    return on_front(found)


def on_front(found: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The same, each with whether it stands on the front of those whose gates held."""
    passed = [one for one in found if one.passed]
    stands = front([_costs(one, passed) for one in passed])
    names = {one.name for one, on in zip(passed, stands, strict=True) if on}
    return tuple(one.model_copy(update={"on_front": one.name in names}) for one in found)


def chosen(found: Sequence[Candidate]) -> Candidate | None:
    """Of those that agree as asked the fastest, where every file was timed, else the smallest."""
    passed = [one for one in found if one.passed]
    meeting = [one for one in passed if one.meets]
    return min(meeting, key=lambda one: tuple(reversed(_costs(one, passed))), default=None)


def _costs(one: Candidate, passed: Sequence[Candidate]) -> Costs:
    """What a file costs: answers, megabytes, and milliseconds where all of them were timed."""
    assert one.agreement is not None
    assert one.megabytes is not None
    costs = (-one.agreement.share, one.megabytes)
    timed = all(other.p50_ms is not None for other in passed)
    return (*costs, one.p50_ms) if timed and one.p50_ms is not None else costs


def problem(found: Tuning) -> str:
    """Why nothing was chosen, and what to try."""
    passed = [(one.name, one.agreement) for one in found.candidates if one.agreement is not None]
    if not passed:
        return "No build held its gates: what failed is said above."
    name, agreement = max(passed, key=lambda pair: pair[1].share)
    (low, high), least = agreement.interval, found.at_least
    remedies = ["give more images"] if agreement.share >= least else []
    if all((one.asked or 0) < least for one in found.candidates):
        remedies.append(f"add --agreement {least:g}, which leaves modules float for it")
    remedies.append(f"ask for less than --at-least {least:g}")
    return (
        f"No file agrees with FP32 on {least:g} of the images. The best is {name}: "
        f"{agreement.share:.3f} of {agreement.judged} images ({low:.3f} to {high:.3f}); "
        f"{', or '.join(remedies)}."
    )
