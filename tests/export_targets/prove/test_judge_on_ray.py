"""``evaluate --on ray`` on a cluster of two nodes on this machine, one of which is lost."""

import random
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_models.errors import InputError
from export_targets.progress import silent_reporter
from export_targets.prove import evaluate as evaluating
from export_targets.prove import judge_on_ray
from export_targets.prove.evaluate import Choice, EvaluationReport, Work, evaluate
from tests.conftest import Built
from tests.kills import MOMENTS, results_with_kills

ray = pytest.importorskip("ray")
IMAGES = 40


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of one node; a test adds the others."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def wait_until_one_is_left() -> None:
    """Until the cluster notices that a node was lost."""
    for _ in range(120):
        if len([node for node in ray.nodes() if node["Alive"]]) == 1:
            return
        time.sleep(1)
    raise AssertionError(ray.nodes())


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluating, "CHUNK", 5)


def judged(folder: Path, images: Path, work: Work) -> EvaluationReport:
    return evaluate(folder, Choice(images, limit=IMAGES), None, False, silent_reporter(), work=work)


@pytest.mark.full
def test_a_node_of_other_versions_is_refused(
    cluster: Any, built: Built, digit_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge_on_ray, "_versions", lambda: {"torch": "1.0"})
    with pytest.raises(InputError, match=r"this machine \{'torch': '1\.0'\}"):
        judged(built(recipe="int8").folder, digit_folders, Work(on="ray"))


@pytest.mark.full
def test_ray_gives_what_one_process_gives_and_a_lost_node_changes_nothing(
    cluster: Any, built: Built, digit_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = built(recipe="int8").folder
    second = cluster.add_node(num_cpus=1)
    lost = threading.Event()
    answers = judge_on_ray.judged_on_ray

    def losing_a_node(*given: Any) -> Iterator[Any]:
        for answer in answers(*given):
            if not lost.is_set():
                lost.set()
                cluster.remove_node(second, allow_graceful=False)
            yield answer

    monkeypatch.setattr(judge_on_ray, "judged_on_ray", losing_a_node)
    found = judged(folder, digit_folders, Work(on="ray"))
    assert lost.is_set()
    wait_until_one_is_left()
    assert found == judged(folder, digit_folders, Work(workers=1))


@pytest.mark.full
def test_a_node_lost_at_any_of_ten_random_moments_changes_nothing(
    cluster: Any, built: Built, digit_folders: Path
) -> None:
    folder = built(recipe="int8").folder
    second: list[Any] = []

    def prepare() -> None:
        while second:
            cluster.remove_node(second.pop(), allow_graceful=False)
        wait_until_one_is_left()
        second.append(cluster.add_node(num_cpus=1))

    def kill(_: random.Random) -> bool:
        cluster.remove_node(second.pop(), allow_graceful=False)
        return True

    def work() -> EvaluationReport:
        return judged(folder, digit_folders, Work(on="ray"))

    found = results_with_kills(work, kill, prepare)
    assert found == [judged(folder, digit_folders, Work(workers=1))] * MOMENTS


def test_without_ray_it_says_what_to_install(
    built: Built, digit_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"edgeform\[ray\]"):
        judged(built().folder, digit_folders, Work(on="ray"))
    with pytest.raises(InputError, match="ray"):
        judged(built().folder, digit_folders, Work(on="slurm"))
