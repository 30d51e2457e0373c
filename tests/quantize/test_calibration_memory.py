"""What calibrating on 144 photographs of 12 megapixels takes: decoded together they are 5.2 GB."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import skimage
from PIL import Image

from edge_models.images import read_image
from edge_models.photographs import photographs
from tests.photographs import NAMES

COUNT, SIZE = 144, (4000, 3000)
READING_GB = 0.3  # more than before the first image; measured 0.17
BUILD_GB = 5.0  # measured 4.3
MODEL = "cotnet50_simple"
PEAK = """
import json, sys
from export_targets.runners.processes.phases import peak_memory_bytes
"""
READ = f"""
from edge_models.catalog import model_spec
from quantize.calibration import Wanted, image_sets
before = peak_memory_bytes()
wanted = Wanted((224, 224), 128, 16, 16, 0)
sets = image_sets(model_spec("{MODEL}"), sys.argv[1], wanted, lambda: None)
taken = len(sets.calibration.crops) + len(sets.judged.crops)
print(json.dumps({{"taken": taken, "gigabytes": (peak_memory_bytes() - before) / 1e9}}))
"""
BUILD = f"""
from pathlib import Path
from export_targets import pipeline
from export_targets.progress import silent_reporter
from export_targets.request import BuildRequest
pipeline._first_apart = lambda *given: ()  # random weights may miss a gate: no layer is looked for
out = Path(sys.argv[1]).parent / "artifact"
options = {{"model": "{MODEL}", "target": "xnnpack", "recipe": "int8", "out": out}}
result = pipeline.build(BuildRequest(calibration=sys.argv[1], **options), silent_reporter())
taken = result.manifest.calibration.samples
print(json.dumps({{"taken": taken, "gigabytes": peak_memory_bytes() / 1e9}}))
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs enlarged, as JPEG and PNG, each under many names."""
    folder = tmp_path_factory.mktemp("large")
    source = Path(skimage.__file__).parent / "data"
    images = [*(read_image(source / name) for name in NAMES), *photographs()]
    for number, image in enumerate(images):
        enlarged = image.resize(SIZE, Image.Resampling.BICUBIC)
        first = folder / f"{number}.{'png' if number % 2 else 'jpg'}"
        enlarged.save(first, **({"compress_level": 1} if number % 2 else {"quality": 92}))
        for copy in range(number + len(images), COUNT, len(images)):
            os.link(first, folder / f"{copy}{first.suffix}")
    return folder


def measured(code: str, folder: Path) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", PEAK + code, str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    print(found)  # pytest -rP shows it
    return found


@pytest.mark.full
def test_large_photographs_are_read_one_after_the_other(large: Path) -> None:
    found = measured(READ, large)
    assert found["taken"] == COUNT
    assert 0 < found["gigabytes"] < READING_GB


@pytest.mark.full
def test_a_build_calibrated_on_large_photographs(large: Path) -> None:
    found = measured(BUILD, large)
    assert found["taken"] == COUNT - 16
    assert 0 < found["gigabytes"] < BUILD_GB
