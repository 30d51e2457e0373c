"""What the exported graph of XNNPACK's forms holds, and that other forms hold what it rewrites."""

from collections import Counter
from functools import cache

import pytest
import torch
from torch.fx import Node

from edge_models.catalog import model_spec, model_specs
from edge_models.edge import edge_form
from tests.edge_models.layers import FORMS, made_model

DIGITS = [spec.name for spec in model_specs().values() if spec.embedded]
REWRITTEN = {
    *("layer_norm", "batch_norm", "group_norm", "upsample_nearest2d", "padded avg_pool2d"),
    *("im2col", "stack", "silu"),
}


def operator(node: Node) -> str:
    name = str(node.target).removeprefix("aten.").split(".")[0]
    name = name.removeprefix("_native_").removeprefix("native_")
    padding = node.args[3] if len(node.args) > 3 else [0, 0]
    return f"padded {name}" if name == "avg_pool2d" and padding != [0, 0] else name


@cache
def operators(name: str, forms: str | None) -> Counter[str]:
    """{operator: calls} of a model's graph; without forms, of the published model's."""
    model = made_model(name)
    if forms is not None:
        model = edge_form(model_spec(name), model, (64, 64), 1, "mean", FORMS[forms])
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(4))
    graph = torch.export.export(model, (x,)).graph
    return Counter(operator(node) for node in graph.nodes if node.op == "call_function")


@pytest.mark.parametrize("name", DIGITS)
def test_xnnpack_forms_leave_none_of_the_rewritten_operators(name: str) -> None:
    found = operators(name, "xnnpack")
    assert found["conv2d"] > 20
    assert not REWRITTEN & found.keys()


def test_cotnet_softmax_is_written_by_means() -> None:
    found = operators("digits_cotnet_simple", "xnnpack")
    assert "softmax" not in found
    assert found["exp"] == 5


def test_the_default_forms_hold_what_xnnpack_rewrites() -> None:
    cotnet = operators("digits_cotnet_simple", "default")
    conformer = operators("digits_conformer", "default")
    assert cotnet["padded avg_pool2d"] == 3
    assert cotnet["max_pool2d"] == operators("digits_cotnet_simple", "xnnpack")["max_pool2d"] - 5
    assert conformer["layer_norm"] == 12
    assert "batch_norm" not in cotnet + conformer


def test_official_cotnet_is_written_by_slices() -> None:
    slices, published = operators("digits_cotnet", "xnnpack"), operators("digits_cotnet", None)
    assert slices["slice"] == 4 * (3 + 9 + 9)
    assert published["im2col"] == published["group_norm"] == 4
    assert slices["sigmoid"] == 2 * 4


def test_published_model_holds_batch_norms() -> None:
    found = operators("digits_cotnet_simple", None)
    assert found["batch_norm"] > 20
    assert found["padded avg_pool2d"] == 3
