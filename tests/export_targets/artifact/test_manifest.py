"""The manifest: its fields are the contract's, and its JSON Schema describes it."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from export_targets.artifact.folder import MANIFEST, read_manifest
from export_targets.artifact.manifest import Manifest, artifact_name, json_schema, to_json
from tests.conftest import Built
from tests.export_targets.made_up import CONTENT, made_up_manifest, write_made_up

# Dotted names of the contract's fields.
CONTRACT = """
    schema_version name model.name model.family model.parameters model.macs model.classes
    weights.source weights.sha256 weights.format weights.seed input.name input.kind input.shape
    input.dtype input.layout input.color_order input.resize.size input.resize.interpolation
    input.resize.crop input.normalization input.mean input.std output.name output.kind output.shape
    output.heads recipe target.name target.options float_modules delegation.delegates
    delegation.delegated_ops delegation.undelegated calibration selftest.sqnr_db selftest.top1
    files toolchain created
""".split()  # noqa: SIM905  a list of 41 names reads worse
ROOT = Path(__file__).parents[3]
REQUIRED = [name for name in CONTENT if name != "schema_version"]


def schema_violations(content: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(json.loads(json_schema()))
    return [error.message for error in validator.iter_errors(content)]


@pytest.mark.parametrize("field", CONTRACT)
def test_a_built_manifest_has_the_contracts_field(field: str, built: Built) -> None:
    value = json.loads((built().folder / MANIFEST).read_text(encoding="utf-8"))
    for part in field.split("."):
        assert part in value
        value = value[part]


@pytest.mark.parametrize("recipe", ["fp32", "int8"])
def test_a_built_manifest_is_valid_by_its_schema(recipe: str, built: Built) -> None:
    text = (built(recipe=recipe).folder / MANIFEST).read_text(encoding="utf-8")
    assert schema_violations(json.loads(text)) == []


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_field_is_refused_by_reader_and_schema(name: str) -> None:
    content = {key: value for key, value in CONTENT.items() if key != name}
    with pytest.raises(ValidationError, match=name):
        Manifest.model_validate(content)
    assert f"{name!r} is a required property" in schema_violations(content)


def test_the_schema_for_apps_is_the_codes() -> None:
    # python -m export_targets.artifact.manifest > apps/manifest.schema.json
    published = ROOT / "apps" / "manifest.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == json.loads(json_schema())


def test_the_schema_refuses_a_wrong_type() -> None:
    content = json.loads(to_json(made_up_manifest().model_dump(mode="json")))
    assert schema_violations(content) == []
    content["model"]["classes"] = "ten"
    assert schema_violations(content) == ["'ten' is not of type 'integer'"]


def test_reading_gives_what_was_written(tmp_path: Path) -> None:
    folder = write_made_up(tmp_path / "artifact")
    manifest = read_manifest(folder)
    assert manifest == made_up_manifest(files=manifest.files)


def test_a_manifest_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        made_up_manifest().name = "another"  # type: ignore[misc]


def test_no_nan_is_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json({"value": float("nan")})


@pytest.mark.parametrize(
    ("size", "batch", "form", "ending"),
    [
        ((64, 64), 1, "edge", "64x64"),
        ((64, 96), 1, "edge", "64x96"),
        ((64, 64), 2, "edge", "64x64-b2"),
        ((64, 64), 1, "published", "64x64-published"),
        ((64, 96), 3, "published", "64x96-b3-published"),
    ],
)
def test_names_carry_what_is_not_the_default(
    size: tuple[int, int], batch: int, form: str, ending: str
) -> None:
    assert artifact_name("m", "t", "r", size, batch, form) == f"m-t-r-{ending}"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", {**CONTENT["model"], "name": "digits_conformer"}),
        ("weights", {**CONTENT["weights"], "sha256": "1" * 64}),
        ("target", {"name": "xnnpack", "options": {"precision": "low"}}),
        ("recipe", "fp32"),
        ("form", "published"),
        ("input", {**CONTENT["input"], "shape": (2, 3, 32, 32)}),
        (
            "input",
            {
                **CONTENT["input"],
                "shape": (1, 3, 32, 64),
                "resize": {**CONTENT["input"]["resize"], "crop": (32, 64)},
            },
        ),
        ("input", {**CONTENT["input"], "mean": (0.1, 0.2, 0.3)}),
        ("output", {**CONTENT["output"], "heads": "both"}),
    ],
)
def test_the_identity_changes_with(field: str, value: Any) -> None:
    assert made_up_manifest(**{field: value}).identity != made_up_manifest().identity


def test_the_identity_stays_for_the_same_thing_built_later() -> None:
    later = made_up_manifest(created="2027-01-01T00:00:00+00:00", toolchain={"torch": "9"})
    assert later.identity == made_up_manifest().identity
