"""The edge CoTLayer on its own."""

import pytest
import torch
from torch import nn

from edge_models.edge import CoTLayer, Forms
from edge_models.parity import measure
from edge_models.reference import CoTLayer as ReferenceCoTLayer
from tests.edge_models.layers import FORMS, made


@pytest.mark.parametrize("forms", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("size", [(5, 7), (8, 3)])
def test_computes_the_reference(
    forms: Forms, groups: int, size: tuple[int, int], generator: torch.Generator
) -> None:
    reference = made(ReferenceCoTLayer, dim=8, groups=groups)
    x = torch.randn(2, 8, *size, generator=generator)
    with torch.no_grad():
        result = measure(reference(x.clone()), CoTLayer(reference, size, forms)(x))
    assert result.sqnr_db > 110


def test_forms_have_a_default(generator: torch.Generator) -> None:
    reference = made(ReferenceCoTLayer, dim=8)
    x = torch.randn(1, 8, 4, 6, generator=generator)
    with torch.no_grad():
        torch.testing.assert_close(CoTLayer(reference, (4, 6))(x), reference(x.clone()))


def test_attention_weight_is_nine_times_smaller_and_norms_are_gone() -> None:
    reference = made(ReferenceCoTLayer, dim=8)
    edge = CoTLayer(reference, (4, 6))
    assert edge.attention.weight.numel() * 9 == reference.attention_embed[3].weight.numel()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in edge.modules())


def test_value_weights_hold_the_division_by_the_positions() -> None:
    reference = made(ReferenceCoTLayer, dim=8)
    small, large = CoTLayer(reference, (2, 3)), CoTLayer(reference, (20, 30))
    torch.testing.assert_close(small.value.weight, large.value.weight * 100)
    torch.testing.assert_close(small.value.bias, large.value.bias * 100)
