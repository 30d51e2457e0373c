"""The page's readers with mutated files: read as they are, or refused with a remedy."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from export_targets.artifact.folder import Artifact, read_manifest, read_parity
from export_targets.prove.layer_errors import LAYER_ERRORS, read_layer_errors
from export_targets.report.chain import chain_of
from export_targets.report.page import render
from export_targets.report.subject import read_subjects
from tests.bad_input import mutated, only_inside, refused_or
from tests.export_targets.report.made_up_page import (
    add_layers,
    made_up_parity,
    write_page_artifact,
)

same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    folder = write_page_artifact(tmp_path / "artifact")
    add_layers(folder)
    return folder


@same_folder
@given(st.data())
def test_a_mutated_parity_report_is_read_or_refused(artifact: Path, data: st.DataObject) -> None:
    path = artifact / "parity.json"
    whole = made_up_parity("digits_cotnet_simple-xnnpack-int8-32x32").model_dump_json(by_alias=True)
    path.write_bytes(data.draw(mutated(whole.encode())))
    with only_inside(artifact):
        report = refused_or(read_parity, artifact, read_manifest(artifact))
    if report is not None and (chain := chain_of(report)) is not None:
        assert len(chain.steps) + len(chain.across) == len(report.hops)
        parts = [step.gate for step in (*chain.steps, *chain.across)]
        assert all(0 <= part <= 1 for part in parts)


@same_folder
@given(st.data())
def test_mutated_errors_of_layers_are_read_or_refused(artifact: Path, data: st.DataObject) -> None:
    path = artifact / LAYER_ERRORS
    whole = WHOLE.setdefault(LAYER_ERRORS, path.read_bytes())
    path.write_bytes(data.draw(mutated(whole)))
    opened = Artifact(artifact, read_manifest(artifact))
    with only_inside(artifact):
        layers = refused_or(read_layer_errors, opened)
    assert layers is None or all(layer.computes in ("int8", "float") for layer in layers)


WHOLE: dict[str, bytes] = {}


@settings(same_folder, max_examples=25)
@given(text=st.text(min_size=1, max_size=60), number=st.floats(-1e300, 1e300))
def test_any_text_and_any_number_make_a_page(artifact: Path, text: str, number: float) -> None:
    (subject,) = read_subjects([artifact])
    assert subject.parity is not None
    hops = tuple(
        hop.model_copy(update={"name": text, "from_": text, "to": text, "sqnr_db": number})
        for hop in subject.parity.hops
    )
    parity = subject.parity.model_copy(update={"hops": hops, "inputs": text})
    changed = type(subject)(
        **{**vars(subject), "parity": parity, "label": text, "key": "a1"},
    )
    page = render([changed, type(subject)(**{**vars(changed), "key": "a2"})])
    assert page.endswith("</html>")
