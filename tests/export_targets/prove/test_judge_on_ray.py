"""``evaluate --on ray`` on a cluster of two nodes on this machine, one of which is lost."""

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

ray = pytest.importorskip("ray")
IMAGES = 40


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[Any]]:
    """The cluster, and its second node."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
    yield [cluster, second]
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluating, "CHUNK", 5)


def judged(folder: Path, images: Path, work: Work) -> EvaluationReport:
    return evaluate(folder, Choice(images, limit=IMAGES), None, False, silent_reporter(), work=work)


@pytest.mark.full
def test_a_node_of_other_versions_is_refused(
    nodes: list[Any], built: Built, digit_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge_on_ray, "_versions", lambda: {"torch": "1.0"})
    with pytest.raises(InputError, match=r"this machine \{'torch': '1\.0'\}"):
        judged(built(recipe="int8").folder, digit_folders, Work(on="ray"))


@pytest.mark.full
def test_ray_gives_what_one_process_gives_and_a_lost_node_changes_nothing(
    nodes: list[Any], built: Built, digit_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = built(recipe="int8").folder
    cluster, second = nodes
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
    for _ in range(120):
        if len(alive := [node for node in ray.nodes() if node["Alive"]]) == 1:
            break
        time.sleep(1)  # until the cluster notices
    assert len(alive) == 1
    assert found == judged(folder, digit_folders, Work(workers=1))


def test_without_ray_it_says_what_to_install(
    built: Built, digit_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"edgeform\[ray\]"):
        judged(built().folder, digit_folders, Work(on="ray"))
    with pytest.raises(InputError, match="ray"):
        judged(built().folder, digit_folders, Work(on="slurm"))
