"""Which files of a tune can be timed here, and how long they take."""

from collections.abc import Mapping, Sequence

from edge_models.errors import InputError
from export_targets.artifact.folder import Artifact
from export_targets.artifact.latency_folder import model_digest
from export_targets.artifact.latency_report import LatencyReport
from export_targets.profile.profile import Settings, profile_all
from export_targets.progress import Reporter
from export_targets.runner import runner_named

HOST = "host"


def untimed(runner: str | None, targets: Sequence[str]) -> dict[str, str]:
    """Of each target whose files the runner, None for this machine, cannot time: why. Raises
    InputError where a runner was named and can time none.
    """
    found = {}
    for target in targets:
        try:
            chosen = runner_named(runner or HOST, target)
        except InputError as error:
            found[target] = error.what
            refusal = error
        else:
            if chosen.turns is None and chosen.measure is None:
                found[target] = f"The runner {chosen.name} gives no times: {chosen.untimed}."
                refusal = InputError(found[target], "Name a device that the file is for.")
    if runner is not None and len(found) == len(targets):
        raise refusal
    return found


def latencies(
    built: Mapping[str, Artifact],
    runner: str | None,
    threads: int | None,
    untimed: Mapping[str, str],
    reporter: Reporter,
) -> dict[str, LatencyReport]:
    """Of each file that can be timed, by name, all in one run in which they take turns; where two
    are the same to the byte, the first is measured.
    """
    timed = {
        name: model_digest(artifact.manifest)
        for name, artifact in built.items()
        if artifact.manifest.target.name not in untimed
    }
    if not timed:
        return {}
    folders = {digest: built[name].folder for name, digest in reversed(timed.items())}
    settings = Settings(threads=threads)
    measured = profile_all([*folders.values()], None, runner or HOST, settings, reporter)
    if measured.interrupted:
        raise KeyboardInterrupt
    reports = dict(zip(folders, measured.reports, strict=True))
    return {name: reports[digest] for name, digest in timed.items()}
