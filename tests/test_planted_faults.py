"""Real builds, broken on purpose: each fault turns its own hop red."""

import pytest

from export_targets.artifact.folder import Artifact, open_artifact
from tests import faults
from tests.conftest import Built
from tests.faults import CELLS, FAULTS, SAMPLES, UNSEEN, Fault, NoPlaceError


@pytest.fixture(scope="module", params=CELLS, ids="-".join)
def opened(request: pytest.FixtureRequest, built: Built) -> Artifact:
    return open_artifact(built(*request.param).folder)


def test_the_right_program_is_green(opened: Artifact) -> None:
    inputs = faults.normalized(opened)[:SAMPLES]
    found = faults.program_logits(opened, Fault("none"), inputs)
    assert faults.hop_of(opened, faults.hop_of_program(opened), found).status == "passed"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_broken_program_turns_its_hop_red(opened: Artifact, fault: Fault) -> None:
    inputs = faults.normalized(opened)[:SAMPLES]
    try:
        found = faults.program_logits(opened, fault, inputs)
    except NoPlaceError:
        pytest.skip("this network has no place for it")
    hop = faults.hop_of(opened, faults.hop_of_program(opened), found)
    assert hop.status == ("passed" if fault.name in UNSEEN else "failed"), hop.why
