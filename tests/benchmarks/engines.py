"""The runtimes that are compared: each loads a file and runs it on a number of threads.

``python -m tests.benchmarks.engines ENGINE MODEL INPUTS.npy LOGITS.npy`` runs all inputs.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

Inference = Callable[[np.ndarray], np.ndarray]  # (1, 3, H, W) -> logits (1, classes)
THREADS = 2


def set_executorch_threads() -> None:
    """Give ExecuTorch's thread pool, one for the process, the number of threads of every side."""
    from executorch.extension.pybindings import portable_lib

    portable_lib._unsafe_reset_threadpool(THREADS)
    threads = portable_lib._threadpool_get_thread_count()
    if threads != THREADS:
        raise RuntimeError(f"ExecuTorch runs on {threads} threads, not on {THREADS}")


def executorch(path: Path) -> Inference:
    """ExecuTorch with its XNNPACK."""
    from executorch.runtime import Runtime

    set_executorch_threads()
    program = Runtime.get().load_program(path)
    method = program.load_method("forward")
    if method is None:
        raise ValueError(f"{path} has no method forward")

    def run(image: np.ndarray) -> np.ndarray:
        # the runtime owns the output's memory: copy before the next call
        return np.array(method.execute([torch.from_numpy(image)])[0])

    return run


def onnxruntime(path: Path) -> Inference:
    """ONNX Runtime's CPU provider with its defaults."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda image: session.run(None, {name: image})[0]


def openvino(path: Path) -> Inference:
    """OpenVINO's CPU plugin for latency, computing floats in float32.

    On processors with bfloat16 it would otherwise compute a float32 file in that.
    """
    import openvino as ov

    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": THREADS,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    request = ov.Core().compile_model(path, "CPU", settings).create_infer_request()

    def run(image: np.ndarray) -> np.ndarray:
        return np.array(request.infer({0: image}, share_inputs=True, share_outputs=True)[0])

    return run


ENGINES: dict[str, Callable[[Path], Inference]] = {
    "executorch": executorch,
    "onnxruntime": onnxruntime,
    "openvino": openvino,
}


def logits(engine: str, model: Path, inputs: Tensor) -> Tensor:
    """Logits (N, classes) of a file for inputs (N, 3, H, W), in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder, "inputs.npy"), Path(folder, "logits.npy")
        np.save(source, inputs.numpy())
        command = [sys.executable, "-m", "tests.benchmarks.engines"]
        command += [engine, str(model), str(source), str(result)]
        subprocess.run(command, check=True, stderr=subprocess.PIPE)
        return torch.from_numpy(np.load(result, allow_pickle=False))


def main() -> None:
    """The child process of ``logits``."""
    engine, model, source, result = sys.argv[1:]
    inference = ENGINES[engine](Path(model))
    inputs = np.load(source, allow_pickle=False)
    np.save(result, np.concatenate([inference(image[None]) for image in inputs]))


if __name__ == "__main__":
    main()
