"""What a build will do: its request checked and resolved to the catalogs' entries."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from torch import Tensor

from edge_models.catalog import model_spec
from edge_models.checkpoint import LoadedModel, load_reference
from edge_models.errors import InputError
from edge_models.images import normalize
from edge_models.own_code import is_place
from edge_models.own_network import own_spec
from edge_models.reference.heads import HEADS
from edge_models.registry import named
from edge_models.spec import OUTPUT_KINDS, FloatRule, InputSpec, ModelSpec, Size
from export_targets.artifact.interface import InputSection, OutputSection, Resize, TensorSection
from export_targets.artifact.label_file import read_classes
from export_targets.artifact.manifest import Identity, artifact_name
from export_targets.goal import Goal, goal_of
from export_targets.preprocessing import input_size, preprocessing
from export_targets.progress import Reporter
from export_targets.request import FORMS, BuildRequest
from export_targets.target import GOLDEN_SAMPLES, Lowering, Target, recipes_of, target_named
from quantize.calibration import SYNTHETIC, Images, ImageSets, Wanted, image_sets
from quantize.recipe import Recipe, recipe_named

STRIDE = 32  # of the models' last feature map: H and W are multiples of it
FEWEST_SAMPLES = 4  # golden ones, of a network with many outputs
MAX_GOLDEN_NUMBERS = 2**24  # of a program's outputs, 64 MB; an artifact holds four programs'


@dataclass(frozen=True)
class Plan:
    """A request with every name resolved."""

    request: BuildRequest
    spec: ModelSpec
    target: Target
    recipe: Recipe
    size: tuple[int, int]
    options: Mapping[str, str]
    name: str
    out: Path
    goal: Goal | None = None  # of a search for what stays float
    found_float: tuple[str, ...] = ()  # modules that it leaves float

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The model's input, (B, 3, H, W)."""
        return (self.request.batch, 3, *self.size)

    @property
    def float_rules(self) -> tuple[FloatRule, ...]:
        """What stays float at INT8: what was asked for, the target's rules and the model's."""
        asked = tuple(
            FloatRule(path, "--keep-float", whole_path=True) for path in self.request.keep_float
        )
        why = self.goal.option if self.goal else ""
        found = tuple(FloatRule(path, why, whole_path=True) for path in self.found_float)
        return asked + found + self.target.rules(self.spec, self.recipe)

    @property
    def golden_samples(self) -> int:
        """How many inputs are kept with what every program gives for them."""
        own = self.spec.own
        numbers = own.numbers if own else 0
        if numbers * GOLDEN_SAMPLES <= MAX_GOLDEN_NUMBERS:
            return GOLDEN_SAMPLES
        return max(FEWEST_SAMPLES, MAX_GOLDEN_NUMBERS // numbers)

    @property
    def judged_samples(self) -> int:
        """How many inputs judge the build, the golden ones among them."""
        golden = self.golden_samples
        return golden if golden < GOLDEN_SAMPLES else self.target.samples

    def batches(self, images: Images) -> Tensor:
        """Crops as uint8 (samples, B, 3, H, W); images that fill no batch are left out."""
        batch = self.request.batch
        return images.crops[: len(images.crops) // batch * batch].unflatten(0, (-1, batch))

    def inputs(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels (..., 3, H, W) as the reference takes them, and as the saved file does."""
        normalized = normalize(pixels, self.spec.input)
        return normalized, pixels.float() if self.takes_image else normalized

    @property
    def takes_image(self) -> bool:
        """Whether the model file takes pixels and normalizes them itself."""
        return self.options.get("input") == "image"

    def input_section(self) -> InputSection:
        """The input as the manifest describes it."""
        spec = self.spec.input
        return InputSection(
            name="image" if self.takes_image else "input",
            kind="image" if self.takes_image else "tensor",
            shape=self.shape,
            dtype="float32",
            layout="NCHW",
            color_order="RGB",
            resize=Resize(
                size=round(min(self.size) / spec.crop),
                interpolation=spec.interpolation,
                crop=self.size,
                mode=spec.resize,
            ),
            normalization="model" if self.takes_image else "caller",
            mean=spec.mean,
            std=spec.std,
        )

    def output_section(self, classes: int) -> OutputSection:
        """The output as the manifest describes it."""
        own, heads = self.spec.own, self.request.heads
        if own is None or own.kind == "logits":
            kind = "class" if self.options.get("output") == "class" else "logits"
            shape = (self.request.batch, classes)
            return OutputSection(name="logits", kind=kind, shape=shape, heads=heads)
        tensors = tuple(TensorSection(name=t.name, shape=t.shape) for t in own.tensors)
        return OutputSection(
            name="tensors", kind="tensors", shape=(1, own.numbers), heads=heads, tensors=tensors
        )

    def lowering(self, loaded: LoadedModel, labels: tuple[str, ...]) -> Lowering:
        """What the target needs to know beside the program."""
        facts = {
            "name": self.name,
            "model": self.spec.name,
            "size": f"{self.size[0]}x{self.size[1]}",
            "weights": loaded.sha256,
            "version": version("edgeform"),
        }
        own = self.spec.own
        of_tensors = own is not None and own.kind == "tensors"
        names = tuple(tensor.name for tensor in own.tensors) if own and of_tensors else ()
        return Lowering(self.recipe, self.spec.input, self.options, labels, facts, names)

    def identity(self, loaded: LoadedModel) -> Identity:
        """Of the artifact that this plan makes."""
        return Identity(
            model=self.spec.name,
            weights=loaded.sha256,
            target=self.target.name,
            options=dict(self.options),
            recipe=self.recipe.name,
            form=self.request.form,
            input=self.shape,
            preprocessing=self.input_section().preprocessing(),
            heads=self.request.heads,
        )


def resolve(request: BuildRequest) -> Plan:
    """Check a request against the catalogs. Raises InputError for what cannot be built."""
    own = request.module is not None or is_place(request.model)
    published = InputSpec() if own else model_spec(request.model).input
    given = preprocessing(published, request)
    size = input_size(request, published, 1 if own else STRIDE)
    target = target_named(request.target)
    recipe = recipe_named(request.recipe or target.default_recipe)
    target.check(recipe)
    options = target.choose(recipe, request.options)
    named(dict.fromkeys(FORMS), "form", request.form)
    named(dict.fromkeys(HEADS), "choice of heads", request.heads)
    spec = _spec(request, own, given, size)
    if request.heads == "both" and not spec.two_heads:
        raise InputError(f"The model {spec.name} has one head.", "Leave --heads both away.")
    if recipe.needs_calibration and request.calibration is None and not spec.digits:
        without = map(recipe_named, recipes_of(target))
        names = [one.name for one in without if one.quantized and not one.needs_calibration]
        remedy = f"Give --calibration DIR, or say --calibration {SYNTHETIC}."
        raise InputError(
            f"The recipe {recipe.name} needs images for calibration.",
            f"{remedy} --recipe {names[0]} needs none." if names else remedy,
        )
    goal = goal_of(request, spec, recipe)
    name = artifact_name(spec.name, target.name, recipe.name, size, request.batch, request.form)
    out = Path(request.out or Path("artifacts") / name)
    if out.is_symlink() or out.name in ("", ".."):
        out = Path(os.path.realpath(out))
    if not out.name:
        raise InputError(f"The folder {out} cannot be an artifact.", "Choose another --out.")
    return Plan(request, spec, target, recipe, size, options, name, out, goal)


def _spec(request: BuildRequest, own: bool, given: InputSpec, size: Size) -> ModelSpec:
    kind = request.output_kind
    if kind is not None:
        named(dict.fromkeys(OUTPUT_KINDS), "output kind", kind)
    if own:
        given = replace(given, size=size)
        return own_spec(request.model, request.module, given, request.batch, kind, request.seed)
    if kind is not None:
        raise InputError(
            f"The model {request.model} gives logits.",
            "Leave --output-kind away: it is of a network of one's own.",
        )
    return replace(model_spec(request.model), input=given)


def settle(plan: Plan, labels: tuple[str, ...]) -> Plan:
    """The plan with those options changed that its batch, heads and labels rule out.

    Raises InputError where the request asked for one of them by name, and for two classes of one
    name whose probabilities are the output.
    """
    ruled_out = {}
    if plan.request.batch != 1:
        ruled_out["input", "image"] = ("tensor", "an app gives one picture at a time")
    if plan.request.batch != 1 or plan.request.heads == "both" or not labels:
        why = "it needs a batch of one, one head and the names of the classes"
        ruled_out["output", "class"] = ("logits", why)
    options = dict(plan.options)
    for (name, value), (instead, why) in ruled_out.items():
        if plan.request.options.get(name) == value:
            raise InputError(
                f"The {name} {value} is not possible here: {why}.",
                f"Say --{name} {instead}.",
            )
        if options.get(name) == value:
            options[name] = instead
    twice = [label for label in labels if labels.count(label) > 1]
    if twice and options.get("output") == "class":
        raise InputError(
            f"Two classes are named {twice[0]!r}: the output class, probabilities by name, "
            "cannot hold both.",
            "Name them apart in the labels, or say --output logits.",
        )
    return replace(plan, options=options)


def load_model(plan: Plan, reporter: Reporter) -> LoadedModel:
    """The published model with its weights, and a note on what else its checkpoint holds."""
    asked = plan.request
    checkpoint = None if asked.checkpoint is None else Path(asked.checkpoint)
    loaded = load_reference(plan.spec, checkpoint, asked.seed, asked.weights, asked.strict)
    reporter.notes((*(plan.spec.own.notes if plan.spec.own else ()), *loaded.notes))
    return loaded


def choose_images(plan: Plan, reporter: Reporter) -> ImageSets:
    """Read the calibration and golden images of a plan, and report how, and what cannot be read."""
    request = plan.request
    reporter.note(f"Preprocessing: {plan.input_section().preprocessing()}")
    source = None if request.calibration is None else str(request.calibration)
    if source is not None and not plan.recipe.takes_calibration:
        reporter.note(f"{plan.recipe.name} needs no calibration: {source} is not read")
        source = None
    wanted = Wanted(
        size=plan.size,
        calibration=request.calibration_samples * request.batch,
        golden=plan.golden_samples * request.batch,
        judged=plan.judged_samples * request.batch,
        seed=request.seed,
        strict=request.strict,
        folder_golden=request.golden_images,
    )
    total = wanted.calibration + wanted.judged if source not in (None, SYNTHETIC) else 0
    with reporter.steps("Images", total) as advance:
        sets = image_sets(plan.spec, source, wanted, advance)
    for line in sets.calibration.notes if sets.calibration else ():
        reporter.note(line)
    for kind, chosen in (("calibration", sets.calibration), ("golden", sets.judged)):
        if chosen is not None and len(chosen.crops) < request.batch:
            raise InputError(
                f"{len(chosen.crops)} {kind} images do not fill a batch of {request.batch}.",
                "Give more images or a smaller --batch.",
            )
    return sets


def read_labels(plan: Plan, classes: int) -> tuple[str, ...]:
    """Class names: the request's file, where a line may have the class's folder before its name,
    else the model's own. Raises InputError for a wrong file.
    """
    path = plan.request.labels
    if path is None:
        return plan.spec.labels if len(plan.spec.labels) == classes else ()
    if not classes:
        raise InputError(
            f"{plan.spec.name} gives tensors, not logits of classes.", "Leave --labels away."
        )
    folders, names = read_classes(Path(path))
    labels = names or folders
    if len(labels) != classes:
        raise InputError(
            f"The labels {path} have {len(labels)} lines, but the model has {classes} classes.",
            "One class a line, in the order of the model's logits.",
        )
    return tuple(labels)
