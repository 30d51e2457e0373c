"""Which files are timed, and by whom."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge_models.errors import InputError
from export_targets.artifact.folder import open_artifact, read_manifest
from export_targets.artifact.latency_folder import model_digest
from export_targets.artifact.latency_report import Phase, Phases
from export_targets.artifact.manifest import to_json
from export_targets.progress import silent_reporter
from export_targets.runner import all_runners
from export_targets.tune.timing import latencies, untimed
from tests.export_targets.made_up import sign_again, write_made_up
from tests.export_targets.made_up_latency import made_up_report


def test_a_target_that_nothing_here_can_time_is_named_with_the_reason() -> None:
    assert untimed(None, ["xnnpack"]) == {}
    assert list(untimed(None, ["xnnpack", "vulkan", "coreml"])) == ["vulkan", "coreml"]
    assert list(untimed("adb", ["xnnpack", "coreml"])) == ["coreml"]
    with pytest.raises(InputError, match="gives no times"):
        untimed("interpreter", ["vulkan"])


def test_a_phone_times_each_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = {
        name: open_artifact(_made_up(tmp_path / name, content, target))
        for name, content, target in (
            ("slow", b"one", "xnnpack"),
            ("the same", b"one", "xnnpack"),
            ("fast", b"two", "xnnpack"),
            ("not for it", b"three", "coreml"),
        )
    }
    times, asked = {"slow": 9.0, "fast": 3.0}, list[tuple[str, int]]()

    def measure(
        folder: Path,
        threads: int,
        warmup: int,
        iterations: int,
        report: Path,
        advance: Callable[[], None],
    ) -> None:
        asked.append((folder.name, threads))
        manifest, phase = read_manifest(folder), Phase.of([times[folder.name]])
        none = Phase.of([0.0])
        written = made_up_report(
            artifact=manifest.name,
            model_sha256=model_digest(manifest),
            runner="adb",
            iterations=1,
            phases=Phases(preprocess=none, execute=phase, postprocess=none, total=phase),
            ratios=(),
        )
        report.write_text(to_json(written.model_dump(mode="json")))

    phone = replace(all_runners()["adb"], measure=measure)
    monkeypatch.setitem(all_runners(), "adb", phone)
    why = untimed("adb", ["xnnpack", "coreml"])
    found = latencies(built, "adb", 2, why, silent_reporter())
    p50 = {name: report.phases.execute.p50_ms for name, report in found.items()}
    assert p50 == {"slow": 9.0, "the same": 9.0, "fast": 3.0}
    assert sorted(asked) == [("fast", 2), ("slow", 2)]
    assert latencies({}, "adb", 2, why, silent_reporter()) == {}


def _made_up(folder: Path, content: bytes, target: str) -> Path:
    write_made_up(folder, target={"name": target, "options": {}})
    (folder / "model.pte").write_bytes(content)
    sign_again(folder)
    return folder
