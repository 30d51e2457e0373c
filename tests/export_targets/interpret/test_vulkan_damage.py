"""Damaged Vulkan files: refused with a clear line, whatever is wrong with them."""

import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from export_targets.interpret.refusal import RefusedError
from export_targets.interpret.vk.graph import Call, Graph, TensorValue, Values
from export_targets.interpret.vk.read import read_delegate
from export_targets.interpret.vulkan import run
from tests.conftest import SMALL, Built, Copied, EdgeformInProcess
from tests.export_targets.made_up import sign_again

MUTATIONS = 200
HEADER = b"VH00"  # of a delegate


@pytest.fixture(scope="module")
def whole(built: Built) -> bytes:
    return (built(SMALL, "vulkan", "fp16").folder / "model.pte").read_bytes()


def shorten(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def scatter(data: bytearray, chance: random.Random) -> None:
    """Some bytes of the program and of the delegate's graph, where numbers point to numbers."""
    end = data.find(HEADER) + 30_000
    for _ in range(chance.randrange(1, 8)):
        data[chance.randrange(8, end)] = chance.randrange(256)


def overwrite(data: bytearray, chance: random.Random) -> None:
    """A number of the delegate's graph becomes an extreme one."""
    start = data.find(HEADER) + 30
    place = chance.randrange(start, start + 30_000, 4)
    extreme = chance.choice((0, 1, 2**31 - 1, 2**32 - 1, 2**16, 7))
    data[place : place + 4] = struct.pack("<I", extreme)


def swap(data: bytearray, chance: random.Random) -> None:
    """Two pieces change places."""
    size, end = 64, data.find(HEADER) + 30_000
    first, second = (chance.randrange(64, end - size) for _ in range(2))
    kept = data[first : first + size]
    data[first : first + size] = data[second : second + size]
    data[second : second + size] = kept


WAYS: tuple[Callable[[bytearray, random.Random], None], ...] = (shorten, scatter, overwrite, swap)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_mutated_file_is_refused_or_still_gives_logits(
    way: Callable[[bytearray, random.Random], None], whole: bytes, tmp_path: Path
) -> None:
    path, sample = tmp_path / "model.pte", torch.rand(1, 3, 64, 64)
    refused = 0
    for seed in range(MUTATIONS // len(WAYS)):
        data = bytearray(whole)
        way(data, random.Random(seed))
        path.write_bytes(data)
        try:
            logits = run(read_delegate(path), sample)
        except RefusedError:
            refused += 1
        else:
            assert logits.dim() == 2
    assert refused > 0


def cut(content: bytearray) -> None:
    del content[len(content) // 2 :]


def move_the_graph(content: bytearray) -> None:
    start = content.find(HEADER) - 4
    content[start + 10 : start + 14] = struct.pack("<I", 2**31)


def rename_an_operator(content: bytearray) -> None:
    place = content.find(b"aten.cat.default")
    content[place : place + 16] = b"aten.dog.default"


REFUSED = {
    "cut in half": (cut, "cannot be read"),
    "a graph beyond its delegate": (move_the_graph, "beyond it"),
    "an operator that is not known": (rename_an_operator, "aten.dog.default"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_verify_exits_with_1_and_a_line_for(
    name: str, built: Built, copied: Copied, edgeform: EdgeformInProcess
) -> None:
    change, said = REFUSED[name]
    folder = copied(built(SMALL, "vulkan", "fp16").folder)
    content = bytearray((folder / "model.pte").read_bytes())
    change(content)
    (folder / "model.pte").write_bytes(content)
    sign_again(folder)
    ran = edgeform("verify", folder)
    assert ran.code == 1
    assert said in " ".join(ran.err.split())
    assert "Traceback" not in ran.err


F32 = TensorValue(torch.float32, (1, 4))
BYTES = TensorValue(torch.int8, (1, 4))
TALL, FLAT = TensorValue(torch.float32, (4, 1)), TensorValue(torch.float32, (4,))
IN, OUT = (0,), (1,)
RELU = Call("aten.relu.default", IN, 1)
WRONG = {
    "before it is computed": Graph((F32, F32, F32), (Call(RELU.operator, (2,), 1),), IN, OUT),
    "is never computed": Graph((F32, F32), (), IN, OUT),
    "is declared": Graph((F32, TALL), (RELU,), IN, OUT),
    "float32 where torch.int8": Graph((F32, BYTES), (RELU,), IN, OUT),
    "writes to what is no tensor": Graph((F32, 3), (RELU,), IN, OUT),
    "has 2 results, not 1": Graph((F32, Values((2, 2)), F32), (RELU,), IN, (2,)),
    "has 2 arguments, not 1": Graph((F32, F32), (Call(RELU.operator, (0, 0), 1),), IN, OUT),
    "cannot be computed": Graph(
        (F32, FLAT, (5, 1)), (Call("aten.view_copy.default", (0, 2), 1),), IN, OUT
    ),
    "does not know": Graph((F32, F32), (Call("aten.dog.default", IN, 1),), IN, OUT),
}


@pytest.mark.parametrize("said", WRONG)
def test_a_graph_that_does_not_hold_together_is_refused(said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        run(WRONG[said], torch.rand(1, 4))
