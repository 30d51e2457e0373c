"""The loop: it learns, it is the same each time, and it goes on where it was stopped."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_models.errors import InputError
from export_targets.adapt import learning
from export_targets.adapt.kept import Kept
from export_targets.adapt.learning import Lesson, Score, State, begin, learn
from export_targets.progress import silent_reporter

FOR_EVER = float("inf")


class Linear(nn.Module):
    """Logits of an image's mean colours."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(4, 3, generator=generator), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.mean((2, 3)) * 4, self.weight)


def lesson(student_seed: int = 1) -> Lesson:
    """A student that begins with other weights than its teacher."""
    images = torch.randn(48, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    images += torch.randn(48, 3, 1, 1, generator=torch.Generator().manual_seed(1))
    teacher, student, held_out = Linear(0), Linear(student_seed), images[32:]
    known = teacher(held_out)
    return Lesson(teacher, student, student, student, images[:32], held_out, known, 0)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "LEARNING_RATE", 0.05)


def learned(one: Lesson, keep: Callable[[State], None] = lambda state: None) -> State:
    """Until it stops by itself."""
    return learn(one, begin(one, one.score()), FOR_EVER, keep, silent_reporter())


def test_it_learns_and_stops_by_itself() -> None:
    one = lesson()
    before = one.score()
    state = learned(one)
    assert state.best.better(before)
    assert state.best.divergence < before.divergence / 10
    assert state.best.agreeing >= 15  # of 16
    assert 0 < state.best_steps < state.steps


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second = (learned(lesson()).part("best")["weight"] for _ in range(2))
    assert torch.equal(first, second)


def test_it_goes_on_to_the_bit_where_it_was_stopped(tmp_path: Path) -> None:
    whole = learned(lesson())
    kept = Kept(tmp_path / "weights.safetensors", "as asked")

    def two_rounds(state: State) -> None:
        kept.write(state)
        if state.steps == 2 * learning.ROUND:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learned(lesson(), two_rounds)
    stopped = kept.read()
    assert stopped is not None
    assert stopped.steps == 2 * learning.ROUND
    again = learn(lesson(), stopped, FOR_EVER, kept.write, silent_reporter())
    assert (again.steps, again.best) == (whole.steps, whole.best)
    assert torch.equal(again.part("best")["weight"], whole.part("best")["weight"])


def test_a_student_that_is_its_teacher_gains_nothing() -> None:
    state = learned(lesson(student_seed=0))
    assert state.best_steps == 0
    assert state.best == Score(16, 0.0)


def test_it_does_not_begin_past_its_time() -> None:
    one = lesson()
    state = learn(
        one, begin(one, one.score()), time.monotonic() - 1, lambda state: None, silent_reporter()
    )
    assert state.steps == 0


def test_another_command_does_not_go_on_from_it(tmp_path: Path) -> None:
    place, one = tmp_path / "weights.safetensors", lesson()
    Kept(place, "as asked").write(begin(one, one.score()))
    assert Kept(place, "otherwise").read() is None
    assert Kept(tmp_path / "other.safetensors", "as asked").read() is None


@pytest.mark.parametrize("content", [b"", b"no safetensors", b"\x00" * 64])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    kept = Kept(tmp_path / "weights.safetensors", "as asked")
    kept.stopped.write_bytes(content)
    with pytest.raises(InputError, match=r"weights\.safetensors\.learning cannot be read"):
        kept.read()


def test_a_checkpoint_of_another_command_stays(tmp_path: Path) -> None:
    place = tmp_path / "weights.safetensors"
    Kept(place, "as asked").end({"a": torch.ones(1)}, ended=True)
    Kept(place, "as asked").check_replaceable(force=False)
    Kept(place, "otherwise").check_replaceable(force=True)
    with pytest.raises(InputError, match="not from this model, recipe and images"):
        Kept(place, "otherwise").check_replaceable(force=False)
