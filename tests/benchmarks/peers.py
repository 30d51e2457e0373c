"""The peers' files: the published module in ONNX and OpenVINO's format, in FP32 and INT8.

ONNX Runtime: static quantization in QDQ form, one scale an output channel, unsigned activations
and signed weights (what its guide advises for x86-64), after its own pre-processing. OpenVINO:
NNCF's post-training quantization with its defaults, and the transformer preset for Conformer.
"""

import warnings
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from export_targets.artifact.manifest import to_json
from tests.benchmarks.result import RESULTS
from tests.benchmarks.reuse import is_current, remember, sources
from tests.benchmarks.subject import Subject

PACKAGES = ("onnx", "onnxscript", "onnxruntime", "openvino", "nncf")
SHAPED_BY = tuple(
    Path(name)
    for name in (
        "edge_models/reference",
        "edge_models/specs",
        "edge_models/images.py",
        "tests/benchmarks/peers.py",
    )
)
INPUT = "input"


def absent() -> str:
    """Why there are no peers here; empty where there are."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    return f"missing {', '.join(missing)}: pip install 'edgeform[bench]'" if missing else ""


def versions() -> dict[str, str]:
    """The peers' versions."""
    return {name: version(name) for name in PACKAGES}


def files(subject: Subject) -> dict[tuple[str, str], Path]:
    """A file for each (runtime, recipe); made unless it is already there with the same identity."""
    height, width = subject.size
    folder = RESULTS / "peers" / f"{subject.model}-{height}x{width}"
    paths = {
        ("onnxruntime", "fp32"): folder / "fp32.onnx",
        ("onnxruntime", "int8"): folder / "int8.onnx",
        ("openvino", "fp32"): folder / "fp32.xml",
        ("openvino", "int8"): folder / "int8.xml",
    }
    makers: dict[tuple[str, str], Callable[[Subject, Path, Path], None]] = {
        ("onnxruntime", "fp32"): _export_onnx,
        ("onnxruntime", "int8"): _quantize_onnx,
        ("openvino", "fp32"): _convert_openvino,
        ("openvino", "int8"): _quantize_openvino,
    }
    folder.mkdir(parents=True, exist_ok=True)
    identity = {
        "sources": sources(SHAPED_BY),
        "weights": subject.loaded().sha256,
        "calibration": subject.calibration_images().sha256(),
        "versions": to_json({**versions(), "torch": version("torch")}),
    }
    for side, path in paths.items():
        if is_current(path, identity):
            print(f"{path}: reused, made by the same sources and versions", flush=True)
            continue
        print(f"{path}: building", flush=True)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of the exporters; the files are judged by their logits
            makers[side](subject, paths["onnxruntime", "fp32"], path)
        remember(path, identity)
    return paths


def _export_onnx(subject: Subject, source: Path, path: Path) -> None:
    del source  # it is the first of the chain
    image = torch.zeros(1, 3, *subject.size)
    program = torch.onnx.export(
        subject.published(), (image,), dynamo=True, input_names=[INPUT], verbose=False
    )
    assert program is not None
    program.save(str(path), external_data=False)


def _quantize_onnx(subject: Subject, source: Path, path: Path) -> None:
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # the library has no types
        def __init__(self) -> None:
            self.samples = iter(subject.calibration_inputs().numpy())

        def get_next(self) -> dict[str, np.ndarray] | None:
            sample = next(self.samples, None)
            return None if sample is None else {INPUT: sample}

    prepared = path.with_name("prepared.onnx")
    quant_pre_process(str(source), str(prepared))
    quantize_static(
        str(prepared),
        str(path),
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    prepared.unlink()


def _convert_openvino(subject: Subject, source: Path, path: Path) -> None:
    import openvino

    del subject
    openvino.save_model(openvino.convert_model(source), path, compress_to_fp16=False)


def _quantize_openvino(subject: Subject, source: Path, path: Path) -> None:
    import nncf
    import openvino

    samples = list(subject.calibration_inputs().numpy())
    transformer = nncf.ModelType.TRANSFORMER if subject.family == "conformer" else None
    quantized = nncf.quantize(
        openvino.convert_model(source),
        nncf.Dataset(samples),
        model_type=transformer,
        subset_size=len(samples),
    )
    openvino.save_model(quantized, path, compress_to_fp16=False)
