"""The operators of the Core ML programs are those of the golden text."""

import pytest

from tests.daily import daily
from tests.export_targets.coreml_inventory import GOLDEN, REAL, SMALL, section


def golden(model: str) -> str:
    sections = GOLDEN.read_text(encoding="utf-8").split("\n\n")
    return next(text for text in sections if text.startswith(f"{model} ")).rstrip("\n") + "\n"


@pytest.mark.parametrize("model", daily((*SMALL, *REAL), ["digits_conformer"]))
def test_a_model_has_the_operators_of_the_golden_text(model: str) -> None:
    assert section(model) == golden(model)


@pytest.mark.parametrize("model", [name for name in (*SMALL, *REAL) if "conformer" in name])
def test_no_transpose_is_left_in_a_conformer(model: str) -> None:
    rows = {line.split()[0]: line.split()[1:] for line in golden(model).splitlines()[1:]}
    assert rows["transpose"][0] == "0"
    assert int(rows["transpose"][1]) > 20
