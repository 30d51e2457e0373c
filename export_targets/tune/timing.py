"""Which files of a tune can be timed here, and how long they take."""

from collections.abc import Mapping, Sequence

from edge_models.errors import InputError
from export_targets.artifact.folder import Artifact
from export_targets.artifact.latency_folder import model_digest
from export_targets.artifact.latency_report import LatencyReport
from export_targets.profile.profile import Settings, profile_all
from export_targets.progress import Reporter
from export_targets.runner import timing_runner

HOST = "host"


def untimed(runner: str | None, targets: Sequence[str]) -> dict[str, str]:
    """Of each target whose files the runner, None for this machine, cannot time: why. Raises
    InputError where a runner was named and can time none.
    """
    refused = dict[str, InputError]()
    for target in targets:
        try:
            timing_runner(runner or HOST, target)
        except InputError as error:
            refused[target] = error
    if runner is not None and len(refused) == len(targets):
        raise refused[targets[0]]
    return {target: error.what for target, error in refused.items()}


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
