"""A network of one's own: what is taken, how it is described, and how each mistake is named."""

import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from edge_models.checkpoint import load_reference
from edge_models.errors import InputError
from edge_models.own_network import own_spec
from edge_models.reference.heads import run_eager, stack_outputs
from edge_models.spec import InputSpec, ModelSpec, OutputKind
from export_targets.lowering.export import own_exported
from export_targets.lowering.graph import operator_name

SIZE = (24, 32)
GIVEN = InputSpec(size=SIZE)
MISTAKES = Path(__file__).with_name("own_mistakes.py")
# The function: what its error names, and a word of the remedy.
NAMED = {
    "absent": ("has no absent", "needs_arguments, raises"),
    "network": ("is no function but a Body", "def make_net"),
    "needs_arguments": ("needs arguments: width", "without arguments"),
    "raises": ("RuntimeError: there are no weights here (line ", "without arguments"),
    "ends_the_program": ("SystemExit: see --help (line ", "without arguments"),
    "returns_a_state_dict": ("Dict, not an nn.Module", "--checkpoint"),
    "in_training_mode": ("in training mode: itself, conv, gate and 1 more", "eval()"),
    "partly_in_training_mode": ("in training mode: gate", "eval()"),
    "trains_in_place": ("changes itself when it runs: seen", "may not write"),
    "normalizes_in_place": ("changes the image", "x = x / 255"),
    "two_inputs": ("takes 2 inputs: image, mask", "one image"),
    "in_half_precision": ("weight conv.weight", "float()"),
    "of_lazy_layers": ("weight 0.weight", "Run the network once"),
    "of_grey_images": ("in 0: RuntimeError: Given groups=1", "RGB images"),
    "on_a_gpu": ("in gate: ", "a CUDA operator runs on no phone"),
    "with_a_custom_operator": ("own_mistakes::double of gate", "torch's operators"),
    "cannot_be_copied": ("cannot be copied: RuntimeError: Only Tensors", "detach()"),
    "branches_by_values": ("does not export: gate: GuardOnDataDependent", "torch.where"),
    "with_a_condition": ("a part of its own in gate: cond", "torch.where"),
    "under_autocast": ("a part of its own in gate: wrap_with_autocast", "torch.autocast"),
    "counts_by_values": ("The shapes in gate depend on what the image shows", "fixed sizes"),
    "returns_a_varying_shape": ("has another shape for another image", "one shape"),
    "drops_out": ("differs when the same image is given again", "no random numbers"),
    "returns_classes": ("is torch.int64", "scores instead of their argmax"),
    "returns_a_scalar": ("has the shape ()", "1 to 4 axes"),
    "returns_five_axes": ("has the shape (1, 4, 1, 1, 1)", "1 to 4 axes"),
    "returns_nested": ("output maps of", "not inside each other"),
    "returns_a_number": ("output stride of", "leave others away"),
    "returns_nothing": ("returns nothing", "at least one"),
    "returns_text": ("returns a str", "a tensor, or a tuple or dictionary"),
    "returns_one_twice": ("output_1", "each tensor once"),
    "returns_two_of_one_name": ("are named a_b", "Name them apart"),
}


class Returning(nn.Module):
    """A convolution whose map is returned as a function says."""

    def __init__(self, function: Callable[[Tensor], object] = lambda x: x) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.function = function

    def forward(self, x: Tensor) -> object:
        return self.function(self.conv(x))


def tried(function: str) -> None:
    """Describe and export the network of a function of the file of mistakes."""
    spec = own_spec(f"{MISTAKES}:{function}", None, GIVEN, 1, None)
    own_exported(spec.build(), torch.randn(1, 3, *SIZE))


def spec_of(
    function: Callable[[Tensor], object], batch: int = 1, kind: OutputKind | None = None
) -> ModelSpec:
    return own_spec("mine", Returning(function).eval(), GIVEN, batch, kind)


def tensors_of(spec: ModelSpec) -> list[tuple[str, tuple[int, ...]]]:
    assert spec.own is not None
    return [(tensor.name, tensor.shape) for tensor in spec.own.tensors]


# torch.cond's tracing reads it
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
@pytest.mark.parametrize("function", NAMED)
def test_a_mistake_is_named_with_its_remedy(function: str) -> None:
    what, remedy = NAMED[function]
    with pytest.raises(InputError) as error:
        tried(function)
    assert what in error.value.what
    assert remedy in error.value.remedy
    assert "\n" not in error.value.what


def test_every_mistake_of_the_file_is_tried() -> None:
    text = MISTAKES.read_text(encoding="utf-8")
    functions = {line[4:].partition("(")[0] for line in text.splitlines() if line[:4] == "def "}
    assert functions - {"double", "_", "gated", "returning"} == NAMED.keys() - {"absent", "network"}


@pytest.mark.parametrize(
    ("place", "what"),
    [
        ("no_file.py:make", "There is no file no_file.py"),
        ("no_such_package.module:make", "No module named 'no_such_package'"),
        (":make", "names no function"),
        ("net.py:", "names no function"),
        ("net.py", "names no function"),
    ],
)
def test_a_place_without_a_function_is_named(place: str, what: str) -> None:
    with pytest.raises(InputError) as error:
        own_spec(place, None, GIVEN, 1, None)
    assert what in error.value.what


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import cupy_of_a_kind", "No module named 'cupy_of_a_kind' (line 1 of net.py)"),
        ("def make(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError: division by zero (line 1 of net.py)"),
    ],
)
def test_a_file_that_does_not_run_is_named(text: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        own_spec(f"{tmp_path / 'net.py'}:make", None, GIVEN, 1, None)
    assert what in error.value.what


def test_the_users_file_imports_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "width_beside.py").write_text("WIDTH = 5\n", encoding="utf-8")
    text = """
from torch import nn
from width_beside import WIDTH
def make_net():
    return nn.Sequential(nn.Conv2d(3, WIDTH, 1)).eval()
"""
    (tmp_path / "net.py").write_text(text, encoding="utf-8")
    before = list(sys.path)
    spec = own_spec(f"{tmp_path / 'net.py'}:make_net", None, GIVEN, 1, None)
    assert sys.path == before
    assert spec.name == "net.make_net"
    assert tensors_of(spec) == [("output", (1, 5, *SIZE))]
    assert spec.own is not None
    assert "was run as your own code" in spec.own.notes[0]


def test_what_needs_no_gradient_is_exported() -> None:
    def doubled(x: Tensor) -> Tensor:
        with torch.no_grad():
            return x * 2

    program = own_exported(Returning(doubled).eval(), torch.randn(1, 3, *SIZE))
    assert "mul" in {operator_name(node) for node in program.graph.nodes}


def test_random_weights_of_a_function_are_the_seeds(tmp_path: Path) -> None:
    text = "from torch import nn\ndef make_net(): return nn.Conv2d(3, 2, 1).eval()\n"
    (tmp_path / "net.py").write_text(text, encoding="utf-8")
    place = f"{tmp_path / 'net.py'}:make_net"
    first, again, other = (
        load_reference(own_spec(place, None, GIVEN, 1, None, seed), None).sha256
        for seed in (0, 0, 1)
    )
    assert first == again != other


PAIR = namedtuple("PAIR", ["maps", "pooled"])


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x, [("output", (1, 4, *SIZE))]),
        (lambda x: (x, x.mean(3)), [("output_0", (1, 4, *SIZE)), ("output_1", (1, 4, 24))]),
        (lambda x: [x.mean((1, 2, 3))], [("output_0", (1,))]),
        (lambda x: PAIR(x, x.mean(1)), [("maps", (1, 4, *SIZE)), ("pooled", (1, *SIZE))]),
        (lambda x: {"b": x, "a": x[0, 0]}, [("b", (1, 4, *SIZE)), ("a", SIZE)]),
        (lambda x: {"p/3": x, 4: x * 2}, [("p_3", (1, 4, *SIZE)), ("output_4", (1, 4, *SIZE))]),
        (lambda x: {"image": x}, [("output_image", (1, 4, *SIZE))]),
    ],
    ids=["tensor", "tuple", "list", "named tuple", "dictionary", "names", "reserved"],
)
def test_outputs_keep_their_names_shapes_and_order(
    function: Callable[[Tensor], object], expected: list[tuple[str, tuple[int, ...]]]
) -> None:
    spec = spec_of(function)
    assert tensors_of(spec) == expected
    assert spec.own is not None
    assert spec.own.kind == "tensors"
    assert load_reference(spec, None).classes == 0


def test_one_row_of_scores_an_image_is_logits() -> None:
    scores = lambda x: x.mean((2, 3))  # noqa: E731
    for batch in (1, 2):
        spec = spec_of(scores, batch)
        assert spec.own is not None
        assert spec.own.kind == "logits"
        assert load_reference(spec, None).classes == 4
    as_tensors = spec_of(scores, kind="tensors").own
    assert as_tensors is not None
    assert as_tensors.kind == "tensors"
    with pytest.raises(InputError, match="not logits"):
        spec_of(lambda x: x, kind="logits")


def test_what_a_network_returns_is_one_row_in_its_order() -> None:
    x = torch.arange(8.0).view(1, 2, 2, 2)
    returned = {"b": x, "a": x.mean((2, 3))}
    assert stack_outputs(returned).tolist() == [[*range(8), 1.5, 5.5]]
    inputs = torch.randn(3, 1, 3, *SIZE)
    network = Returning(lambda x: (x, x.mean(1))).eval()
    assert run_eager(network, inputs).shape == (3, 1, 5 * SIZE[0] * SIZE[1])


def test_a_checkpoint_loads_by_the_rules_of_all(tmp_path: Path) -> None:
    spec = spec_of(lambda x: x)
    weights = {f"module.{k}": v + 1 for k, v in spec.build().state_dict().items()}
    path = tmp_path / "weights.pth"
    torch.save({"epoch": 3, "state_dict_ema": weights}, path)
    loaded = load_reference(spec, path)
    assert loaded.key == "state_dict_ema"
    assert torch.equal(loaded.module.state_dict()["conv.bias"], weights["module.conv.bias"])
    torch.save({"conv.weight": torch.zeros(4, 3, 3, 3)}, path)
    with pytest.raises(InputError, match=r"not of mine: conv\.bias is missing"):
        load_reference(spec, path)
    assert not torch.equal(spec.build().state_dict()["conv.bias"], weights["module.conv.bias"])
