"""The catalog of models."""

from dataclasses import replace

import pytest

from edge_models.catalog import embedded_weights, model_spec, model_specs
from edge_models.edge import edge_form
from edge_models.errors import InputError
from edge_models.spec import ModelSpec
from edge_models.specs import conformer, cotnet
from tests.edge_models.layers import FORMS, made_model

SPECS = model_specs().values()
DIGITS = [spec for spec in SPECS if spec.embedded]
PUBLISHED = [spec for spec in SPECS if not spec.embedded]


def test_every_family_has_a_published_and_an_embedded_model() -> None:
    assert {spec.family for spec in DIGITS} == {spec.family for spec in PUBLISHED}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_model_is_found_by_its_name(spec: ModelSpec) -> None:
    assert model_spec(spec.name) is spec


def test_an_unknown_name_lists_the_models() -> None:
    with pytest.raises(InputError) as error:
        model_spec("resnet50")
    assert "'resnet50'" in error.value.what
    assert all(spec.name in error.value.remedy for spec in SPECS)


def test_two_models_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    twin = replace(cotnet.SPECS[0], name=conformer.SPECS[0].name)
    monkeypatch.setattr(cotnet, "SPECS", (*cotnet.SPECS, twin))
    with pytest.raises(ValueError, match=rf"specs are named {twin.name}"):
        model_specs.__wrapped__()


@pytest.mark.parametrize("spec", PUBLISHED, ids=lambda spec: spec.name)
def test_published_models_are_evaluated_as_published(spec: ModelSpec) -> None:
    assert spec.input.size == (224, 224)
    assert round(224 / spec.input.crop) == 256
    assert spec.input.interpolation == "bicubic"
    assert spec.input.mean == (0.485, 0.456, 0.406)
    assert spec.input.std == (0.229, 0.224, 0.225)
    assert embedded_weights(spec) is None


@pytest.mark.parametrize("spec", DIGITS, ids=lambda spec: spec.name)
def test_embedded_weights_are_there_and_small(spec: ModelSpec) -> None:
    path = embedded_weights(spec)
    assert path is not None
    assert 100_000 < path.stat().st_size < 2_000_000
    assert len(spec.labels) == spec.config["num_classes"]


@pytest.mark.parametrize("spec", DIGITS, ids=lambda spec: spec.name)
def test_float_rules_name_modules_of_the_edge_form(spec: ModelSpec) -> None:
    edge = edge_form(spec, made_model(spec.name), (64, 64), 1, "mean", FORMS["xnnpack"])
    present: set[str | type] = {
        part for name, _ in edge.named_modules() for part in name.split(".")
    }
    present |= {type(module) for module in edge.modules()}
    assert {rule.module for rule in spec.float_rules} <= present
