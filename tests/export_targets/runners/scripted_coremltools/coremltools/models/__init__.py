"""Models that answer a golden input with what was expected of it, and anything else with zeros,
after checking that it was given as Core ML takes it.
"""

import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from coremltools.models import compute_device as compute_device
from coremltools.models import compute_plan as compute_plan

MOOD = os.environ.get("SCRIPTED_CORE_ML", "well")


class MLModel:
    load_duration_in_nano_seconds = 12_500_000

    def __init__(self, model: str, compute_units: Any) -> None:
        self.golden, self.units = Path(model).parent / "golden", compute_units.name
        self.error = RuntimeError("Error compiling model: made up") if MOOD == "refusal" else None
        if self.error is not None:
            warnings.warn("You will not be able to run predict()", RuntimeWarning, stacklevel=2)

    def get_compiled_model_path(self) -> str:
        if self.error is not None:
            raise Exception("This model was not loaded or compiled with the Core ML Framework.")
        return f"/made up/{self.units}.mlmodelc"

    def predict(self, data: dict[str, Any]) -> dict[str, Any]:
        if self.error is not None:
            raise self.error
        (name,) = data
        given = data[name]
        if name == "image":
            assert isinstance(given, Image.Image)
            given = np.asarray(given).transpose(2, 0, 1)
        else:
            assert name == "input"
            assert given.dtype == np.float32
        wanted = given.astype("<f4").tobytes()
        first = self.golden / "expected_0.f32"
        logits = np.zeros_like(np.fromfile(first, "<f4"))
        for path in self.golden.glob("input_*.f32"):
            if path.read_bytes() == wanted:
                logits = np.fromfile(str(path).replace("input_", "expected_"), "<f4")
        if MOOD == "other outputs":
            return {}
        manifest = json.loads((self.golden.parent / "manifest.json").read_text(encoding="utf-8"))
        if not (tensors := manifest["output"].get("tensors")):
            return {"classLabel": "0", "logits": logits.reshape(1, -1)}
        ends = np.cumsum([np.prod(tensor["shape"]) for tensor in tensors])[:-1]
        parts = zip(tensors, np.split(logits, ends), strict=True)
        return {tensor["name"]: part.reshape(tensor["shape"]) for tensor, part in parts}
