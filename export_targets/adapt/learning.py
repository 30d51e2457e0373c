"""The loop that learns the teacher's answers, batch by batch, until that does not help any more.

Distillation without labels (Hinton et al., "Distilling the Knowledge in a Neural Network",
arXiv:1503.02531), optimized by Adam (Kingma and Ba, arXiv:1412.6980).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_models.training.fit import augment
from export_targets.progress import Reporter

BATCH = 8
ROUND = 25  # steps between two looks at the held-out images
LEARNING_RATE = 2e-5
SLOWER = 0.5  # the learning rate's factor where a round was no better
PATIENCE = 3  # rounds without a better one, of which each learns slower, until it stops

MOMENTS = ("exp_avg", "exp_avg_sq")  # as torch's Adam calls them

Logits = Callable[[Tensor], Tensor]  # (N, K) of images (N, 3, H, W)
Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Score:
    """On held-out images: how many have the teacher's top-1, and the mean divergence of the
    probabilities from the teacher's, in nats.
    """

    agreeing: int
    divergence: float

    def better(self, other: "Score") -> bool:
        """Nearer: of some hundred images hardly one more agrees after a round that helps."""
        return self.divergence < other.divergence


@dataclass(frozen=True)
class State:
    """Where the learning is after ``steps``: the parameters to go on from, the best ones, reached
    after ``best_steps``, and Adam's two moments, by the parameters' names.
    """

    steps: int
    best_steps: int
    rate: float
    waited: int
    best: Score
    tensors: Tensors  # "now/<name>", "best/<name>", and "<moment>/<name>" of each of MOMENTS

    @property
    def ended(self) -> bool:
        """Whether it did not help for so long that it goes on no more."""
        return self.waited >= PATIENCE

    def part(self, part: str) -> Tensors:
        """The tensors of one kind by the parameters' names."""
        start = f"{part}/"
        return {n.removeprefix(start): t for n, t in self.tensors.items() if n.startswith(start)}


@dataclass(frozen=True)
class Lesson:
    """``teacher``, ``student`` and ``floating`` give logits of the same images: ``images``
    (N, 3, H, W) to learn from, ``held_out`` (M, 3, H, W) to see whether it helps, of which the
    teacher's answers are ``known`` (M, K). ``module`` has the parameters of the student, which
    rounds them, and of ``floating``, which does not and learns too: else a file of the recipe would
    be far from its own weights in FP32.
    """

    teacher: Logits
    student: Logits
    floating: Logits
    module: nn.Module
    images: Tensor
    held_out: Tensor
    known: Tensor
    seed: int

    @torch.no_grad()
    def score(self) -> Score:
        """Of the student as it is, on the held-out images."""
        actual = self.student(self.held_out)
        agreeing = int((self.known.argmax(1) == actual.argmax(1)).sum())
        return Score(agreeing, _divergence(self.known, actual).item())


def begin(lesson: Lesson, unlearned: Score) -> State:
    """Before the first step."""
    best = {name: value.detach().clone() for name, value in lesson.module.named_parameters()}
    zeros = {name: torch.zeros_like(value) for name, value in best.items()}
    tensors = _joined({"now": best, "best": best, **dict.fromkeys(MOMENTS, zeros)})
    return State(0, 0, LEARNING_RATE, 0, unlearned, tensors)


def learn(
    lesson: Lesson, state: State, deadline: float, keep: Callable[[State], None], reporter: Reporter
) -> State:
    """Rounds of steps until none helps any more or ``time.monotonic()`` is past the deadline;
    ``keep`` is given the state after each.
    """
    while not state.ended and time.monotonic() < deadline:
        state, score = _round(lesson, state)
        keep(state)
        left = max(0.0, deadline - time.monotonic()) / 60
        reporter.note(
            f"{state.steps} steps: {score.agreeing} of {len(lesson.held_out)} agree, "
            f"{score.divergence:.5f} nats apart, {state.best.divergence:.5f} at best; "
            f"at most {left:.1f} min left"
        )
    return state


def _round(lesson: Lesson, state: State) -> tuple[State, Score]:
    """``ROUND`` steps; the mean of their weights is scored, which wanders less than each does
    (Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992). After a
    round that was no better the next one begins at the best weights, at a lower rate.
    """
    module = lesson.module
    set_parameters(module, state.part("now"))
    parameters = dict(module.requires_grad_(True).named_parameters())
    optimizer = torch.optim.Adam(parameters.values(), lr=state.rate)
    for name, parameter in parameters.items():
        optimizer.state[parameter] = {
            "step": torch.tensor(float(state.steps)),
            **{moment: state.tensors[f"{moment}/{name}"].clone() for moment in MOMENTS},
        }
    mean = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    for step in range(state.steps, state.steps + ROUND):
        _step(lesson, optimizer, torch.Generator().manual_seed(lesson.seed + step))
        for name, parameter in parameters.items():
            mean[name] += parameter.detach() / ROUND
    moments = {m: {n: optimizer.state[p][m] for n, p in parameters.items()} for m in MOMENTS}
    module.requires_grad_(False)
    now = {name: parameter.clone() for name, parameter in parameters.items()}
    set_parameters(module, mean)
    score = lesson.score()
    better = score.better(state.best)
    best = mean if better else state.part("best")
    tensors = _joined({"now": now if better else best, "best": best, **moments})
    after = replace(state, steps=state.steps + ROUND, tensors=tensors)
    if better:
        return replace(after, best=score, best_steps=after.steps, waited=0), score
    return replace(after, waited=state.waited + 1, rate=state.rate * SLOWER), score


def _step(lesson: Lesson, optimizer: torch.optim.Adam, generator: torch.Generator) -> None:
    """One batch of images, changed a little."""
    chosen = torch.randint(len(lesson.images), (BATCH,), generator=generator)
    images = augment(lesson.images[chosen], generator)
    with torch.no_grad():
        expected = lesson.teacher(images)
    optimizer.zero_grad()
    for learning in (lesson.student, lesson.floating):
        _divergence(expected, learning(images)).backward()
    optimizer.step()


@torch.no_grad()
def set_parameters(module: nn.Module, values: Tensors) -> None:
    """Give a module's parameters these numbers, by their names."""
    for name, value in values.items():
        module.get_parameter(name).copy_(value)


def _divergence(expected: Tensor, actual: Tensor) -> Tensor:
    """Kullback and Leibler's, of the probabilities, in nats; the mean over rows."""
    student, teacher = actual.log_softmax(1), expected.log_softmax(1)
    return F.kl_div(student, teacher, reduction="batchmean", log_target=True)


def _joined(parts: dict[str, Tensors]) -> Tensors:
    return {f"{part}/{name}": value for part, held in parts.items() for name, value in held.items()}
