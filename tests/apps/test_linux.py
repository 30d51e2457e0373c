"""The C++ runner of ``apps/linux``, built with sanitizers, against the Python side."""

import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_models.images import preprocess, read_image
from edge_models.spec import InputSpec
from export_targets import artifact, linux_runner
from export_targets.artifact import MANIFEST, open_artifact
from export_targets.latency_folder import read_report
from export_targets.runners import linux
from tests.apps.golden import SIZES, noise, with_input
from tests.conftest import Built, Copied, EdgeformInProcess
from tests.export_targets.made_up import edit, sign_again

X86, ARM = "x86-64", "arm64"
MUTATIONS = 200
PROGRAM_BYTES = 20_000  # of a model file; weights follow
SANITIZED = linux_runner.BINARIES / "x86-64-sanitized"
JPEG_DB = 45.0  # stb's inverse transform and colours round otherwise than libjpeg's: measured 48.6

absent = linux_runner.absent(X86)
pytestmark = pytest.mark.skipif(bool(absent), reason=f"the C++ runner: {absent}")
without_arm = linux_runner.absent(ARM)
needs_arm = pytest.mark.skipif(bool(without_arm), reason=f"the ARM64 runner: {without_arm}")


@dataclass(frozen=True)
class Ended:
    """A finished run: its exit code, negative for a signal, and what it printed."""

    code: int
    out: str
    err: str


Runner = Callable[..., Ended]


@pytest.fixture(scope="session")
def binary() -> Path:
    return linux_runner.build(X86, SANITIZED, sanitize=True)


@pytest.fixture(scope="session")
def arm_binary() -> Path:
    return linux_runner.build(ARM, linux_runner.BINARIES / ARM)


@pytest.fixture
def runner(binary: Path) -> Runner:
    def run(*arguments: object, seconds: float = 60) -> Ended:
        command = [str(binary), *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, errors="replace", check=False, timeout=seconds
        )
        assert "Sanitizer" not in done.stderr, done.stderr
        assert "runtime error" not in done.stderr, done.stderr
        return Ended(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def in_place(binary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sanitized program in the place of the one that `make runner` makes."""
    program = linux_runner.program
    monkeypatch.setattr(linux, "program", lambda name: binary if name == X86 else program(name))


@pytest.mark.parametrize("recipe", ["fp32", "int8"])
def test_the_self_test_passes(recipe: str, built: Built, runner: Runner) -> None:
    ran = runner("selftest", built(recipe=recipe).folder)
    assert ran.code == 0, ran.err
    assert "16 samples, SQNR 200.0 dB" in ran.out
    assert ran.out.endswith("passed\n")


def test_both_heads_and_a_batch_run(built: Built, runner: Runner) -> None:
    folder = built("digits_conformer", heads="both", batch=2).folder
    ran = runner("selftest", folder)
    assert (ran.code, "SQNR 200.0 dB" in ran.out) == (0, True), ran.err
    assert runner("classify", folder, folder / "golden/image_0_0.png").code == 0


@pytest.mark.parametrize("value", [1.0, np.nan])
def test_a_self_test_below_its_mark_fails(
    value: float, built: Built, copied: Copied, runner: Runner
) -> None:
    folder = copied(built().folder)
    path = folder / artifact.GOLDEN / "expected_3.f32"
    (np.fromfile(path, "<f4") + np.float32(value)).tofile(path)
    sign_again(folder)
    ran = runner("selftest", folder)
    assert (ran.code, ran.out[-7:]) == (1, "FAILED\n")


def test_an_image_is_classified_as_the_python_side_does(built: Built, runner: Runner) -> None:
    folder = built().folder
    opened = open_artifact(folder)
    logits = opened.logits("expected")[:, 0].softmax(-1)
    for sample in range(3):
        ran = runner("classify", folder, folder / artifact.GOLDEN / f"image_{sample}.png")
        assert ran.code == 0, ran.err
        probabilities, classes = logits[sample].topk(5)
        found = [line.split() for line in ran.out.splitlines()]
        assert [line[2] for line in found] == [opened.labels()[c] for c in classes]
        assert [float(line[0]) / 100 for line in found] == pytest.approx(
            probabilities.tolist(), abs=1e-4
        )


def prepared(
    runner: Runner, folder: Path, content: bytes, spec: InputSpec, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The runner's input for an image file and the Python side's."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    changed = with_input(manifest, spec, size)
    (folder / MANIFEST).write_text(json.dumps(changed), encoding="utf-8")
    image, out = folder / "image", folder / "input.f32"
    image.write_bytes(content)
    ran = runner("prepare", folder, image, out)
    assert ran.code == 0, ran.err
    expected = preprocess(read_image(image), spec, size).numpy()
    return np.fromfile(out, "<f4").reshape(expected.shape), expected


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def bare(built: Built, tmp_path: Path) -> Path:
    """A manifest alone."""
    folder = tmp_path / "bare"
    folder.mkdir()
    shutil.copy(built().folder / MANIFEST, folder)
    return folder


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_png_is_prepared_to_the_bit(interpolation: Any, bare: Path, runner: Runner) -> None:
    generator = np.random.default_rng(0)
    spec = InputSpec(interpolation=interpolation)
    for (width, height), size in SIZES:
        content = encoded(noise(width, height, generator))
        found, expected = prepared(runner, bare, content, spec, size)
        assert found.tobytes() == expected.tobytes(), (width, height, size)


def pictures() -> dict[str, bytes]:
    """Image files of every kind that the runner reads."""
    generator = np.random.default_rng(1)
    image = noise(90, 70, generator)
    alpha = Image.fromarray(generator.integers(0, 256, (70, 90, 4)).astype(np.uint8))
    deep = Image.fromarray(generator.integers(0, 65536, (70, 90)).astype(np.uint16))
    found = {
        "grey": encoded(image.convert("L")),
        "grey with alpha": encoded(alpha.convert("LA")),
        "alpha": encoded(alpha),
        "palette": encoded(image.quantize(64)),
        "16 bits": encoded(deep),
        "one bit": encoded(image.convert("1")),
        "interlaced": encoded(image, interlace=True),
    }
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        found[f"turned {orientation}"] = encoded(image, exif=exif)
    return found


def test_every_kind_of_png_is_prepared_to_the_bit(bare: Path, runner: Runner) -> None:
    for kind, content in pictures().items():
        found, expected = prepared(runner, bare, content, InputSpec(), (64, 64))
        assert found.tobytes() == expected.tobytes(), kind


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_is_prepared_within_its_gate(orientation: int, bare: Path, runner: Runner) -> None:
    from sklearn.datasets import load_sample_image

    exif = Image.Exif()
    exif[0x0112] = orientation
    photograph = Image.fromarray(load_sample_image("china.jpg"))
    content = encoded(photograph, "JPEG", quality=90, exif=exif)
    found, expected = prepared(runner, bare, content, InputSpec(), (224, 224))
    noise_ratio = 10 * np.log10((expected**2).sum() / ((found - expected) ** 2).sum())
    assert noise_ratio > JPEG_DB


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no known format"),
        (b"GIF89a", "no known format"),
        (encoded(Image.new("RGB", (10_100, 100))), "it is too long"),
        (encoded(Image.new("L", (9500, 9500))), "it has too many pixels"),
        (encoded(Image.new("RGB", (64, 64)))[:60], ""),
    ],
    ids=["empty", "gif", "long", "large", "cut"],
)
def test_an_image_that_cannot_be_read_is_refused(
    content: bytes, why: str, bare: Path, runner: Runner
) -> None:
    (bare / "image").write_bytes(content)
    ran = runner("prepare", bare, bare / "image", bare / "out")
    assert ran.code == 2
    assert f"cannot be read: {why}" in ran.err


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


def test_a_benchmark_gives_a_report_that_is_taken(
    built: Built, copied: Copied, runner: Runner, tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    folder, path = copied(built().folder), tmp_path / "report.json"
    options = ["--iterations", 7, "--warmup", 2, "--threads", 1, "--out", path]
    ran = runner("bench", folder, *options)
    assert ran.code == 0, ran.err
    report = read_report(path)
    assert (report.runner, report.iterations, report.warmup) == (X86, 7, 2)
    assert (report.runtime.threads, report.image.width) == (1, 64)
    assert edgeform("profile", folder, "--import", path).code == 0


@pytest.mark.usefixtures("in_place")
def test_verify_takes_the_runner_and_adds_its_hop(
    built: Built, edgeform: EdgeformInProcess, digit_folders: Path
) -> None:
    folder = built(recipe="int8").folder
    for images in ([], ["--images", digit_folders / "3"]):
        ran = edgeform("verify", folder, "--runner", X86, *images, "--json")
        assert ran.code == 0, ran.err
        hop = ran.document["hops"][-1]
        assert (hop["name"], hop["runner"], hop["sqnr_db"]) == ("device", X86, 200.0)
        assert hop["samples"] >= 16


@pytest.mark.usefixtures("in_place")
def test_profile_takes_the_runner(
    built: Built, copied: Copied, edgeform: EdgeformInProcess
) -> None:
    folder = copied(built().folder)
    ran = edgeform("profile", folder, "--runner", X86, "--iterations", 6, "--json")
    assert ran.code == 0, ran.err
    (report,) = ran.document["latency"]
    assert (report["runner"], report["iterations"], report["operators"]) == (X86, 6, None)
    assert (folder / "latency/x86-64-1.json").is_file()


def test_a_runner_that_is_not_built_says_how(
    built: Built, edgeform: EdgeformInProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(linux_runner, "BINARIES", tmp_path)
    for name, target in ((X86, "make runner"), (ARM, "make runner-arm64")):
        ran = edgeform("verify", built().folder, "--runner", name)
        assert (ran.code, ran.err.splitlines()[-1]) == (2, target)


@needs_arm
@pytest.mark.usefixtures("arm_binary")
@pytest.mark.parametrize(("recipe", "least"), [("fp32", 100.0), ("int8", 200.0)])
def test_arm64_gives_the_same_logits(
    recipe: str, least: float, built: Built, edgeform: EdgeformInProcess
) -> None:
    ran = edgeform("verify", built(recipe=recipe).folder, "--runner", ARM, "--json")
    assert ran.code == 0, ran.err
    hop = ran.document["hops"][-1]
    assert (hop["name"], hop["from"], hop["runner"]) == ("device", "own runner", ARM)
    assert hop["sqnr_db"] >= least
    assert hop["top1_agreement"] == 1.0


@needs_arm
@pytest.mark.skipif(linux_runner.is_native(ARM), reason="this is an ARM64 processor")
def test_an_emulated_processor_gives_no_times_and_the_wrong_one_nothing(
    arm_binary: Path, built: Built, edgeform: EdgeformInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = built().folder
    times = edgeform("profile", folder, "--runner", ARM)
    assert (times.code, "its processor is emulated" in times.err) == (2, True)
    emulator = ["qemu-aarch64", "-L", linux.SYSROOT, "-cpu"]
    for cpu, command, why in (
        (linux.DEFAULT_CPU, "turns", "emulated processor: its times"),
        (linux.WRONG_CPU, "selftest", "qemu 7.2 computes wrongly"),
    ):
        done = subprocess.run(
            [*emulator, cpu, str(arm_binary), command, str(folder)],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert (done.returncode, why in done.stderr) == (2, True), done.stderr
    monkeypatch.setenv(linux.CPU, linux.WRONG_CPU)
    wrong = edgeform("verify", folder, "--runner", ARM)
    assert (wrong.code, "computes wrongly" in wrong.err) == (2, True)


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
    for index in range(MUTATIONS // 2):
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


def test_a_model_of_another_input_or_output_is_refused(
    built: Built, copied: Copied, runner: Runner
) -> None:
    folder = copied(built().folder)
    edit(folder, lambda content: content["output"].update(heads="both"))
    assert (
        "another output than its manifest"
        in runner("classify", folder, folder / "golden/image_0.png").err
    )
    edit(folder, lambda content: content["output"].update(heads="mean"))
    edit(folder, lambda content: content["input"].update(shape=[1, 3, 32, 32]))
    edit(folder, lambda content: content["input"]["resize"].update(crop=[32, 32]))
    assert (
        "another input than its manifest"
        in runner("classify", folder, folder / "golden/image_0.png").err
    )


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("selftest",),
        ("selftest", "/no such"),
        ("dance", "A"),
        ("selftest", "A", "more"),
        ("selftest", "A", "--threads"),
        ("selftest", "A", "--threads", "-1"),
        ("selftest", "A", "--threads", "1x"),
        ("selftest", "A", "--surprise", "1"),
        ("bench", "A"),
        ("bench", "A", "--out", "/no such/report.json"),
        ("logits", "A", "A/manifest.json", "out"),
        ("classify", "A", "/no such"),
    ],
    ids=str,
)
def test_wrong_arguments_end_with_2(
    arguments: tuple[str, ...], built: Built, runner: Runner
) -> None:
    folder = str(built().folder)
    ran = runner(*(word.replace("A", folder) if word[:1] == "A" else word for word in arguments))
    assert ran.code == 2
    assert len(ran.err.splitlines()) >= 2
