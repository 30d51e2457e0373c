"""Loading a published checkpoint into its reference module, strictly, without running its code."""

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edge_models.catalog import embedded_weights, model_specs
from edge_models.checkpoint_file import Weights, read_weights
from edge_models.errors import InputError
from edge_models.random_weights import random_reference
from edge_models.spec import ModelSpec, Shape

FREE = ("num_classes", "groups")  # arguments that differ between checkpoints of one entry
WRAPPERS = ("module.", "_orig_mod.")  # of parallel and of compiled networks
COUNTERS = ("total_ops", "total_params")  # that profilers leave in every module


@dataclass(frozen=True)
class LoadedModel:
    """A reference module in evaluation mode and where its weights came from.

    ``key`` says under which key of the file they lay; ``notes`` what else the user should know.
    """

    module: nn.Module
    config: Mapping[str, Any]
    source: str  # file name, "embedded", "random" or "network"
    sha256: str
    format: str  # "safetensors", "torch", "random" or "network"
    seed: int | None
    key: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> int:
        """Width of the head; 0 of a network of one's own whose outputs are no logits."""
        return int(self.config.get("num_classes", 0))


def load_reference(
    spec: ModelSpec,
    checkpoint: Path | None,
    seed: int = 0,
    key: str | None = None,
    strict: bool = False,
) -> LoadedModel:
    """The reference of a spec with a checkpoint's weights.

    Without a checkpoint: the embedded weights where the spec has them, else seeded random ones; of
    a network of one's own those that it has.
    ``key`` chooses among several weights in the file; ``strict`` refuses entries that are no
    parameters of the model. Raises InputError for a file that cannot be read, or that is not of
    this model.
    """
    path = checkpoint or embedded_weights(spec)
    if path is None and spec.own is not None:
        module, own = spec.build(), "network"
        return LoadedModel(module, spec.config, own, _digest(module), own, None)
    if path is None:
        module = random_reference(spec, seed)
        return LoadedModel(module, spec.config, "random", _digest(module), "random", seed)
    weights = read_weights(path, key)
    config = config_of(spec, path, weights.tensors, weights.others)
    module = spec.build(**config)
    parameters = module.state_dict().keys()
    names = _names(spec, weights.tensors, parameters)
    tensors = {
        name: _as_float32(name, weights.tensors[key])
        for key, name in names.items()
        if name is not None and name in parameters
    }
    extra = [key for key, name in names.items() if name not in tensors] + [*weights.beside]
    if strict and extra:
        raise InputError(
            f"The checkpoint {path.name} holds what is no parameter of {spec.name}: "
            f"{_some(extra)}.",
            "Leave --strict away, or save the state dict of the model alone.",
        )
    module.load_state_dict(tensors, strict=True)
    source = path.name if checkpoint else "embedded"
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    notes = _notes(path, weights, extra)
    module.eval()
    return LoadedModel(module, config, source, sha256, weights.format, None, weights.key, notes)


def config_of(
    spec: ModelSpec, path: Path, tensors: Mapping[str, Tensor], others: Iterable[str] = ()
) -> dict[str, Any]:
    """The constructor arguments under which the checkpoint loads strictly.

    Raises InputError for a checkpoint of another model, and names that model where it is known.
    ``others`` are keys under which the file holds more weights.
    """
    config, differences = _fit(spec, tensors)
    own = all(config[key] == spec.config[key] for key in config if key not in FREE)
    if not differences and own:
        return config
    fits = {spec.name: len(differences)}
    for other in model_specs().values():
        if other.name == spec.name:
            continue
        _, theirs_differ = _fit(other, tensors, only_free=True)
        if not theirs_differ:
            raise InputError(
                f"The checkpoint {path.name} is not of {spec.name}.", f"It fits {other.name}."
            )
        fits[other.name] = len(theirs_differ)
    if not differences:
        return config
    nearest = min(fits, key=lambda name: fits[name])
    whose = "that the function returns" if spec.own else "of the published module"
    remedy = f"Save the whole state dict of the trained network, {whose}."
    if others := [*others]:
        remedy = f"The file also has weights under {', '.join(others)}: choose with --weights."
    elif fits[nearest] < fits[spec.name] / 2:
        remedy = f"It is nearer to {nearest}: name the model that it was trained as."
    more = f"; and {len(differences) - 3} more" if len(differences) > 3 else ""
    raise InputError(
        f"The checkpoint {path.name} is not of {spec.name}: {'; '.join(differences[:3])}{more}",
        remedy,
    )


def _as_float32(key: str, tensor: Tensor) -> Tensor:
    """A floating-point tensor as finite float32, another as it is. Raises InputError."""
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_complex():
        raise InputError(
            f"The checkpoint's tensor {key} is not a dense tensor of real numbers.",
            "Save the weights as float32 or float16.",
        )
    if not tensor.is_floating_point():
        return tensor
    tensor = tensor.float()
    if not torch.isfinite(tensor).all():
        raise InputError(
            f"The checkpoint's tensor {key} holds NaN or infinite values.",
            "Use a checkpoint of a run that did not diverge.",
        )
    return tensor


def _names(
    spec: ModelSpec, keys: Iterable[str], parameters: Collection[str]
) -> dict[str, str | None]:
    """The published name of each key: without wrappers, and without the prefix under which most
    parameters lie; None for what lies outside of it. Raises InputError where two keys have one
    name, or where two networks lie side by side.
    """
    bare = {key: _unwrapped(key) for key in keys}
    found: Counter[str] = Counter()
    for name in bare.values():
        parts = name.split(".")
        found.update(
            ".".join([*parts[:i], ""])
            for i in range(len(parts))
            if spec.published_key(".".join(parts[i:])) in parameters
        )
    most = max(found.values(), default=0)
    prefixes = sorted((p for p, count in found.items() if count == most), key=len) or [""]
    prefix = prefixes[0]
    if most > len(parameters) / 2 and any(not p.startswith(prefix) for p in prefixes):
        raise InputError(
            f"The checkpoint holds several networks: {', '.join(prefixes)}.",
            f"Choose one, as --weights {prefix.removesuffix('.')}.",
        )
    names: dict[str, str | None] = {}
    taken: set[str] = set()
    for key, name in bare.items():
        names[key] = None
        if name.startswith(prefix):
            names[key] = name = spec.published_key(name.removeprefix(prefix))
            if name in taken:
                raise InputError(
                    f"The checkpoint holds two tensors for {name}.", "Keep one of them."
                )
            taken.add(name)
    return names


def _unwrapped(key: str) -> str:
    while key.startswith(WRAPPERS):
        key = key.split(".", 1)[1]
    return key


def _fit(
    spec: ModelSpec, tensors: Mapping[str, Tensor], only_free: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """The constructor arguments that the checkpoint's shapes tell, and how it differs from them."""
    names = _names(spec, tensors, _expected(spec, spec.config))
    shapes = {name: tuple(tensors[key].shape) for key, name in names.items() if name is not None}
    read = spec.read_config(shapes)
    kept = {key: value for key, value in read.items() if not only_free or key in FREE}
    config = {**spec.config, **kept}
    return config, _differences(shapes, spec, config)


def _expected(spec: ModelSpec, config: Mapping[str, Any]) -> dict[str, Shape]:
    with torch.device("meta"):
        return {k: tuple(v.shape) for k, v in spec.build(**config).state_dict().items()}


def _differences(
    shapes: Mapping[str, Shape], spec: ModelSpec, config: Mapping[str, Any]
) -> list[str]:
    """How the checkpoint differs from the module of a spec; empty where all of that is in it."""
    if config.get("num_classes", 1) < 1:
        return ["its head has no classes"]
    try:
        expected = _expected(spec, config)
    except (ValueError, RuntimeError) as error:
        return [(str(error).strip().splitlines() or [type(error).__name__])[0][:200]]
    missing = [
        f"{key} is missing"
        for key in expected
        if key not in shapes and not key.endswith(".num_batches_tracked")  # as strict loading
    ]
    parts = {_kind(key) for key in expected}
    unknown = [
        f"{key} is unknown"
        for key in shapes
        if key not in expected and _kind(key) in parts and not key.endswith(COUNTERS)
    ]
    wrong = [
        f"{key} is {shapes[key]}, not {shape}"
        for key, shape in expected.items()
        if key in shapes and shapes[key] != shape
    ]
    return missing + unknown + wrong


def _kind(key: str) -> str:
    """The part of a network that a key lies in, without its number: one more of them is no extra
    entry but another network.
    """
    return re.sub(r"_?\d+$", "", key.split(".")[0])


def _notes(path: Path, weights: Weights, extra: Sequence[str]) -> tuple[str, ...]:
    notes = []
    if weights.others:
        notes.append(
            f"{path.name}: the weights under {weights.key or 'no key'} are taken; "
            f"--weights chooses: {', '.join(weights.others)}"
        )
    if extra:
        notes.append(f"{path.name}: no parameters of the model, left out: {_some(extra)}")
    return tuple(notes)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _digest(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for key, tensor in sorted(module.state_dict().items()):
        digest.update(key.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
