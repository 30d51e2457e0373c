"""``demo``: the embedded models with real images through every target that exists."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

from edge_models.catalog import model_specs
from export_targets.command_line.console import collector_off
from export_targets.pipeline import BuildResult, build
from export_targets.progress import Reporter
from export_targets.request import BuildRequest
from export_targets.target import all_targets, recipes_of, target_named


@dataclass(frozen=True)
class DemoRow:
    """One artifact of the demo, and its SQNR in dB and top-1 agreement against FP32."""

    artifact: str
    model: str
    target: str
    recipe: str
    delegates: int | None
    megabytes: float
    sqnr_db: float | None
    top1_agreement: float | None
    passed: bool
    problems: tuple[str, ...]


def demo(out: Path, reporter: Reporter) -> list[DemoRow]:
    """Build and verify each embedded model for each target below ``out``, by the target's default
    recipe and in INT8.
    """
    rows: list[DemoRow] = []
    start = time.monotonic()
    asked = _requests()
    for request in asked:
        name = f"{request.model}-{request.target}-{request.recipe}"
        reporter.note(name)
        with collector_off():
            result = build(replace(request, out=out / name, force=True), reporter)
        rows.append(_row(result, target_named(request.target).file))
        left = (time.monotonic() - start) / len(rows) * (len(asked) - len(rows))
        reporter.note(f"{_said(rows[-1])} ({len(rows)} of {len(asked)}, about {left:.0f} s left)")
    return rows


def _requests() -> list[BuildRequest]:
    return [
        BuildRequest(model=spec.name, target=target.name, recipe=recipe)
        for spec in model_specs().values()
        if spec.embedded
        for target in all_targets().values()
        for recipe in recipes_of(target)
        if recipe in (target.default_recipe, "int8")
    ]


def _said(row: DemoRow) -> str:
    if not row.passed:
        return f"FAILED: {'; '.join(row.problems)}"
    return f"{row.sqnr_db:.1f} dB, top-1 agreement {row.top1_agreement:.3f}, passed"


def _row(result: BuildResult, file: str) -> DemoRow:
    manifest = result.manifest
    assert result.parity is not None
    chain = next(hop for hop in result.parity.hops if hop.name == "chain")
    size = sum(
        entry.bytes for entry in manifest.files if entry.deploy and entry.path.startswith(file)
    )
    return DemoRow(
        artifact=str(result.folder),
        model=manifest.model.name,
        target=manifest.target.name,
        recipe=manifest.recipe,
        delegates=manifest.delegation.delegates,
        megabytes=size / 1e6,
        sqnr_db=chain.sqnr_db,
        top1_agreement=chain.top1_agreement,
        passed=not result.problems,
        problems=result.problems,
    )
