"""Reads a program from a saved package: protobuf and weight files, no converter's own code."""

import json
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch

from export_targets.interpret.mil.blobs import BlobFile
from export_targets.interpret.mil.formats import messages
from export_targets.interpret.mil.program import Constant, Input, Operation, Output, Program
from export_targets.interpret.mil.types import ON_DISK, TensorType, Value, in_memory
from export_targets.interpret.refusal import RefusedError

MANIFEST = "Manifest.json"
SPECIFICATION = "com.apple.CoreML/model.mlmodel"
KNOWN_OPSETS = ("CoreML5", "CoreML6", "CoreML7", "CoreML8", "CoreML9")  # iOS 15 to 26
MODEL_PATH = "@model_path/"


def read_package(folder: Path) -> Program:
    """The program of an ``.mlpackage``. Raises RefusedError that says what is wrong with it."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        entries = manifest["itemInfoEntries"]
        entry = entries[manifest["rootModelIdentifier"]]["path"]
        listed = [str(item["path"]) for item in entries.values()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RefusedError(f"{MANIFEST} of the package is missing or damaged: {error!r}") from error
    for item in listed:
        if not _inside(folder / "Data", item).exists():
            raise RefusedError(f"{item} is missing from the package")
    path = _inside(folder / "Data", str(entry))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RefusedError(f"{entry} of the package cannot be read: {error.strerror}") from error
    return read_specification(content, path.parent)


def read_specification(content: bytes, folder: Path) -> Program:
    """The program of a serialized model whose weight files stand in ``folder``."""
    model = messages("Model_pb2").Model()
    try:
        model.ParseFromString(content)
    except Exception as error:  # protobuf's own class, which has no public home in its C version
        raise RefusedError(f"the program is damaged: {error}") from error
    if model.WhichOneof("Type") != "mlProgram":
        raise RefusedError(f"the model is a {model.WhichOneof('Type') or 'nothing'}, not a program")
    if set(model.mlProgram.functions) != {"main"}:
        raise RefusedError("the program has other functions than main")
    return _Reader(folder).program(model)


def _inside(folder: Path, relative: str) -> Path:
    pure = PurePosixPath(relative)
    if pure.is_absolute() or ".." in pure.parts or "\0" in relative or not pure.parts:
        raise RefusedError(f"the package names {relative!r}, which leads outside it")
    path = folder / pure
    if not path.resolve().is_relative_to(folder.resolve()):
        raise RefusedError(f"the package names {relative!r}, which leads outside it")
    return path


class _Reader:
    """Reads one model's messages; keeps its weight files open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, BlobFile] = {}

    def program(self, model: Any) -> Program:
        function = model.mlProgram.functions["main"]
        if function.opset not in KNOWN_OPSETS:
            raise RefusedError(f"the operator set {function.opset!r} is not known")
        if function.opset not in function.block_specializations:
            raise RefusedError(f"the program has no block for its operator set {function.opset}")
        block = function.block_specializations[function.opset]
        constants: dict[str, Value] = {}
        operations = []
        for message in block.operations:
            if message.type == "const":
                constants[_one_output(message)] = self.value(message.attributes["val"])
            else:
                operations.append(self.operation(message))
        kinds = {feature.name: feature for feature in model.description.input}
        described = tuple(
            Output(feature.name, OUTPUT_KINDS.get(feature.type.WhichOneof("Type"), "unknown"))
            for feature in model.description.output
        )
        inputs = tuple(
            Input(i.name, _input_kind(kinds.get(i.name)), tensor_type(i.type))
            for i in function.inputs
        )
        outputs = {feature.name for feature in described}
        if not outputs or not outputs <= set(block.outputs):
            raise RefusedError("the model's outputs are not the program's")
        metadata = model.description.metadata
        shown = dict(metadata.userDefined)
        for field in ("shortDescription", "versionString", "author", "license"):
            shown[field] = getattr(metadata, field)
        return Program(function.opset, inputs, described, constants, tuple(operations), shown)

    def operation(self, message: Any) -> Operation:
        if message.blocks:
            raise RefusedError(f"the operator {message.type} holds a program of its own: not known")
        arguments: dict[str, str | Constant | list[str | Constant]] = {}
        for name, argument in message.inputs.items():
            bound = [self.binding(binding) for binding in argument.arguments]
            arguments[name] = bound[0] if len(bound) == 1 else bound
        for name, value in message.attributes.items():
            if name != "name":
                arguments[name] = Constant(self.value(value))
        results = tuple(
            (output.name, tensor_type(output.type) if _is_tensor(output.type) else None)
            for output in message.outputs
        )
        return Operation(message.type, arguments, results)

    def binding(self, binding: Any) -> str | Constant:
        if binding.WhichOneof("binding") == "name":
            return str(binding.name)
        return Constant(self.value(binding.value))

    def value(self, message: Any) -> Value:
        kind = message.type.WhichOneof("type")
        if kind == "listType":
            items = [self.value(item) for item in message.immediateValue.list.values]
            if not all(isinstance(item, str) for item in items):
                raise RefusedError("a list of something else than strings is not known")
            return tuple(str(item) for item in items)
        if kind != "tensorType":
            raise RefusedError(f"a constant of the kind {kind} is not known")
        if dtype_name(message.type.tensorType.dataType) == "STRING":
            values = message.immediateValue.tensor.strings.values
            if len(values) != 1:
                raise RefusedError("a tensor of several strings is not known")
            return str(values[0])
        declared = tensor_type(message.type)
        if message.WhichOneof("value") == "blobFileValue":
            found = self.blob(message.blobFileValue, declared)
        else:
            found = _immediate(message.immediateValue.tensor, declared)
        return torch.from_numpy(found).to(in_memory(declared.dtype)).reshape(declared.shape)

    def blob(self, message: Any, declared: TensorType) -> "np.ndarray[Any, Any]":
        if message.fileName not in self.files:
            if not message.fileName.startswith(MODEL_PATH):
                raise RefusedError(f"weights in {message.fileName!r} are outside the package")
            path = _inside(self.folder, message.fileName.removeprefix(MODEL_PATH))
            self.files[message.fileName] = BlobFile(path)
        file = self.files[message.fileName]
        return np.array(file.read(message.offset, declared.dtype, declared.numbers))


OUTPUT_KINDS = {
    "multiArrayType": "tensor",
    "stringType": "string",
    "dictionaryType": "dictionary",
}


def _input_kind(feature: Any) -> str:
    if feature is None:
        raise RefusedError("the program has an input that the model does not describe")
    kind = feature.type.WhichOneof("Type")
    if kind not in ("imageType", "multiArrayType"):
        raise RefusedError(f"an input of the kind {kind} is not known")
    if kind == "imageType" and feature.type.imageType.colorSpace != COLOR_RGB:
        raise RefusedError("an image that is not RGB is not known")
    return "image" if kind == "imageType" else "tensor"


COLOR_RGB = 20  # ImageFeatureType.ColorSpace.RGB


def _one_output(message: Any) -> str:
    if len(message.outputs) != 1 or "val" not in message.attributes:
        raise RefusedError("a constant without a value or a name")
    return str(message.outputs[0].name)


def _is_tensor(message: Any) -> bool:
    is_tensor = message.WhichOneof("type") == "tensorType"
    return is_tensor and dtype_name(message.tensorType.dataType) != "STRING"


def dtype_name(number: int) -> str:
    """The name of a data type in the format. Raises RefusedError for a number without one."""
    try:
        return str(messages("MIL_pb2").DataType.Name(number))
    except ValueError as error:
        raise RefusedError(f"the data type {number} is not known") from error


def tensor_type(message: Any) -> TensorType:
    """The declared type of a tensor. Raises RefusedError for an unknown one or a size not fixed."""
    if message.WhichOneof("type") != "tensorType":
        raise RefusedError(f"a value of the kind {message.WhichOneof('type')} is not known here")
    dtype = dtype_name(message.tensorType.dataType)
    in_memory(dtype)
    shape = []
    for dimension in message.tensorType.dimensions:
        if dimension.WhichOneof("dimension") != "constant":
            raise RefusedError("a tensor whose size is not fixed is not known")
        shape.append(dimension.constant.size)
    return TensorType(dtype, tuple(shape))


def _immediate(tensor: Any, declared: TensorType) -> "np.ndarray[Any, Any]":
    """The numbers of a tensor that stand in the program, one-dimensional."""
    kind = tensor.WhichOneof("value")
    if kind == "bytes":
        if declared.dtype not in ON_DISK:
            raise RefusedError(f"numbers of the type {declared.dtype} in the program are not known")
        dtype: np.dtype[Any] = ON_DISK[declared.dtype]
        if len(tensor.bytes.values) % dtype.itemsize:
            raise RefusedError("a constant's bytes are not whole numbers")
        found = np.frombuffer(tensor.bytes.values, dtype).copy()
    elif kind in ("floats", "ints", "bools", "longInts"):
        found = np.array(getattr(tensor, kind).values)
    else:
        raise RefusedError(f"a constant of the kind {kind} is not known")
    if found.size != declared.numbers:
        raise RefusedError(f"a constant holds {found.size} numbers, not {declared.numbers}")
    return found
