"""What holds for every embedded model with every recipe that a target can do; every day for one
model with every recipe, and for the others with one recipe each.

They are built in the process of the tests, which share the artifacts and ask for more than a row. A
target has a file of its own, ``test_matrix_<target>.py``, so that they run beside each other.
"""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from safetensors.torch import load_file

from edge_models.catalog import embedded_weights, model_spec, model_specs
from edge_models.digits import HELD_OUT
from edge_models.images import preprocess, read_image, to_pixels
from edge_models.parity import ParityReport
from export_targets.artifact import folder as artifact
from export_targets.artifact.folder import Artifact, open_artifact, read_manifest
from export_targets.pipeline import BuildResult
from export_targets.progress import silent_reporter
from export_targets.prove.evaluate import Choice, Work, evaluate
from export_targets.prove.hops import hop_specs
from export_targets.prove.self_test import MARGIN_DB
from export_targets.prove.verify import verify
from export_targets.runner import runner_named
from export_targets.target import recipes_of, target_named
from quantize.recipe import recipe_named
from tests.conftest import REAL_RUNNERS, Built

LOWEST_AGREEMENT = 0.99  # of INT8 with FP32 on the held-out digits
LARGEST_LOSS = 0.005  # of INT8's top-1


class Matrix:
    """The tests of one target; a subclass names it."""

    target: ClassVar[str]
    with_every_recipe: ClassVar[str] = "digits_conformer"
    wider: ClassVar[tuple[str, ...]] = ()  # recipes of which another one proves as much every day
    others: ClassVar[tuple[tuple[str, str], ...]] = ()  # models and their recipe of every day

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        target = target_named(self.target)
        every, recipes = self.with_every_recipe, recipes_of(target)
        everyday = {(every, recipe) for recipe in recipes if recipe not in self.wider}
        everyday |= {*self.others}
        models = [spec.name for spec in model_specs().values() if spec.embedded]
        cells = [
            pytest.param(
                (model, self.target, recipe),
                id=f"{model}-{recipe}",
                marks=() if (model, recipe) in everyday else pytest.mark.full,
            )
            for model in models
            for recipe in recipes
            # what compresses weights does so whatever the model: one is enough
            if recipe_named(recipe).weights is None or model == every
        ]
        metafunc.parametrize("result", cells, indirect=True)

    @pytest.fixture
    def result(self, request: pytest.FixtureRequest, built: Built) -> BuildResult:
        model, target, recipe = request.param
        return built(model, target, recipe)

    @pytest.fixture
    def opened(self, result: BuildResult) -> Artifact:
        return open_artifact(result.folder)

    def test_one_delegate_holds_everything(self, opened: Artifact) -> None:
        delegation = opened.manifest.delegation
        delegates = None if self.target == "coreml" else 1  # a package does not say
        assert (delegation.delegates, delegation.undelegated, delegation.fallen) == (
            delegates,
            {},
            (),
        )
        rows = json.loads((opened.folder / artifact.OPERATORS).read_text(encoding="utf-8"))
        assert delegation.delegated_ops == len(rows) > 10
        assert all(set(row) == {"operator", "module", "debug_handle", "macs"} for row in rows)
        held = target_named(opened.manifest.target.name).inspect(opened.model)
        assert held == (delegates, {})

    def test_every_hop_ran_and_passed(self, result: BuildResult) -> None:
        assert result.problems == ()
        assert result.parity is not None
        recipe = recipe_named(result.manifest.recipe)
        others = target_named(result.manifest.target.name).gates[recipe.name].others
        changed = ["quantize"] if recipe.approximate else []
        names = ["edge", *changed, *others, "lower", "chain"]
        statuses = [(hop.name, hop.status) for hop in result.parity.hops]
        assert statuses == [(name, "passed") for name in names]
        samples = target_named(result.manifest.target.name).samples
        assert {hop.samples for hop in result.parity.hops} == {samples}
        gates = [(spec.name, spec.gate) for spec in hop_specs(result.manifest)]
        assert [(hop.name, hop.gate) for hop in result.parity.hops] == gates

    def test_the_files_on_disk_are_what_the_build_returned(self, result: BuildResult) -> None:
        text = (result.folder / artifact.PARITY).read_text(encoding="utf-8")
        assert ParityReport.model_validate_json(text) == result.parity
        assert read_manifest(result.folder) == result.manifest

    def test_the_manifest_says_what_was_built(
        self, result: BuildResult, request: pytest.FixtureRequest
    ) -> None:
        manifest = result.manifest
        model, target, recipe = request.node.callspec.params["result"]
        spec = model_spec(model)
        weights = embedded_weights(spec)
        assert weights is not None
        names = (manifest.model.name, manifest.target.name, manifest.recipe)
        assert names == (model, target, recipe)
        assert manifest.name == f"{model}-{target}-{recipe}-64x64"
        assert manifest.weights.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
        assert manifest.input.shape == (1, 3, 64, 64)
        assert (manifest.input.mean, manifest.input.std) == (spec.input.mean, spec.input.std)
        assert manifest.output.shape == (1, manifest.model.classes) == (1, len(spec.labels))
        assert (manifest.calibration is not None) == recipe_named(recipe).takes_calibration
        gates = target_named(target).gates[recipe]
        least, most = gates.self_test.min_sqnr_db, gates.lower.min_sqnr_db
        if gates.device is None:  # its graph is the other implementation
            least = most - MARGIN_DB
        elif not gates.others:
            most = least
        assert least <= manifest.selftest.sqnr_db <= most
        assert manifest.selftest.top1 == gates.self_test.min_top1_agreement

    def test_float_modules_stand_with_their_rule(self, result: BuildResult) -> None:
        manifest = result.manifest
        assert bool(manifest.float_modules) == recipe_named(manifest.recipe).quantized
        for module in manifest.float_modules:
            target = target_named(manifest.target.name)
            named = {rule.name for rule in target.float_rules()}
            named |= {rule.name for rule in model_spec(manifest.model.name).float_rules}
            assert module.rule.partition(":")[0] in {target.name, *named}
            assert target.int8_operators or module.rule.partition(":")[0] != target.name
            assert sum(module.operators.values()) > 0

    def test_a_rule_stands_only_in_artifacts_of_its_recipe(self, result: BuildResult) -> None:
        manifest = result.manifest
        said = {module.rule for module in manifest.float_modules}
        for rule in model_spec(manifest.model.name).float_rules:
            if rule.recipes:
                applies = manifest.recipe in rule.recipes
                assert (f"{rule.name}: {rule.why}" in said) == applies

    def test_every_file_is_listed_with_its_digest(self, result: BuildResult) -> None:
        paths = {
            path.relative_to(result.folder).as_posix()
            for path in result.folder.rglob("*")
            if path.is_file()
        }
        listed = {entry.path: entry for entry in result.manifest.files}
        assert set(listed) == paths - {"manifest.json", "parity.json"}
        for name, entry in listed.items():
            content = (result.folder / name).read_bytes()
            assert (entry.bytes, entry.sha256) == (
                len(content),
                hashlib.sha256(content).hexdigest(),
            )
        file = target_named(result.manifest.target.name).file
        deployed = {Path(entry.path).parts[0] for entry in listed.values() if entry.deploy}
        assert deployed == {file, "labels.txt"}

    def test_golden_files_are_whole(self, opened: Artifact) -> None:
        spec = model_spec(opened.manifest.model.name)
        assert opened.manifest.golden.samples == 16
        assert opened.labels() == list(spec.labels)
        for index, sample in enumerate(opened.inputs()):
            image = read_image(opened.folder / "golden" / f"image_{index}.png")
            expected = preprocess(image, spec.input, (64, 64))
            if opened.manifest.input.normalization == "model":
                expected = to_pixels(image).float()
            assert torch.equal(expected, sample[0])
        for program in artifact.PROGRAMS:
            assert tuple(opened.logits(program).shape) == (16, 1, 10)
        changed = recipe_named(opened.manifest.recipe).approximate
        assert torch.equal(opened.logits("quantized"), opened.logits("edge")) != changed

    @pytest.mark.usefixtures("runner_here")
    def test_expected_is_what_the_runner_gives_again(self, opened: Artifact) -> None:
        target = target_named(opened.manifest.target.name)
        fresh = runner_named(target.runner, target.name).run(
            opened.model, opened.inputs(), lambda: None
        )
        assert torch.equal(fresh, opened.logits("file"))

    @pytest.mark.full  # every day for the small model, whose build had one: see `built`
    def test_a_process_of_its_own_gives_the_same(self, opened: Artifact) -> None:
        target = target_named(opened.manifest.target.name)
        runner = runner_named(target.runner, target.name)
        assert runner in REAL_RUNNERS
        fresh = runner.run(opened.model, opened.inputs(), lambda: None)
        assert torch.equal(fresh, opened.logits("file"))

    def test_the_evidence_holds_the_published_weights_and_the_graph(self, opened: Artifact) -> None:
        weights = embedded_weights(model_spec(opened.manifest.model.name))
        assert weights is not None
        shipped, kept = load_file(weights), load_file(opened.folder / artifact.REFERENCE)
        assert set(shipped) == set(kept)
        assert all(torch.equal(shipped[key].float(), kept[key].float()) for key in shipped)
        with zipfile.ZipFile(opened.folder / artifact.LOWERED) as archive:
            assert any(name.endswith("model.json") for name in archive.namelist())

    @pytest.mark.usefixtures("runner_here")
    def test_verify_repeats_the_hops_of_the_build(self, result: BuildResult) -> None:
        before = (result.folder / artifact.MANIFEST).read_bytes()
        again = verify(result.folder, None, None, False, silent_reporter())
        assert again.problems == ()
        assert result.parity is not None
        if target_named(result.manifest.target.name).samples == result.manifest.golden.samples:
            assert again.report == result.parity
        hops = [(hop.name, hop.gate, hop.status) for hop in again.report.hops]
        assert hops == [(hop.name, hop.gate, hop.status) for hop in result.parity.hops]
        assert {hop.samples for hop in again.report.hops} == {result.manifest.golden.samples}
        assert (result.folder / artifact.MANIFEST).read_bytes() == before

    @pytest.mark.usefixtures("runner_here")
    def test_held_out_digits_are_classified_as_by_the_reference(
        self, result: BuildResult, digit_folders: Path
    ) -> None:
        limit = HELD_OUT if self.target == "xnnpack" else HELD_OUT // 5  # an interpreter is slow
        choice, alone = Choice(digit_folders, limit=limit), Work(workers=1)
        report = evaluate(result.folder, choice, None, False, silent_reporter(), work=alone)
        programs = {program.program: program for program in report.programs}
        reference, file = programs["reference"], programs["file"]
        assert report.samples == limit
        assert reference.top1 >= 0.97
        assert reference.top1 <= reference.top5 <= 1
        if recipe_named(result.manifest.recipe).name != "fp32":
            one = 0 if limit == HELD_OUT else 1 / limit  # of few images one is more than its share
            assert file.agreement >= LOWEST_AGREEMENT - one
            assert abs(file.top1 - reference.top1) <= LARGEST_LOSS + one
        else:
            same = {"program": "file"}
            assert file == reference.model_copy(update=same)

    def test_the_report_is_plain_json(self, result: BuildResult) -> None:
        content = json.loads((result.folder / artifact.PARITY).read_text(encoding="utf-8"))
        assert set(content) == {"schema_version", "artifact", "inputs", "hops"}
        fields = "name from to runner samples sqnr_db median_sqnr_db worst_sqnr_db max_abs cosine"
        fields += " top1_agreement agreement_interval constant_agreement gate status why tensors"
        assert all(list(hop) == fields.split() for hop in content["hops"])
