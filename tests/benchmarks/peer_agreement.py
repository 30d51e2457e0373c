"""INT8 of trained networks by the peers' tools, beside ours: agreement with FP32 on photographs.

All are calibrated on the same images. NNCF runs by its defaults, torchao's PT2E by those of
ExecuTorch's quantizer for XNNPACK. NNCF's accuracy control is left out: it ranks 170 quantized
operations, 9 minutes for 250 photographs at 64 x 64, and does so again after each step.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial

import torch
from torch import Tensor, nn

from edge_models.parity import measure
from edge_models.reference.heads import run_eager
from tests.benchmarks import peers, trained
from tests.benchmarks.engines import logits
from tests.benchmarks.result import Result, Skipped
from tests.benchmarks.subject import Subject, photographs

NAME = "peer-agreement"


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
    subject = photographs(model)
    judged = trained.photographs("test")[0]
    reference = subject.published()
    files = peers.files(subject)
    sides: dict[str, Callable[[Tensor], Tensor]] = {
        "edgeform": partial(logits, "executorch", subject.artifact("int8", "edge").model),
        "ONNX Runtime": partial(logits, "onnxruntime", files["onnxruntime", "int8"]),
        "NNCF": partial(logits, "openvino", files["openvino", "int8"]),
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
