"""One output of a published model."""

import torch

from edge_models.reference.heads import SingleOutput, run_eager, stack_outputs
from tests.edge_models.layers import made_model


def test_mean_of_both_heads_is_the_single_output(generator: torch.Generator) -> None:
    model = made_model("digits_conformer")
    x = torch.randn(2, 3, 32, 64, generator=generator)
    with torch.no_grad():
        convolution, transformer = model(x)
        both = SingleOutput(model, "both")(x)
        torch.testing.assert_close(SingleOutput(model)(x), (convolution + transformer) / 2)
    assert torch.equal(both[0], convolution)
    assert torch.equal(both[1], transformer)


def test_one_head_passes_through(generator: torch.Generator) -> None:
    model = made_model("digits_cotnet_simple")
    x = torch.randn(2, 3, 32, 32, generator=generator)
    with torch.no_grad():
        assert torch.equal(SingleOutput(model, "both")(x), model(x))


def test_eager_run_stacks_samples_then_heads(generator: torch.Generator) -> None:
    model = SingleOutput(made_model("digits_conformer"), "both")
    inputs = torch.randn(3, 2, 3, 32, 32, generator=generator)
    result = run_eager(model, inputs)
    assert result.shape == (3, 4, 10)
    assert not result.requires_grad
    with torch.no_grad():
        torch.testing.assert_close(result[1], stack_outputs(model(inputs[1])))
