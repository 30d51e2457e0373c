"""A checkpoint file as people have it: what kind it is by its content, and the weights in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from safetensors.torch import load_file
from torch import Tensor

from edge_models.errors import InputError
from edge_models.inert_array import StoredArray
from edge_models.inert_pickle import StandIn, StoredTensor
from edge_models.torch_file import Fetch, read_legacy, read_zip

# Where trainers put the weights. The averaged ones come first: they are the better ones.
NESTED = (
    "state_dict_ema",
    "model_ema",
    "ema",
    "state_dict",
    "model_state_dict",
    "model",
    "net",
)
TENSORS = (Tensor, StoredTensor)  # NumPy's arrays are weights only where there is none of these
HEAD = 512  # bytes that tell a kind of file

# What is no checkpoint: how the file begins, in lower case; what it is; what to do.
OTHERS = (
    (
        (b"version https://git-lfs",),
        "is a Git LFS pointer, not the weights",
        "Run `git lfs pull` where it was cloned, or download the file itself.",
    ),
    (
        (b"<!doctype", b"<html", b"<?xml", b"<head"),
        "is a web page, not the weights",
        "Download the file itself: the link led to a page about it.",
    ),
    (
        (b"\x1f\x8b", b"bzh", b"\xfd7zxz", b"7z\xbc\xaf", b"rar!"),
        "is a compressed archive",
        "Unpack it, and give the checkpoint that is in it.",
    ),
    ((b"\x89hdf",), "is an HDF5 file", "Export the weights of the network in PyTorch."),
)


@dataclass(frozen=True)
class Weights:
    """The state dict of a file. ``key`` says under which it lay, parts joined by dots; None: bare.

    ``others`` are further keys under which weights lie, ``beside`` the state dict's entries that
    are no tensors.
    """

    tensors: dict[str, Tensor]
    key: str | None
    format: str  # "safetensors" or "torch"
    others: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


def read_weights(path: Path, key: str | None = None) -> Weights:
    """The weights of a checkpoint file, without running code from it.

    ``key`` chooses among several; else the first of ``NESTED`` is taken. Raises InputError for a
    file that cannot be read, and for one without a state dict.
    """
    _refuse_others(path)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
        if head[8:9] == b"{" or path.suffix == ".safetensors":
            return _chosen(path, load_file(path), key, "safetensors", None)
        if not head.startswith((b"PK\x03\x04", b"\x80")):
            raise ValueError("it is neither a safetensors file nor one of torch.save")
        content, fetch = (read_zip if head.startswith(b"PK") else read_legacy)(path)
        return _chosen(path, content, key, "torch", fetch)
    except InputError:
        raise
    except Exception as error:  # the readers say nowhere what they raise for a damaged file
        raise InputError(
            f"The checkpoint {path} cannot be read: {_line(error)}", "Fetch or save it again."
        ) from error


def _chosen(
    path: Path, content: object, key: str | None, kind: str, fetch: Fetch | None
) -> Weights:
    found = dict(_state_dicts(content)) or dict(_state_dicts(content, (StoredArray,)))
    if key is None:
        key = next((name for name in found if set(filter(None, name.split("."))) <= {*NESTED}), "")
        place, inside = _innermost(content)
        if not key and isinstance(inside, StandIn):
            _refuse_object(path, place, inside)
        entries = found.get(key, inside)
    else:
        entries = _named(path, found, key)
    if not isinstance(entries, Mapping) or not entries:
        raise InputError(f"The checkpoint {path} holds no state dict.", "Save the state dict.")
    tensors: dict[str, Tensor] = {}
    for name, value in entries.items():
        if isinstance(value, StoredTensor) and fetch is not None:
            _refuse_vast(path, str(name), value)
            tensors[str(name)] = fetch(value)
        elif isinstance(value, Tensor):
            tensors[str(name)] = value
        elif isinstance(value, StoredArray) and not _holds(entries, TENSORS):
            tensors[str(name)] = value.tensor()
    beside = tuple(str(name) for name in entries if str(name) not in tensors)
    others = tuple(name for name in found if name and name != key)
    endings = {name.rpartition(".")[2] for name in tensors if "." in name}  # weight, bias ...
    wrong = [name for name in beside if not tensors or name.rpartition(".")[2] in endings]
    if wrong:
        raise InputError(
            f"The checkpoint {path} holds {wrong[0]!r}, which is not a dense tensor.",
            f"It has weights under {', '.join(others)}: choose with --weights."
            if others
            else f"Save the state dict alone, or under one of {', '.join(NESTED)}.",
        )
    return Weights(tensors, key or None, kind, others, beside)


def _state_dicts(
    content: object, kinds: tuple[type, ...] = TENSORS, above: str = ""
) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """What holds weights, by its key: those that trainers use, itself, then any other."""
    if not isinstance(content, Mapping):
        return
    for key in NESTED:
        yield from _state_dicts(content.get(key), kinds, f"{above}{key}.")
    if _holds(content, kinds):
        yield above.removesuffix("."), content
    for key, value in content.items():
        if isinstance(key, str) and key not in NESTED and _holds(value, kinds):
            yield f"{above}{key}", value


def _holds(value: object, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, Mapping) and any(isinstance(entry, kinds) for entry in value.values())


def _named(path: Path, found: Mapping[str, Mapping[Any, Any]], key: str) -> Mapping[str, Any]:
    """The entries under the key that the user named, or those whose names begin with it."""
    if key in found:
        return found[key]
    for entries in found.values():
        start = f"{key}."
        below = {str(k): v for k, v in entries.items() if str(k).startswith(start)}
        if below:
            return {name.removeprefix(start): value for name, value in below.items()}
    raise InputError(
        f"The checkpoint {path} has no weights under {key!r}.",
        f"It has them under {', '.join(filter(None, found)) or 'no key: leave --weights away'}.",
    )


def _innermost(content: object) -> tuple[str, object]:
    """What lies under the keys that trainers use, and the way to it as Python."""
    place = ""
    while isinstance(content, Mapping):
        name = next((name for name in NESTED if name in content), None)
        if name is None:
            break
        place, content = f"{place}[{name!r}]", content[name]
    return place, content


def _refuse_object(path: Path, place: str, stand_in: StandIn) -> NoReturn:
    raise InputError(
        f"The checkpoint {path} holds a whole network, an object of {type(stand_in).__name__}, in "
        "place of its weights. It was not made, as that runs the file's code.",
        "If you trust the file, save its weights where its code is: "
        f"model = torch.load({path.name!r}, 'cpu', weights_only=False){place}; "
        "torch.save(model.state_dict(), 'weights.pth')",
    )


def _refuse_vast(path: Path, name: str, stored: StoredTensor) -> None:
    if stored.bytes > path.stat().st_size:
        raise InputError(
            f"The checkpoint {path} is smaller than its tensor {name} of {stored.shape}.",
            "Save its tensors dense and contiguous.",
        )


def _refuse_others(path: Path) -> None:
    """Raises InputError for what is no checkpoint, and says what it is."""
    if path.is_dir() and any(path.rglob("data.pkl")):
        raise InputError(
            f"The checkpoint {path} is a folder: a file of torch.save that was unpacked.",
            "Download the file again without unpacking it (Safari unpacks by itself), or pack "
            f"it: zip -0 -r weights.pth {path.name}",
        )
    if not path.is_file():
        raise InputError(f"There is no checkpoint file {path}.", "Check the path.")
    try:
        with path.open("rb") as file:
            head = file.read(HEAD).lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    except OSError as error:
        raise InputError(
            f"The checkpoint {path} cannot be read: {error.strerror}.", "Check its rights."
        ) from error
    if not head:
        raise InputError(f"The checkpoint {path} is empty.", "Fetch or save it again.")
    for starts, what, remedy in OTHERS:
        if head.startswith(starts):
            raise InputError(f"The checkpoint {path} {what}.", remedy)


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
