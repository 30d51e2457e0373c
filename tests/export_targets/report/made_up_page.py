"""Made-up artifacts with everything that a page can show, and hostile text to put into them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from edge_models.gate import Gate
from edge_models.parity import Hop, ParityReport
from export_targets.artifact.folder import LABELS, MANIFEST, read_manifest, write_parity
from export_targets.artifact.latency_folder import add_report, model_digest
from export_targets.artifact.latency_report import LatencyReport, OperatorTable
from export_targets.prove.layer_errors import LAYER_ERRORS, LayerError, write_layer_errors
from tests.export_targets.made_up import CLASSES, SAMPLES, sign_again, write_made_up
from tests.export_targets.made_up_latency import made_up_report, operator

HOSTILE = (
    "</script></style></pre><script>window.ran=1</script><img src=x onerror=window.ran=1>\"'$x$"
)
KINDS = ("convolution", "linear", "elementwise")
FELL = {"operator": "aten.mean", "module": "layer1.0.pool", "why": "its axes are not the last two"}


def hop(name: str, start: str, end: str, decibels: float | None, **changes: Any) -> Hop:
    content: dict[str, Any] = {
        "name": name,
        "from_": start,
        "to": end,
        "runner": "host",
        "samples": SAMPLES,
        "sqnr_db": decibels,
        "median_sqnr_db": None if decibels is None else decibels + 1.5,
        "worst_sqnr_db": None if decibels is None else decibels - 4.0,
        "max_abs": 0.001,
        "cosine": 0.999,
        "top1_agreement": 1.0,
        "agreement_interval": (0.806, 1.0),
        "constant_agreement": 0.3,
        "gate": Gate(min_sqnr_db=30.0, min_top1_agreement=0.9),
        "status": "passed",
        "why": "",
    }
    return Hop(**{**content, **changes})


def made_up_parity(name: str) -> ParityReport:
    hops = (
        hop("edge", "reference", "edge", 132.5),
        hop("quantize", "edge", "quantized", 38.0),
        hop("lower", "quantized", "file", 44.0),
        hop("chain", "reference", "file", 37.0),
    )
    return ParityReport(artifact=name, inputs="digits, held out", hops=hops)


def made_up_operators() -> OperatorTable:
    """Twelve operators of three kinds, not in the order of their times."""
    times = [0.1 + 0.05 * ((7 * i) % 12) for i in range(12)]
    whole = 2 * sum(times)
    rows = [
        operator(f"op_{i}", ms, kind=KINDS[i % 3], module=f"layer{i}", share=ms / whole)
        for i, ms in enumerate(times)
    ]
    return OperatorTable.of(5, whole, rows)


def write_page_artifact(folder: Path, parity: bool = True, **changes: Any) -> Path:
    """An artifact with images, labels, and a parity report."""
    write_made_up(folder, **changes)
    for index in range(SAMPLES):
        Image.new("RGB", (32, 32), (90 * index, 80, 70)).save(folder / f"golden/image_{index}.png")
    sign_again(folder)
    if parity:
        write_parity(folder, made_up_parity(read_manifest(folder).name))
    return folder


def profiled(folder: Path, **changes: Any) -> LatencyReport:
    """Add a made-up latency report to an artifact."""
    manifest = read_manifest(folder)
    ratio = {**made_up_report().ratios[0].model_dump(), "artifact": manifest.name}
    content = {
        "artifact": manifest.name,
        "model_sha256": model_digest(manifest),
        "operators": made_up_operators(),
        "ratios": [ratio],
    }
    report = made_up_report(**{**content, **changes})
    add_report(folder, report)
    return report


def add_layers(folder: Path) -> tuple[LayerError, ...]:
    """Add made-up errors of fourteen layers to an artifact, one of them unknown."""
    layers = tuple(
        LayerError(
            node=f"conv2d_{i}",
            module=f"layer{i}.conv",
            operator="conv2d",
            computes="float" if i % 5 == 4 else "int8",
            sqnr_db=None if i == 3 else 45.0 - 2 * i,
        )
        for i in range(14)
    )
    (folder / LAYER_ERRORS).parent.mkdir(exist_ok=True)
    write_layer_errors(folder, layers)
    sign_again(folder)
    return layers


def make_hostile(folder: Path) -> None:
    """Put the hostile text into every free text of the artifact's files."""
    texts = {"source", "rule", "why", "module", "operator", "family", "inputs", "os", "soc"}
    _rewrite(folder / MANIFEST, texts | {"created", "python"})
    _rewrite(folder / "parity.json", texts - {"why"})
    _rewrite(folder / LAYER_ERRORS, texts)
    for path in (folder / "latency").glob("*.json"):
        _rewrite(path, texts - {"operator"})
    lines = [f"{HOSTILE} {i}" for i in range(CLASSES)]
    (folder / LABELS).write_text("\n".join(lines) + "\n", encoding="utf-8")
    sign_again(folder)


def _rewrite(path: Path, keys: set[str]) -> None:
    def change(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: f"{item}{HOSTILE}" if key in keys and isinstance(item, str) else change(item)
                for key, item in value.items()
            }
        return [change(item) for item in value] if isinstance(value, list) else value

    content = change(json.loads(path.read_text(encoding="utf-8")))
    assert "window.ran" in str(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def changed(path: Path, change: Callable[[Any], object]) -> None:
    """Change a JSON file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
