"""Trained networks and labelled photographs that accuracy is judged on.

They are not part of this repository. Their folder, ``EDGEFORM_TRAINED`` or else ``trained``, holds
``<model>_cifar10_64_half.pth`` of each model (published key layout, 10 classes, at 64 x 64) and
CIFAR-10 photographs in ``cifar/{test,calibration}/<class>/``, or what ``training.py`` writes:
``<model>_views_64.safetensors`` and ``views/{test,calibration}/<class>/``.
"""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from edge_models.catalog import model_spec
from edge_models.checkpoint import LoadedModel, load_reference
from edge_models.image_folder import list_images
from edge_models.images import preprocess_all, read_image
from edge_models.spec import InputSpec

CONFORMER, COTNET = "conformer_tiny_patch16", "cotnet50"
MODELS = (CONFORMER, COTNET)
SIZE = (64, 64)


@dataclass(frozen=True)
class Source:
    """The folder of the photographs, the models that were trained on them, and what follows a
    model's name in the name of its weights.
    """

    folder: str
    models: tuple[str, ...]
    ending: str


CIFAR = Source("cifar", MODELS, "_cifar10_64_half.pth")
VIEWS = Source("views", ("digits_cotnet", "cotnet50_simple", "cotnet50"), "_views_64.safetensors")
INPUT = InputSpec(size=SIZE, crop=1.0)  # as they were trained: a direct bicubic resize


def folder() -> Path:
    """Where the trained checkpoints and the photographs should be."""
    return Path(os.environ.get("EDGEFORM_TRAINED", "trained"))


def checkpoint(model: str = CONFORMER, source: Source = CIFAR) -> Path:
    """The trained weights of a model."""
    return folder() / f"{model}{source.ending}"


def absent(*models: str, source: Source = CIFAR) -> str:
    """Why nothing can be measured here; empty where everything is present."""
    wanted = [checkpoint(model, source) for model in models or (CONFORMER,)]
    wanted.append(folder() / source.folder)
    missing = [path.name for path in wanted if not path.exists()]
    return f"no {', '.join(missing)} in {folder()} (set EDGEFORM_TRAINED)" if missing else ""


def model(name: str = CONFORMER, source: Source = CIFAR) -> LoadedModel:
    """A trained model with its weights as float32."""
    return load_reference(model_spec(name), checkpoint(name, source))


@cache
def photographs(split: str, source: Source = CIFAR) -> tuple[Tensor, Tensor]:
    """Inputs (N, 3, 64, 64) and classes (N) of "test" or "calibration"."""
    root = folder() / source.folder / split
    names = sorted(path.name for path in root.iterdir() if path.is_dir())
    pairs = [(path, names.index(name)) for name in names for path in list_images(root / name).paths]
    inputs = preprocess_all([read_image(path) for path, _ in pairs], INPUT, SIZE)
    return inputs, torch.tensor([index for _, index in pairs])
