"""Loading a published checkpoint into its reference module, strictly, without running its code."""

import hashlib
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from edge_models.catalog import embedded_weights, model_specs
from edge_models.errors import InputError
from edge_models.random_weights import random_reference
from edge_models.spec import ModelSpec, Shape

NESTED = ("state_dict_ema", "state_dict", "model")  # the averaged weights come first
FREE = ("num_classes", "groups")  # arguments that differ between checkpoints of one entry
FORMATS = {".safetensors": "safetensors", ".pth": "torch", ".pt": "torch"}


@dataclass(frozen=True)
class LoadedModel:
    """A reference module in evaluation mode and where its weights came from."""

    module: nn.Module
    config: Mapping[str, Any]
    source: str  # file name, "embedded" or "random"
    sha256: str
    format: str  # "safetensors", "torch" or "random"
    seed: int | None

    @property
    def classes(self) -> int:
        """Width of the head."""
        return int(self.config["num_classes"])


def load_reference(spec: ModelSpec, checkpoint: Path | None, seed: int = 0) -> LoadedModel:
    """The reference of a spec with a checkpoint's weights.

    Without a checkpoint: the embedded weights where the spec has them, else seeded random ones.
    Raises InputError for a file that cannot be read, or that is not of this model.
    """
    path = checkpoint or embedded_weights(spec)
    if path is None:
        module = random_reference(spec, seed)
        return LoadedModel(module, spec.config, "random", _digest(module), "random", seed)
    tensors = published_tensors(spec, read_tensors(path))
    config = config_of(spec, path, tensors)
    module = spec.build(**config)
    module.load_state_dict(tensors, strict=True)
    source = path.name if checkpoint else "embedded"
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return LoadedModel(module.eval(), config, source, sha256, FORMATS[path.suffix], None)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint file, without running code from it."""
    if path.suffix not in FORMATS:
        raise InputError(
            f"The checkpoint {path} has the unknown ending {path.suffix!r}.",
            f"Use one of {', '.join(FORMATS)}.",
        )
    if not path.is_file():
        raise InputError(f"There is no checkpoint file {path}.", "Check the path.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        _refuse_compressed(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"The checkpoint {path} holds more than tensors, or is damaged: {_line(error)}",
            "It was not loaded, as it could run code. Save its state dict alone with torch.save.",
        ) from error
    except Exception as error:  # the readers say nowhere what they raise for a damaged file
        raise InputError(
            f"The checkpoint {path} cannot be read: {_line(error)}", "Fetch or save it again."
        ) from error
    tensors = _unwrap(content, path)
    for key, tensor in tensors.items():
        if tensor.numel() * tensor.element_size() > path.stat().st_size:
            raise InputError(
                f"The checkpoint {path} is smaller than its tensor {key} of {tuple(tensor.shape)}.",
                "Save its tensors dense and contiguous.",
            )
    return tensors


def _refuse_compressed(path: Path) -> None:
    """Raises ValueError: torch.save compresses nothing, and a bomb unpacks beyond the memory."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > path.stat().st_size:
            raise ValueError(f"it would unpack to {unpacked} bytes, which are more than it has")


def published_tensors(spec: ModelSpec, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under their published keys, floating-point ones as finite float32."""
    published: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        key = spec.published_key(key.removeprefix("module."))
        if key in published:
            raise InputError(f"The checkpoint holds two tensors for {key}.", "Keep one of them.")
        if tensor.layout != torch.strided or tensor.is_meta or tensor.is_complex():
            raise InputError(
                f"The checkpoint's tensor {key} is not a dense tensor of real numbers.",
                "Save the weights as float32 or float16.",
            )
        if tensor.is_floating_point():
            tensor = tensor.float()
            if not torch.isfinite(tensor).all():
                raise InputError(
                    f"The checkpoint's tensor {key} holds NaN or infinite values.",
                    "Use a checkpoint of a run that did not diverge.",
                )
        published[key] = tensor
    return published


def config_of(spec: ModelSpec, path: Path, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The constructor arguments under which the checkpoint loads strictly.

    Raises InputError for a checkpoint of another model, and names that model where it is known.
    """
    shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    config = {**spec.config, **spec.read_config(shapes)}
    differences = _differences(shapes, spec, config)
    own = all(config[key] == spec.config[key] for key in config if key not in FREE)
    if not differences and own:
        return config
    for other in model_specs().values():
        theirs = {other.published_key(key): shape for key, shape in shapes.items()}
        read = other.read_config(theirs)
        free = {key: read[key] for key in FREE if key in read}
        if other is not spec and not _differences(theirs, other, {**other.config, **free}):
            raise InputError(
                f"The checkpoint {path.name} is not of {spec.name}.", f"It fits {other.name}."
            )
    if differences:
        raise InputError(
            f"The checkpoint {path.name} is not of {spec.name}: {'; '.join(differences[:3])}"
            + (f"; and {len(differences) - 3} more" if len(differences) > 3 else ""),
            "Name the model that it was trained as (edgeform list models).",
        )
    return config


def _unwrap(content: object, path: Path) -> dict[str, Tensor]:
    while isinstance(content, Mapping):
        inner = next((content[key] for key in NESTED if _is_mapping(content.get(key))), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, Mapping) or not content:
        raise InputError(f"The checkpoint {path} holds no state dict.", "Save the state dict.")
    wrong = [key for key, value in content.items() if not isinstance(value, Tensor)]
    if wrong:
        raise InputError(
            f"The checkpoint {path} holds {wrong[0]!r}, which is not a tensor.",
            f"Save the state dict alone, or under one of {', '.join(NESTED)}.",
        )
    return {str(key): value for key, value in content.items()}


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


def _differences(
    shapes: Mapping[str, Shape], spec: ModelSpec, config: Mapping[str, Any]
) -> list[str]:
    """How the checkpoint differs from the module of a spec; empty where it loads strictly."""
    if config["num_classes"] < 1:
        return ["its head has no classes"]
    try:
        with torch.device("meta"):
            expected = {k: tuple(v.shape) for k, v in spec.build(**config).state_dict().items()}
    except (ValueError, RuntimeError) as error:
        return [_line(error)]
    missing = [f"{key} is missing" for key in expected if key not in shapes]
    unknown = [f"{key} is unknown" for key in shapes if key not in expected]
    wrong = [
        f"{key} is {shapes[key]}, not {shape}"
        for key, shape in expected.items()
        if key in shapes and shapes[key] != shape
    ]
    return missing + unknown + wrong


def _digest(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for key, tensor in sorted(module.state_dict().items()):
        digest.update(key.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
