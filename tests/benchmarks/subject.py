"""What is measured: a model with its weights, its calibration images, and its artifacts."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from edge_models.checkpoint import LoadedModel, load_reference
from edge_models.reference.heads import one_output
from export_targets.artifact.folder import Artifact, open_artifact
from export_targets.artifact.manifest import to_json, toolchain
from export_targets.pipeline import build
from export_targets.plan import choose_images, resolve
from export_targets.progress import silent_reporter, stderr_reporter
from export_targets.request import BuildRequest, Form
from quantize.calibration import Images
from tests.benchmarks import trained
from tests.benchmarks.result import RESULTS
from tests.benchmarks.reuse import is_current, remember, sources
from tests.photographs import write_calibration

TARGET = "xnnpack"
REAL_SIZE = ("cotnet50_simple", "conformer_small_patch16")
TIMED = (*REAL_SIZE, "cotnet50")
PACKAGES = tuple(Path(name) for name in ("edge_models", "quantize", "export_targets"))


@dataclass(frozen=True)
class Subject:
    """A model as every side gets it: the same weights, size and calibration images."""

    model: str
    size: tuple[int, int]
    checkpoint: Path | None = None
    calibration: str | None = None  # a folder; None for models that bring their own images
    target: str = TARGET
    module: nn.Module | None = None  # a network of one's own

    @property
    def request(self) -> BuildRequest:
        """What is built of it, in INT8 and edge form."""
        return BuildRequest(
            model=self.model,
            module=self.module,
            target=self.target,
            recipe="int8",
            checkpoint=self.checkpoint,
            calibration=self.calibration,
            size=self.size,
            verify=False,  # the accuracy of each file stands in the tables
        )

    @property
    def family(self) -> str:
        """The file of ``edge_models/edge`` that makes its edge form."""
        return resolve(self.request).spec.family

    def loaded(self) -> LoadedModel:
        """The published module with its weights."""
        return load_reference(resolve(self.request).spec, self.checkpoint, self.request.seed)

    def published(self) -> nn.Module:
        """The module as published, in FP32, with one output unless it is one's own."""
        return one_output(resolve(self.request).spec, self.loaded().module)

    def calibration_images(self) -> Images:
        """The images that INT8 is calibrated on."""
        images = choose_images(resolve(self.request), silent_reporter()).calibration
        assert images is not None
        return images

    def calibration_inputs(self) -> Tensor:
        """The same as model inputs, (samples, 1, 3, H, W)."""
        plan = resolve(self.request)
        return plan.inputs(plan.batches(self.calibration_images()))[0]

    def artifact(self, recipe: str, form: Form) -> Artifact:
        """The artifact of a recipe and form; built unless it is already there, made by the same
        sources and versions from the same weights and images.
        """
        request = replace(self.request, recipe=recipe, form=form)
        plan = resolve(request)
        out = RESULTS / "artifacts" / plan.name
        identity = {
            "artifact": to_json(asdict(plan.identity(self.loaded()))),
            "calibration": self.calibration_images().sha256() if plan.recipe.quantized else "",
            "sources": sources(PACKAGES),
            "toolchain": to_json(toolchain(("executorch",))),
        }
        if is_current(out, identity):
            print(f"{out}: reused, made by the same sources and versions", flush=True)
        else:
            print(f"{out}: building", flush=True)
            build(replace(request, out=out, force=True), stderr_reporter())
            remember(out, identity)
        return open_artifact(out)


def real_size(model: str, target: str = TARGET) -> Subject:
    """A model at 224 with seeded random weights, calibrated on scikit-image's photographs."""
    folder = RESULTS / "calibration"
    write_calibration(folder)
    return Subject(model, (224, 224), calibration=str(folder), target=target)


def digits(model: str) -> Subject:
    """An embedded model that was trained on handwritten digits."""
    return Subject(model, (64, 64))


def photographs(model: str = trained.CONFORMER) -> Subject:
    """A model that was trained on small photographs; see ``trained``."""
    return Subject(
        model,
        trained.SIZE,
        checkpoint=trained.checkpoint(model),
        calibration=str(trained.folder() / "cifar" / "calibration"),
    )
