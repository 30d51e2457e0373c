"""Made-up artifacts: right in form, with no model in them, so that no test waits for a build."""

import json
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import torch

from export_targets.artifact import folder as artifact
from export_targets.artifact.folder import file_entries, read_manifest, write_floats, write_manifest
from export_targets.artifact.manifest import Manifest, to_json

SAMPLES, CLASSES = 2, 10
SHAPE = (1, 3, 32, 32)
CONTENT: dict[str, Any] = {
    "schema_version": "1.0",
    "name": "digits_cotnet_simple-xnnpack-int8-32x32",
    "form": "edge",
    "model": {
        "name": "digits_cotnet_simple",
        "family": "cotnet",
        "parameters": 1,
        "macs": 1,
        "classes": CLASSES,
    },
    "weights": {"source": "embedded", "sha256": "0" * 64, "format": "safetensors", "seed": None},
    "input": {
        "name": "input",
        "kind": "tensor",
        "shape": SHAPE,
        "dtype": "float32",
        "layout": "NCHW",
        "color_order": "RGB",
        "resize": {"size": 32, "interpolation": "bilinear", "crop": (32, 32)},
        "normalization": "caller",
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
    },
    "output": {"name": "logits", "kind": "logits", "shape": (1, CLASSES), "heads": "mean"},
    "recipe": "int8",
    "target": {"name": "xnnpack", "options": {}},
    "float_modules": [],
    "delegation": {"delegates": 1, "delegated_ops": 1, "undelegated": {}, "fallen": []},
    "calibration": {"source": "digits", "samples": 8, "sha256": "0" * 64, "unreadable": 0},
    "golden": {"samples": SAMPLES, "source": "digits"},
    "selftest": {"sqnr_db": 20.0, "top1": 0.9},
    "files": [],
    "toolchain": {"python": "3.11.0"},
    "created": "2026-01-01T00:00:00+00:00",
}


def made_up_manifest(**changes: Any) -> Manifest:
    """A valid manifest, with some top-level fields changed."""
    return Manifest.model_validate({**CONTENT, **changes})


def write_made_up(folder: Path, **changes: Any) -> Path:
    """A folder that is an artifact in everything but its model file, which holds no model."""
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    write_floats(folder, "input", torch.randn(SAMPLES, *SHAPE, generator=generator))
    for name in artifact.PROGRAMS.values():
        write_floats(folder, name, torch.randn(SAMPLES, 1, CLASSES, generator=generator))
    (folder / "model.pte").write_bytes(b"no model")
    (folder / "labels.txt").write_text("".join(f"{i}\n" for i in range(CLASSES)), encoding="utf-8")
    files = file_entries(folder, ("model.pte", "labels.txt"))
    write_manifest(folder, made_up_manifest(files=files, **changes))
    return folder


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest's text, whether or not it is valid afterwards."""
    path = folder / artifact.MANIFEST
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(to_json(content), encoding="utf-8")


def sign_again(folder: Path) -> None:
    """Bring the manifest's files and digests up to date, as somebody who tampers would."""
    manifest = read_manifest(folder)
    deployed = {PurePosixPath(entry.path).parts[0] for entry in manifest.files if entry.deploy}
    files = file_entries(folder, sorted(deployed))
    write_manifest(folder, manifest.model_copy(update={"files": files}))
