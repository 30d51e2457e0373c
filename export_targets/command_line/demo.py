"""``demo``: the embedded models with real images through every target that exists."""

from dataclasses import dataclass, replace
from pathlib import Path

from edge_models.catalog import model_specs
from export_targets.command_line.console import collector_off
from export_targets.pipeline import BuildResult, build
from export_targets.progress import Reporter
from export_targets.request import BuildRequest
from export_targets.target import all_targets, recipes_of


@dataclass(frozen=True)
class DemoRow:
    """One artifact of the demo, and its SQNR in dB and top-1 agreement against FP32."""

    artifact: str
    model: str
    target: str
    recipe: str
    delegates: int
    megabytes: float
    sqnr_db: float | None
    top1_agreement: float | None
    passed: bool
    problems: tuple[str, ...]


def demo(out: Path, reporter: Reporter) -> list[DemoRow]:
    """Build and verify each embedded model for each target below ``out``, by the target's default
    recipe and in INT8.
    """
    rows = []
    for spec in model_specs().values():
        for target in all_targets().values() if spec.embedded else ():
            for recipe in recipes_of(target):
                if recipe not in (target.default_recipe, "int8"):
                    continue
                reporter.note(f"{spec.name}, {target.name}, {recipe}")
                request = BuildRequest(model=spec.name, target=target.name, recipe=recipe)
                name = f"{spec.name}-{target.name}-{recipe}"
                with collector_off():
                    result = build(replace(request, out=out / name, force=True), reporter)
                rows.append(_row(result, target.file))
    return rows


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
