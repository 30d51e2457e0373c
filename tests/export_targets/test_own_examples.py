"""Networks as people have them, on every target: the page's U-Net, and a trained ResNet-18."""

import re
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

import edgeform as api
from edge_models.catalog import model_spec
from edge_models.photographs import views
from edge_models.spec import DIGITS_INPUT
from edge_models.training.__main__ import load
from export_targets.artifact.manifest import Manifest
from tests.conftest import Built
from tests.export_targets import own_resnet

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "own-network.md"
TARGETS = [("xnnpack", "int8"), ("vulkan", "fp16"), ("coreml", "int8"), ("coreml_pte", "fp16")]
EPOCHS, IMAGES, LEARNING_RATE = 6, 64, 4e-3
RIGHT = 0.9  # of the held-out digits, after so few epochs


def cot_layers(manifest: Manifest) -> list[str]:
    return [layer.module for layer in manifest.recognized or () if layer.kind]


@pytest.fixture(scope="session")
def page_file(shared_folder: Path) -> Path:
    """The network of the page."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    path = shared_folder / "my_net.py"
    path.write_text(code, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def photographs_of_people(shared_folder: Path) -> Path:
    """Views of scikit-image's photographs."""
    from PIL import Image
    from skimage import data

    folder = shared_folder / "photographs"
    folder.mkdir(exist_ok=True)
    images = [Image.fromarray(make()) for make in (data.astronaut, data.chelsea, data.coffee)]
    for number, view in enumerate(views(images, 48)):
        view.save(folder / f"{number}.png")
    return folder


@pytest.mark.full
@pytest.mark.parametrize(("target", "recipe"), TARGETS)
def test_the_network_of_the_page_is_built_on_every_target(
    target: str, recipe: str, page_file: Path, photographs_of_people: Path, built: Built
) -> None:
    options = {"calibration": photographs_of_people, "calibration_samples": 16}
    result = built(f"{page_file}:make_net", target, recipe, size=(64, 96), **options)
    assert result.problems == ()
    assert cot_layers(result.manifest) == ["context"]
    assert result.manifest.delegation.whole
    assert [tensor.name for tensor in result.manifest.output.tensors] == ["mask", "low"]
    assert api.verify(result.folder).problems == ()


@pytest.fixture(scope="session")
def trained_weights(shared_folder: Path) -> Path:
    """A checkpoint of the ResNet-18, trained on scikit-learn's digits for a few epochs."""
    path = shared_folder / "resnet18_digits.pth"
    if path.exists():
        return path
    torch.manual_seed(0)
    spec = model_spec("digits_cotnet_simple")
    images, labels = load(spec, "train")
    network = own_resnet.ResNet18()
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(images)).split(IMAGES):
            optimizer.zero_grad()
            F.cross_entropy(network(images[chosen]), labels[chosen]).backward()
            optimizer.step()
    torch.save({"epoch": EPOCHS, "state_dict": network.state_dict()}, path)
    return path


@pytest.mark.full
@pytest.mark.parametrize(("target", "recipe"), TARGETS)
def test_a_trained_network_keeps_its_answers(
    target: str, recipe: str, trained_weights: Path, digit_folders: Path, built: Built
) -> None:
    place = f"{own_resnet.__file__}:make_net"
    given = {"mean": DIGITS_INPUT.mean, "std": DIGITS_INPUT.std, "crop": DIGITS_INPUT.crop}
    result = built(
        place,
        target,
        recipe,
        size=DIGITS_INPUT.size,
        interpolation=DIGITS_INPUT.interpolation,
        checkpoint=trained_weights,
        calibration=digit_folders,
        calibration_samples=64,
        **given,
    )
    assert result.problems == ()
    assert result.manifest.delegation.whole
    assert cot_layers(result.manifest) == [f"blocks.{index}.second" for index in range(8)]
    report = api.evaluate(result.folder, digit_folders, limit=100, network=place)
    reference, saved = report.programs
    assert reference.top1 >= RIGHT
    assert saved.agreement >= 0.97
