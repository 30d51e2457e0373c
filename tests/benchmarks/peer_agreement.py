"""INT8 of trained networks by the peers' tools, beside ours: agreement with FP32 on photographs.

Every second photograph is for a tool's own search, the others judge; 100 more calibrate. NNCF runs
by its defaults and with accuracy control, which gives layers back to float until the agreement has
fallen by at most 1 %; torchao's PT2E by the defaults of ExecuTorch's quantizer for XNNPACK.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edge_models.parity import measure
from edge_models.reference.heads import run_eager
from tests.benchmarks import peers, trained
from tests.benchmarks.engines import logits
from tests.benchmarks.result import RESULTS, Result, Skipped
from tests.benchmarks.subject import Subject

NAME = "peer-agreement"
DROP = 0.01  # of NNCF's accuracy control


@dataclass(frozen=True)
class Row:
    """One file, or graph, of a trained model: agreement in percent, SQNR in dB."""

    model: str
    side: str
    images: int
    agreement: float
    low: float
    high: float
    median_sqnr_db: float


def run() -> Result | Skipped:
    """Both models that were trained on CIFAR-10, where they are here."""
    why = peers.absent() or trained.absent(*trained.MODELS)
    if why:
        return Skipped(NAME, why)
    rows = [row for model in trained.MODELS for row in measure_model(model)]
    lines = ["| model | INT8 by | photographs | agreement (95 %) | median SQNR |"]
    lines += ["|---|---|---|---|---|", *map(_line, rows)]
    return Result(NAME, "\n".join(lines), {"rows": [asdict(row) for row in rows]})


def measure_model(model: str) -> Iterable[Row]:
    """Every tool's INT8 of one model."""
    calibration = str(trained.folder() / "cifar" / "calibration")
    subject = Subject(model, trained.SIZE, trained.checkpoint(model), calibration)
    photographs = trained.photographs("test")[0]
    searched, judged = photographs[0::2], photographs[1::2]
    reference = subject.published()
    files = peers.files(subject)
    controlled = RESULTS / "peers" / f"{model}-controlled.xml"
    _control(subject, files["onnxruntime", "fp32"], searched, reference, controlled)
    sides: dict[str, Callable[[Tensor], Tensor]] = {
        "edgeform": partial(logits, "executorch", subject.artifact("int8", "edge").model),
        "ONNX Runtime": partial(logits, "onnxruntime", files["onnxruntime", "int8"]),
        "NNCF": partial(logits, "openvino", files["openvino", "int8"]),
        "NNCF, accuracy control": partial(logits, "openvino", controlled),
        "torchao's defaults": _by_default(subject, reference),
    }
    expected = run_eager(reference, judged[:, None])[:, 0]
    for side, answer in sides.items():
        found = measure(expected, answer(judged))
        low, high = found.agreement_interval
        yield Row(
            model=model,
            side=side,
            images=len(judged),
            agreement=found.top1_agreement * 100,
            low=low * 100,
            high=high * 100,
            median_sqnr_db=found.median_sqnr_db,
        )


def _control(
    subject: Subject, source: Path, searched: Tensor, reference: nn.Module, path: Path
) -> None:
    """NNCF's accuracy control, whose measure is the agreement with FP32."""
    import nncf
    import openvino

    expected = run_eager(reference, searched[:, None])[:, 0].argmax(1)
    pairs = list(zip(searched[:, None].numpy(), expected.tolist(), strict=True))

    def agreement(
        compiled: Any, some: Iterable[tuple[np.ndarray, int]]
    ) -> tuple[float, list[float]]:
        output = compiled.output(0)
        same = [float(compiled(image)[output].argmax() == known) for image, known in some]
        return float(np.mean(same)), same

    calibration = list(subject.calibration_inputs().numpy())
    transformer = nncf.ModelType.TRANSFORMER if subject.family == "conformer" else None
    quantized = nncf.quantize_with_accuracy_control(
        openvino.convert_model(source),
        nncf.Dataset(calibration),
        nncf.Dataset(pairs, itemgetter(0)),
        agreement,
        max_drop=DROP,
        model_type=transformer,
        subset_size=len(calibration),
    )
    openvino.save_model(quantized, path, compress_to_fp16=False)


def _by_default(subject: Subject, reference: nn.Module) -> Callable[[Tensor], Tensor]:
    """The published module's graph, quantized as ExecuTorch's guide for XNNPACK does."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    images = subject.calibration_inputs()
    program = torch.export.export(reference, (images[0],)).module()
    config = get_symmetric_quantization_config(is_per_channel=True)
    prepared = prepare_pt2e(program, XNNPACKQuantizer().set_global(config))
    with torch.no_grad():
        for image in images:
            prepared(image)
    quantized = convert_pt2e(prepared)
    return lambda inputs: run_eager(quantized, inputs[:, None])[:, 0]


def _line(row: Row) -> str:
    return (
        f"| {row.model} | {row.side} | {row.images} | {row.agreement:.1f} % ({row.low:.1f} to "
        f"{row.high:.1f}) | {row.median_sqnr_db:.1f} dB |"
    )
