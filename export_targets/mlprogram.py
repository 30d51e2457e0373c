"""An exported program converted to a Core ML program."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from export_targets.graph import collector_off
from export_targets.target import Lowering


def convert(program: torch.export.ExportedProgram, lowering: Lowering) -> Any:
    """The program as a coremltools model for the chosen deployment target."""
    import coremltools as ct
    import numpy as np

    precision = ct.precision.FLOAT32
    if lowering.recipe.storage == "float16":
        precision = ct.precision.FLOAT16
    with quiet_converter(), collector_off():
        return ct.convert(
            program.run_decompositions({}),
            outputs=[ct.TensorType(name="logits", dtype=np.float32)],
            minimum_deployment_target=ct.target.iOS17,
            compute_precision=precision,
            skip_model_load=True,
        )


@contextmanager
def quiet_converter() -> Iterator[None]:
    """While open, coremltools shows no progress of its own for each of its pipelines."""
    from coremltools.converters.mil.frontend.torch import ops
    from coremltools.converters.mil.mil.passes import pass_pipeline

    def plain(items: Iterable[Any], **_: object) -> Iterable[Any]:
        return items

    shown = ops._tqdm, pass_pipeline.tqdm
    ops._tqdm = pass_pipeline.tqdm = plain
    try:
        yield
    finally:
        ops._tqdm, pass_pipeline.tqdm = shown
