"""Kills at random moments of some work: the same moments in every run, as shares of its time."""

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")
MOMENTS = 10
MOST_ROUNDS = 2 * MOMENTS  # some end before their moment comes


def results_with_kills(
    work: Callable[[], Result],
    kill: Callable[[random.Random], bool],
    prepare: Callable[[], None] = lambda: None,
    seed: int = 0,
) -> list[Result]:
    """What the work gives in each of ten rounds in which something was killed before it ended.
    ``kill`` says whether there was something; ``prepare`` is called before each round.
    """
    chance = random.Random(seed)
    prepare()
    begun = time.monotonic()
    work()
    seconds, results = time.monotonic() - begun, list[Result]()
    for _ in range(MOST_ROUNDS):
        prepare()
        result, killed = _struck(work, kill, chance.uniform(0, seconds), chance)
        results += [result] if killed else []
        if len(results) == MOMENTS:
            return results
    raise AssertionError(f"of {MOST_ROUNDS} rounds {len(results)} were hit")


def _struck(
    work: Callable[[], Result],
    kill: Callable[[random.Random], bool],
    moment: float,
    chance: random.Random,
) -> tuple[Result, bool]:
    """What the work gives, and whether something was killed from a moment on, in seconds."""
    done, killed = threading.Event(), threading.Event()

    def strike() -> None:
        wait = moment
        while not done.wait(wait):
            if kill(chance):
                killed.set()
                return
            wait = 0.01

    thread = threading.Thread(target=strike)
    thread.start()
    try:
        result = work()
    finally:
        done.set()
        thread.join()
    return result, killed.is_set()
