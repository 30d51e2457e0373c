"""A stand-in for coremltools on a Mac, for tests: it answers a golden input with what was expected
of it, after checking that it was given as Core ML takes it.
"""

import os
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

MOOD = os.environ.get("SCRIPTED_CORE_ML", "well")


class ComputeUnit(Enum):
    ALL = 1
    CPU_ONLY = 2


class MLModel:
    def __init__(self, model: str, compute_units: ComputeUnit) -> None:
        assert compute_units is ComputeUnit.ALL
        if MOOD == "refusal":
            raise RuntimeError("Error compiling model: made up")
        self.golden = Path(model).parent / "golden"

    def predict(self, data: dict[str, Any]) -> dict[str, Any]:
        (name,) = data
        given = data[name]
        if name == "image":
            assert isinstance(given, Image.Image)
            given = np.asarray(given).transpose(2, 0, 1)
        else:
            assert name == "input"
            assert given.dtype == np.float32
        wanted = given.astype("<f4").tobytes()
        for path in self.golden.glob("input_*.f32"):
            if path.read_bytes() == wanted:
                logits = np.fromfile(str(path).replace("input_", "expected_"), "<f4")
                answer = {"classLabel": "0", "logits": logits.reshape(1, -1)}
                return {} if MOOD == "other outputs" else answer
        raise ValueError("no golden input")


models = SimpleNamespace(MLModel=MLModel)
