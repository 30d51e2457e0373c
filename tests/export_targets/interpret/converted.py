"""Small torch modules and MIL programs, converted and saved by coremltools."""

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from export_targets.interpret.mil.program import Program
from export_targets.interpret.mil.read import read_package


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(*inputs)


def save(model: Any, folder: Path) -> Path:
    """A converted model on disk."""
    path = folder / "model.mlpackage"
    model.save(str(path))
    return path


def convert(module: nn.Module, inputs: tuple[Tensor, ...], precision: str, **options: Any) -> Any:
    """A module converted for iOS 17, or as the options say, without loading the result."""
    import coremltools as ct

    options.setdefault("minimum_deployment_target", ct.target.iOS17)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.export.export(module.eval(), inputs).run_decompositions({})
        return ct.convert(
            exported,
            compute_precision=ct.precision(precision),
            skip_model_load=True,
            **options,
        )


def program_of(model: Any) -> Program:
    """A converted model saved and read back."""
    with tempfile.TemporaryDirectory() as folder:
        return read_package(save(model, Path(folder)))


def inputs_of(program: Program, tensors: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """Tensors by the program's input names, in order."""
    return {i.name: tensor for i, tensor in zip(program.inputs, tensors, strict=True)}
