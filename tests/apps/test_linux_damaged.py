"""The C++ runner on damaged artifacts: an answer or exit code 2, nothing outside is opened."""

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from export_targets.artifact import folder as artifact
from export_targets.artifact.folder import MANIFEST
from tests.apps.conftest import Runner, needs_runner
from tests.conftest import Built, Copied
from tests.export_targets.made_up import sign_again

MUTATIONS = 200
PROGRAM_BYTES = 20_000  # of a model file; weights follow

pytestmark = needs_runner


def bait(folder: Path) -> Path:
    """A pipe outside the artifact: whoever opens it to read waits until the test fails."""
    path = folder.parent / "bait"
    if not path.exists():
        os.mkfifo(path)
    return path


def places(content: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where each value of a document stands."""
    steps = content.items() if isinstance(content, dict) else enumerate(content)
    found = []
    for step, value in steps:
        found.append((*above, step))
        if isinstance(value, dict | list):
            found += places(value, (*above, step))
    return found


def test_mutated_manifests_are_read_or_refused(
    built: Built, copied: Copied, runner: Runner
) -> None:
    folder = copied(built().folder)
    outside = bait(folder)
    (folder / "link").symlink_to(outside)
    original = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    values: list[Any] = [None, "", "x", -1, 0, 0.5, 1e300, 2**63, 2**64, True, [], {}, [1] * 4, "1"]
    values += ["../bait", str(outside), "link", "golden/../../bait", "a\\b", "a\0b", "9.0", "."]
    paths = [place for place in places(original) if place[-1] == "path"]
    generator = random.Random(0)
    codes = []
    for index in range(MUTATIONS):
        content = json.loads(json.dumps(original))
        changes = generator.randrange(1, 3)
        for _ in range(changes):
            chosen = paths if index % 4 == 0 else places(content)
            place, part = generator.choice(chosen), content
            try:
                for step in place[:-1]:
                    part = part[step]
                part[place[-1]] = generator.choice(values)
            except (TypeError, KeyError, IndexError):
                continue  # an earlier change took the place away
        text = json.dumps(content).encode()
        if index % 5 == 1:
            cut = generator.randrange(len(text))
            text = (
                text[:cut]
                + bytes([generator.randrange(256)])
                + text[cut + generator.randrange(9) :]
            )
        (folder / MANIFEST).write_bytes(text)
        ran = runner("selftest", folder, seconds=30)
        assert ran.code in (0, 1, 2), ran.err
        if ran.code == 2:
            assert len(ran.err.splitlines()) >= 2
        codes.append(ran.code)
    assert codes.count(2) > MUTATIONS / 3
    assert codes.count(0) > 10  # fields that the runner does not read


@pytest.mark.parametrize("text", [b"[" * 1_000_000, b'{"a":' * 1_000_000, b"\xff" * 99, b"1"])
def test_what_is_no_manifest_is_refused(text: bytes, bare: Path, runner: Runner) -> None:
    (bare / MANIFEST).write_bytes(text)
    assert runner("selftest", bare).code == 2


def test_changed_files_are_refused_by_their_digests(
    built: Built, copied: Copied, runner: Runner
) -> None:
    folder = copied(built().folder)
    generator = random.Random(0)
    for name in ("model.pte", "golden/input_3.f32", "golden/expected_15.f32"):
        path = folder / name
        original = path.read_bytes()
        for _ in range(10):
            content = bytearray(original)
            content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
            path.write_bytes(content)
            ran = runner("selftest", folder)
            assert (ran.code, "digest differs" in ran.err) == (2, True)
        path.write_bytes(original)


def test_mutated_models_that_were_signed_again_end_without_a_crash(
    built: Built, copied: Copied, runner: Runner
) -> None:
    folder = copied(built(recipe="int8").folder)
    path = folder / "model.pte"
    original, generator, codes = path.read_bytes(), random.Random(0), []
    for index in range(MUTATIONS):
        content = bytearray(original)
        end = PROGRAM_BYTES if index % 2 else len(content)
        for _ in range(generator.randrange(1, 4)):
            content[generator.randrange(end)] = generator.randrange(256)
        path.write_bytes(content)
        sign_again(folder)
        codes.append(runner("selftest", folder).code)
    assert set(codes) <= {0, 1, 2}
    assert codes.count(2) > MUTATIONS / 10


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.5, 0.99])
def test_a_truncated_model_is_refused_by_the_runtime(
    share: float, built: Built, copied: Copied, runner: Runner
) -> None:
    folder = copied(built().folder)
    content = (folder / "model.pte").read_bytes()
    (folder / "model.pte").write_bytes(content[: int(len(content) * share)])
    sign_again(folder)
    ran = runner("selftest", folder)
    assert ran.code == 2
    assert "The model does not load" in ran.err


@pytest.mark.parametrize("length", [0, 1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 128])
def test_a_file_of_any_length_has_its_digest(
    length: int, built: Built, copied: Copied, runner: Runner
) -> None:
    folder = copied(built().folder)
    path = folder / artifact.GOLDEN / "expected_0.f32"
    path.write_bytes(bytes(range(length)))
    sign_again(folder)
    # its length is wrong, which is found after its digest
    assert f"expected_0.f32 has not {10} numbers" in runner("selftest", folder).err
    path.write_bytes(bytes(range(1, length + 1)))
    if length:
        assert "its digest differs" in runner("selftest", folder).err
