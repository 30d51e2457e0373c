"""An exported program converted to a Core ML program."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.export.graph_signature import OutputKind, OutputSpec, TensorArgument

from export_targets.target import Lowering

LOGITS, PROBABILITIES, LABEL = "logits", "probabilities", "classLabel"  # the outputs' names


def convert(program: torch.export.ExportedProgram, lowering: Lowering) -> Any:
    """The program as a coremltools model for the chosen deployment target.

    With the option output "class" Vision gets the label and every class's probability; the logits
    stand beside them. Two heads are two outputs; other tensors have their own names.
    """
    import coremltools as ct
    import numpy as np

    half = lowering.recipe.storage == "float16" or lowering.recipe.quantized
    program = program.run_decompositions({})
    heads = len(program.graph_signature.user_outputs)
    names = [LOGITS] if heads == 1 else [f"{LOGITS}_{index}" for index in range(heads)]
    names = [*lowering.tensors] or names
    classifier = None
    outputs: list[Any] | None = [ct.TensorType(name=name, dtype=np.float32) for name in names]
    if lowering.options["output"] == "class":
        add_probabilities(program)  # the converter takes no output types beside a classifier
        outputs = None
        classifier = ct.ClassifierConfig(list(lowering.labels), LABEL, PROBABILITIES)
    count_names_anew()
    with quiet_converter(), classifier_beside_logits():
        model = ct.convert(
            program,
            inputs=[_input(program, lowering)],
            outputs=outputs,
            classifier_config=classifier,
            minimum_deployment_target=ct.target[lowering.options["minimum-deployment"]],
            compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
            skip_model_load=True,
        )
    describe(model, lowering)
    return model


def _input(program: torch.export.ExportedProgram, lowering: Lowering) -> Any:
    """The model's input: normalized numbers, or a picture with its normalization.

    before: (p / 255 - mean) / std, for a pixel p
    after:  p * (1 / (255 std)) + (-mean / std), by channel, as the first operators of the program
    """
    import coremltools as ct
    import numpy as np

    placeholder = next(
        node
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in program.graph_signature.user_inputs
    )
    shape = tuple(placeholder.meta["val"].shape)
    if lowering.options["input"] == "tensor":
        return ct.TensorType(name="input", shape=shape, dtype=np.float32)
    mean, std = np.array(lowering.input.mean), np.array(lowering.input.std)
    return ct.ImageType(
        name="image",
        shape=shape,
        scale=(1 / (255 * std)).reshape(1, 3, 1, 1).tolist(),
        bias=(-mean / std).tolist(),
        color_layout=ct.colorlayout.RGB,
    )


def add_probabilities(program: torch.export.ExportedProgram) -> None:
    """Give a program whose one output is logits a second one, their softmax, and both names."""
    output = program.graph.output_node()
    (logits,) = output.args[0]
    with program.graph.inserting_before(output):
        softmax = torch.ops.aten.softmax.int
        node = program.graph.create_node("call_function", softmax, (logits, -1), {}, PROBABILITIES)
    node.meta = dict(logits.meta)
    logits._rename(LOGITS)
    output.args = ((logits, node),)
    kind = OutputKind.USER_OUTPUT
    program.graph_signature.output_specs[:] = [
        OutputSpec(kind, TensorArgument(name=name), None) for name in (LOGITS, PROBABILITIES)
    ]
    program.graph_module.recompile()


def describe(model: Any, lowering: Lowering) -> None:
    """Write what Xcode shows of a model and where it comes from."""
    model.author = "converted by edgeform"
    model.license = "The licence of the weights applies."
    model.version = lowering.facts["version"]
    kind = "a network" if lowering.tensors else "an image classifier"
    model.short_description = f"{lowering.facts['model']}, {kind}; {lowering.recipe.summary}."
    picture = f"an RGB picture of {lowering.facts['size']} pixels (height x width)"
    if lowering.options["input"] == "image":
        model.input_description["image"] = f"{picture}; normalized inside"
    else:
        mean, std = lowering.input.mean, lowering.input.std
        model.input_description["input"] = (
            f"{picture}, divided by 255, minus {mean}, divided by {std} by channel"
        )
    meaning = {
        LABEL: "the name of the most probable class",
        f"{LABEL}_probs": "the probability of each class: the softmax of the logits",
    }
    for output in model.get_spec().description.output:
        text = meaning.get(output.name, "one number a class; the largest is the prediction")
        if output.name in lowering.tensors:
            text = "as the network returns it"
        model.output_description[output.name] = text
    for name, value in lowering.facts.items():
        model.user_defined_metadata[f"edgeform.{name}"] = value


@contextmanager
def classifier_beside_logits() -> Iterator[None]:
    """While open, a classifier can have a further output.

    The converter looks up each output's declared type by its place, but has just put the label in
    front of them. What it looks for, images, no output here is.
    """
    from coremltools.converters.mil.backend.mil import load

    original = load._add_classify_op

    def without_types(program: Any, classifier: Any) -> Any:
        names = original(program, classifier)
        program.functions["main"].output_types = None
        return names

    load._add_classify_op = without_types
    try:
        yield
    finally:
        load._add_classify_op = original


@contextmanager
def saved_in_order() -> Iterator[None]:
    """While open, the same model is saved as the same bytes.

    protobuf writes the entries of a table in the order of their hashes, which is another one in
    each process: here they are sorted. What still differs are the ids that a package gives to its
    files and a delegate to itself.
    """
    from coremltools.models import model

    original = model._save_spec

    def save(specification: Any, path: str) -> None:
        Path(path).write_bytes(specification.SerializeToString(deterministic=True))

    model._save_spec = save
    try:
        yield
    finally:
        model._save_spec = original


def count_names_anew() -> None:
    """Let the converter number the names that it makes up from zero: a conversion that ended in an
    error leaves its numbers behind, and the next file would differ.
    """
    from coremltools.converters.mil.mil import Builder

    Builder.name_count.clear()


@contextmanager
def quiet_converter() -> Iterator[None]:
    """While open, coremltools shows no progress of its own for each of its pipelines."""
    from coremltools.converters.mil.frontend.torch import ops
    from coremltools.converters.mil.mil.passes import pass_pipeline
    from coremltools.optimize.coreml import _quantization_passes as optimizers

    def plain(items: Iterable[Any], **_: object) -> Iterable[Any]:
        return items

    shown = ops._tqdm, pass_pipeline.tqdm, optimizers.tqdm
    ops._tqdm = pass_pipeline.tqdm = optimizers.tqdm = plain
    try:
        yield
    finally:
        ops._tqdm, pass_pipeline.tqdm, optimizers.tqdm = shown
