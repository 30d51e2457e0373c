"""A network of one's own: checked, run once, and described as the catalog describes its models."""

import inspect
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from edge_models.errors import InputError, described
from edge_models.own_code import called, is_place
from edge_models.spec import FloatRule, InputSpec, ModelSpec, OutputKind, OutputTensor, OwnNetwork

FAMILY = "own"
MAX_RANK = 4
ITSELF = "its own forward"  # of a network, where no module in it is meant
RESERVED = ("input", "image")  # of the input of a Core ML program
Network = str | nn.Module | None  # of one's own: the place of its function, or itself
STATISTICS = "statistics, squares among them, need more than 8 bits"
# What is known to hurt in any network; what an edge form hurts stands with the targets.
FLOAT_RULES = tuple(
    FloatRule(norm, STATISTICS)
    for norm in (nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm2d, nn.LocalResponseNorm)
)


def own_spec(
    model: str,
    module: nn.Module | None,
    given: InputSpec,
    batch: int,
    kind: OutputKind | None,
    seed: int = 0,
) -> ModelSpec:
    """The spec of a network: of ``module``, named ``model``, or of what the function at the place
    ``model`` returns.

    It is run on random images (B, 3, H, W). Raises InputError for what is no network of one image
    in evaluation mode whose outputs are tensors of fixed shapes.
    """
    returned = called(model, seed) if module is None else module
    name, network = _name(model), _checked(returned, model)
    tensors = _outputs(network, model, (batch, 3, *given.size))
    network = _copied(network, model)
    logits = len(tensors) == 1 and len(tensors[0].shape) == 2 and tensors[0].shape[0] == batch
    if kind == "logits" and not logits:
        raise InputError(
            f"The network {model} returns {_listed(tensors)}, not logits (batch, classes).",
            "Say --output-kind tensors.",
        )
    kind = kind or ("logits" if logits else "tensors")
    return ModelSpec(
        name=name,
        family=FAMILY,
        build=lambda **_: deepcopy(network),
        config={"num_classes": tensors[0].shape[1]} if kind == "logits" else {},
        read_config=lambda _: {},
        input=given,
        float_rules=FLOAT_RULES,
        own=OwnNetwork(model, kind, tensors, code=module is None),
    )


def _name(model: str) -> str:
    """``folder/my_net.py:make_net`` -> ``my_net.make_net``: part of an artifact's folder."""
    source, _, function = model.rpartition(":")
    stem = re.split(r"[/\\]", source)[-1].removesuffix(".py")
    name = f"{stem}.{function}" if is_place(model) else model
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", name):
        raise InputError(
            f"The network's name {name!r} is no name of a folder.",
            "Use letters, digits, _, . and -.",
        )
    return name


def _checked(network: Any, model: str) -> nn.Module:
    """A module in evaluation mode, on the CPU, in float32, that takes one image."""
    if not isinstance(network, nn.Module):
        raise InputError(
            f"{model} returns a {type(network).__name__}, not an nn.Module.",
            "Return the network itself; its weights can come from --checkpoint.",
        )
    if isinstance(network, torch.jit.ScriptModule):
        raise InputError(
            f"The network {model} is a TorchScript program.", "Return the nn.Module it is made of."
        )
    training = [name or "itself" for name, part in network.named_modules() if part.training]
    if training:
        raise InputError(
            f"The network {model} is in training mode: {_some(training)}.",
            "Return it in evaluation mode: return network.eval()",
        )
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if nn.parameter.is_lazy(tensor):
            raise InputError(
                f"The weight {name} of {model} has no size yet: its layer is a lazy one.",
                "Run the network once on an image before it is returned.",
            )
        if tensor.device.type != "cpu":
            raise InputError(
                f"The weight {name} of {model} is on {tensor.device}.", "Return network.cpu()."
            )
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            raise InputError(
                f"The weight {name} of {model} is {tensor.dtype}.", "Return network.float()."
            )
    _check_inputs(network, model)
    return network


def _copied(network: nn.Module, model: str) -> nn.Module:
    try:
        return deepcopy(network)
    except Exception as error:  # whatever the user's classes raise
        raise InputError(
            f"The network {model} cannot be copied: {described(error)}",
            "Hold weights as parameters, computed tensors with detach(), and no handles of the "
            "system.",
        ) from error


def _check_inputs(network: nn.Module, model: str) -> None:
    parameters = inspect.signature(network.forward).parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    places = [
        p.name for p in parameters if p.kind in (*positional, inspect.Parameter.VAR_POSITIONAL)
    ]
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in variable]
    if not places or len(needed) > 1:
        raise InputError(
            f"The network {model} takes {len(needed)} inputs: {', '.join(needed) or 'none'}.",
            "It takes one image (B, 3, H, W): put it into a module whose forward gives the rest.",
        )


def _outputs(network: nn.Module, model: str, shape: tuple[int, ...]) -> tuple[OutputTensor, ...]:
    """What it returns for an image of a shape. It is run three times: twice on one image, and on
    another, as nothing but the numbers may differ.
    """
    generator = torch.Generator().manual_seed(0)
    image, other = (torch.randn(shape, generator=generator) for _ in range(2))
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    first = _run(network, model, image)
    changed = [n for n, tensor in network.state_dict().items() if not torch.equal(tensor, state[n])]
    if changed:
        raise InputError(
            f"The network {model} changes itself when it runs: {_some(changed)}.",
            "Its forward may not write to its weights or buffers, as in training.",
        )
    again, second = _run(network, model, image), _run(network, model, other)
    for name, tensor in first.items():
        if name not in second or second[name].shape != tensor.shape:
            raise InputError(
                f"The output {name} of {model} has another shape for another image.",
                "Return tensors of one shape for all images; choose among them in the app.",
            )
        if not torch.allclose(again[name], tensor, rtol=1e-3, atol=1e-5, equal_nan=True):
            raise InputError(
                f"The output {name} of {model} differs when the same image is given again.",
                "Its forward may draw no random numbers: dropout is off in evaluation mode.",
            )
    return tuple(OutputTensor(name, tuple(tensor.shape)) for name, tensor in first.items())


def _run(network: nn.Module, model: str, image: Tensor) -> dict[str, Tensor]:
    given = image.clone()
    with torch.no_grad(), entered_modules(network) as entered:
        try:
            returned = network(given)
        except Exception as error:
            raise InputError(
                f"The network {model} does not run on an image {tuple(image.shape)}, in "
                f"{deepest(entered)}: {described(error)}",
                "It gets normalized RGB images as float32 on the CPU, of --size; a CUDA operator "
                "runs on no phone.",
            ) from error
    if not torch.equal(given, image):
        raise InputError(
            f"The network {model} changes the image that it is given.",
            "Write x = x / 255, not x /= 255.",
        )
    tensors = _named_tensors(returned, model)
    for name, tensor in tensors.items():
        _check_output(name, tensor, model)
    places = [(tensor.data_ptr(), tensor.shape) for tensor in (*tensors.values(), given)]
    twice = [name for name, place in zip(tensors, places, strict=False) if places.count(place) > 1]
    if twice:
        raise InputError(
            f"The output {twice[-1]} of {model} is another output, or the image, once more.",
            "Return each tensor once.",
        )
    return tensors


def _named_tensors(returned: Any, model: str) -> dict[str, Tensor]:
    """A tensor, a tuple or list, or a dictionary by the names of its tensors."""
    if isinstance(returned, Tensor):
        return {"output": returned}
    items: list[tuple[str, Any]]
    if isinstance(returned, Mapping):
        items = [(str(key), value) for key, value in returned.items()]
    elif isinstance(returned, tuple | list):
        fields = getattr(returned, "_fields", range(len(returned)))
        items = [(str(field), value) for field, value in zip(fields, returned, strict=True)]
    else:
        raise InputError(
            f"The network {model} returns a {type(returned).__name__}.",
            "Return a tensor, or a tuple or dictionary of tensors.",
        )
    tensors: dict[str, Tensor] = {}
    for key, value in items:
        if not isinstance(value, Tensor):
            raise InputError(
                f"The output {key} of {model} is a {type(value).__name__}, not a tensor.",
                "Return tensors one beside the other, not inside each other; leave others away.",
            )
        name = _identifier(key)
        if name in tensors:
            raise InputError(f"Two outputs of {model} are named {name}.", "Name them apart.")
        tensors[name] = value
    if not tensors:
        raise InputError(f"The network {model} returns nothing.", "Return at least one tensor.")
    return tensors


def _identifier(key: str) -> str:
    """A name that every format takes."""
    name = re.sub(r"\W", "_", key, flags=re.ASCII)
    return name if name[:1].isalpha() and name not in RESERVED else f"output_{name}"


def _check_output(name: str, tensor: Tensor, model: str) -> None:
    if not 1 <= tensor.dim() <= MAX_RANK or not tensor.numel():
        raise InputError(
            f"The output {name} of {model} has the shape {tuple(tensor.shape)}.",
            f"Return tensors of 1 to {MAX_RANK} axes that are not empty: reshape it.",
        )
    if tensor.dtype != torch.float32:
        raise InputError(
            f"The output {name} of {model} is {tensor.dtype}.",
            "Return float32: scores instead of their argmax, which the app takes.",
        )


@contextmanager
def entered_modules(network: nn.Module) -> Iterator[list[str]]:
    """While open, the paths of the modules that a run has entered and not left: after an error the
    last one is where it was raised.
    """
    entered: list[str] = []

    def enter(path: str) -> Any:
        return lambda *_: entered.append(path)

    def leave(*_: Any) -> None:
        entered.pop()

    hooks = []
    for path, part in network.named_modules():
        hooks += [part.register_forward_pre_hook(enter(path)), part.register_forward_hook(leave)]
    try:
        yield entered
    finally:
        for hook in hooks:
            hook.remove()


def deepest(entered: list[str]) -> str:
    """The module that was entered last, by its path."""
    return entered[-1] if entered and entered[-1] else ITSELF


def _listed(tensors: tuple[OutputTensor, ...]) -> str:
    return ", ".join(f"{tensor.name} {tensor.shape}" for tensor in tensors)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
