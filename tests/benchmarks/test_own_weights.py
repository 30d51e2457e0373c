"""Weights that carry images as trained ones do."""

import copy

import pytest
import torch

from edge_models.images import preprocess_all
from edge_models.photographs import photographs, views
from edge_models.spec import InputSpec
from edge_models.turned_weights import products
from tests.benchmarks.own_weights import like_trained, mean_gain, trained_networks
from tests.edge_models.edge.network.published_networks import ResNet
from tests.edge_models.layers import made, settled

SIZE = (64, 64)
TRAINED_DB = (2.5, 6.0)  # of trained networks 3.1 to 4.8


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """Views that no weights were made of."""
    return preprocess_all(views(photographs(), 16, seed=5), InputSpec(), SIZE)


def test_what_differs_has_the_gain_of_trained_networks(images: torch.Tensor) -> None:
    low, high = TRAINED_DB
    for name, network, own in trained_networks():
        assert low < mean_gain(network.eval(), own) < high, name
    drawn = settled(made(ResNet), SIZE, images)
    assert abs(mean_gain(drawn, images)) < 0.5
    assert low < mean_gain(like_trained(made(ResNet), SIZE, ()), images) < high


def test_the_weights_are_turned_not_scaled() -> None:
    drawn = made(ResNet)
    turned = like_trained(copy.deepcopy(drawn), SIZE, ())
    for (name, before), (_, after) in zip(products(drawn), products(turned), strict=True):
        assert not torch.equal(before.weight, after.weight), name
        assert after.weight.norm().item() == pytest.approx(before.weight.norm().item(), rel=0.25)
        assert not after._forward_pre_hooks


def test_a_residual_branch_has_a_small_gain() -> None:
    plain, small = (like_trained(made(ResNet), SIZE, ends) for ends in ((), ("first.1",)))
    ratio = small.layer1.first[1].weight / plain.layer1.first[1].weight
    assert torch.allclose(ratio, torch.tensor(0.25))
