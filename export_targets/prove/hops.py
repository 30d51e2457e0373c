"""The hops of an artifact: which programs are compared, in which order, by which gate."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from edge_models.gate import Gate
from edge_models.parity import Hop, HopSpec, ParityReport, compare, skip
from export_targets.artifact.manifest import Delegation, Manifest
from export_targets.prove.outputs import by_output
from export_targets.target import target_named

OWN_RUNNER = "own runner"  # the logits of the saved file on the target's own runner
# Recipes that lose less than one whose gate fails, the nearest first.
MORE_EXACT = {
    "int8": ("int8_dynamic", "fp16"),
    "int8_mixed": ("int8_dynamic",),
    "int8_dynamic": ("fp32",),
    "int8_weight_only": ("fp16",),
    "palettized_6bit": ("int8_weight_only",),
    "palettized_4bit": ("palettized_mixed", "palettized_6bit"),
    "palettized_mixed": ("int8_weight_only",),
}
# The published form is the baseline of comparisons: measured, not judged, but it must compute.
BASELINE_GATE = Gate(min_sqnr_db=-100.0, min_top1_agreement=0.0)
# Of a network that nobody has seen, float32 alone may take an output below the catalog's gate: to
# 97.7 dB in docs/own-network.md. No planted fault of docs/proof.md comes above 43 dB.
OWN_EDGE_DB = 80.0


def hop_specs(manifest: Manifest) -> tuple[HopSpec, ...]:
    """reference -> edge -> (changed program) -> saved file, and the whole chain."""
    gates = target_named(manifest.target.name).gates[manifest.recipe]
    specs = [HopSpec("edge", "reference", "edge", gates.edge)]
    if gates.quantize is not None:
        specs.append(HopSpec("quantize", "edge", "quantized", gates.quantize))
    lowered = "edge" if gates.quantize is None else "quantized"
    specs += [HopSpec(program, lowered, program, gate) for program, gate in gates.others.items()]
    specs.append(HopSpec("lower", lowered, "file", gates.lower))
    specs.append(HopSpec("chain", "reference", "file", gates.chain))
    return tuple(_of_outputs(spec, manifest) for spec in specs)


def device_hop(manifest: Manifest, runner: str) -> HopSpec | None:
    """The same file on the target's own runner -> on another one; None for the target's own."""
    target = target_named(manifest.target.name)
    gate = target.gates[manifest.recipe].device
    if runner == target.runner or gate is None:
        return None
    return _of_outputs(HopSpec("device", OWN_RUNNER, "file", gate), manifest)


def _of_outputs(spec: HopSpec, manifest: Manifest) -> HopSpec:
    """A hop with the gate that the form and the outputs allow: tensors have no top-1."""
    gate = BASELINE_GATE if manifest.form == "published" else spec.gate
    if manifest.own and spec.to == "edge":
        gate = gate.model_copy(update={"min_sqnr_db": min(gate.min_sqnr_db, OWN_EDGE_DB)})
    if manifest.output.kind == "tensors":
        gate = gate.model_copy(update={"min_top1_agreement": 0.0})
    return replace(spec, gate=gate)


def judge(
    manifest: Manifest,
    runner: str,
    inputs: str,
    logits: Mapping[str, Tensor],
    absent: Mapping[str, str],
    delegation: Delegation,
) -> tuple[ParityReport, tuple[str, ...]]:
    """Compare the programs' logits, (samples, rows, classes) each, and name each failed gate.

    ``inputs`` says what the logits are of; ``absent`` why a program could not run here: its hops
    are skipped. ``delegation`` is what the saved file holds.
    """
    specs = [*hop_specs(manifest)]
    if (device := device_hop(manifest, runner)) is not None:
        specs.append(device)
    runners = {"file": runner, **target_named(manifest.target.name).other_runners}
    outputs = {name: by_output(values, manifest.output) for name, values in logits.items()}
    names = tuple(tensor.name for tensor in manifest.output.tensors)
    hops = tuple(
        _advised(_hop(spec, runners.get(spec.to, "eager"), outputs, absent, names), manifest)
        for spec in specs
    )
    report = ParityReport(artifact=manifest.name, inputs=inputs, hops=hops)
    problems = [f"hop {hop.name}: {hop.why}" for hop in hops if hop.status == "failed"]
    if not problems and not report.passed:
        problems.append("no hop could run")
    if manifest.form == "edge" and not manifest.own:
        problems += _fallen_out(delegation)
    return report, tuple(problems)


def _hop(
    spec: HopSpec,
    runner: str,
    outputs: Mapping[str, Sequence[Tensor]],
    absent: Mapping[str, str],
    names: Sequence[str],
) -> Hop:
    for name in (spec.from_, spec.to):
        if name in absent:
            return skip(spec, runner, absent[name])
    return compare(spec, runner, outputs.get(spec.from_), outputs.get(spec.to), names)


def _advised(hop: Hop, manifest: Manifest) -> Hop:
    """A hop that the recipe's precision fails says which recipe of the target loses less."""
    if hop.status != "failed" or hop.sqnr_db is None or hop.name not in ("quantize", "chain"):
        return hop
    better = more_exact(manifest.target.name, manifest.recipe)
    if better is None:
        return hop
    return hop.model_copy(update={"why": f"{hop.why}; try --recipe {better}"})


def more_exact(target: str, recipe: str) -> str | None:
    """The nearest recipe that loses less, of those that a target can do."""
    gates = target_named(target).gates
    return next((name for name in MORE_EXACT.get(recipe, ()) if name in gates), None)


def _fallen_out(delegation: Delegation) -> list[str]:
    """The wholeness gate: one delegate and nothing outside it."""
    if delegation.whole:
        return []
    outside = ", ".join(f"{count} {name}" for name, count in delegation.undelegated.items())
    return [
        f"wholeness: {delegation.delegates} delegates, and outside them {outside or 'nothing'}; "
        "it should be one delegate and nothing outside",
        *(f"wholeness: {line}" for line in fallen(delegation)),
    ]


def fallen(delegation: Delegation) -> list[str]:
    """What is outside the delegates, a line each."""
    return [
        f"{item.operator} of {item.module or 'the model'} fell out: {item.why}"
        for item in delegation.fallen
    ]
