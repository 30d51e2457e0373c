"""Train a network on photographs in packages: ``python -m tests.benchmarks.training NAME``.

A class is one of 17 photographs of scikit-image and scikit-learn, in grey, as color alone would
tell them apart; an image is a view of one. Each photograph is cut into 64 cells and a view lies in
one: of the 34 to train on, the 6 to calibrate INT8 with, or the 24 to judge on. Seeded; at most 15
minutes of one core a model. Writes into the folder what ``trained.py`` reads: the weights, and the
views that calibrate and judge.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_model
from torch import nn

from edge_models import photographs as own
from edge_models.catalog import model_spec
from edge_models.images import preprocess_all
from edge_models.photographs import views
from edge_models.spec import ModelSpec
from edge_models.training.fit import Labelled, fit
from tests import photographs
from tests.benchmarks import trained

OF_SCIKIT_IMAGE = (
    *("astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "coffee.png"),
    *("coins.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png"),
    *("motorcycle_left.png", "retina.jpg", "rocket.jpg"),
)
SEED = 7
GRID = 8  # cells along each side of a photograph
CELLS = {"train": slice(0, 34), "calibration": slice(34, 40), "test": slice(40, 64)}
VIEWS = {"train": 8, "calibration": 1, "test": 1}  # of each cell
EPOCHS = {"digits_cotnet": 40, "cotnet50_simple": 6, "cotnet50": 6}


def classes() -> dict[str, Image.Image]:
    """The photographs by their names, in their order."""
    names = [Path(name).stem for name in OF_SCIKIT_IMAGE] + ["china", "flower"]
    images = photographs.photographs(OF_SCIKIT_IMAGE) + own.photographs()
    grey = [image.convert("L").convert("RGB") for image in images]
    return dict(sorted(zip(names, grey, strict=True)))


def cells(split: str) -> list[tuple[Image.Image, int]]:
    """A split's cells of every photograph, with their classes; no cell is in two splits."""
    generator = np.random.default_rng(SEED)
    found = []
    for index, photograph in enumerate(classes().values()):
        width, height = photograph.width // GRID, photograph.height // GRID
        for cell in generator.permutation(GRID * GRID)[CELLS[split]]:
            left, top = int(cell) % GRID * width, int(cell) // GRID * height
            found.append((photograph.crop((left, top, left + width, top + height)), index))
    return found


def labelled(split: str) -> tuple[list[Image.Image], list[int]]:
    """A split's views and their classes."""
    parts = cells(split)
    seen = views([image for image, _ in parts], VIEWS[split] * len(parts), SEED)
    return seen, [parts[index % len(parts)][1] for index in range(len(seen))]


def inputs(split: str) -> Labelled:
    """A split's views as model inputs, and their classes."""
    images, labels = labelled(split)
    return preprocess_all(images, trained.INPUT, trained.SIZE), torch.tensor(labels)


def write_views(folder: Path) -> None:
    """Write the views that calibrate and judge as ``<split>/<class>/<number>.png``."""
    names = [*classes()]
    for split in ("calibration", "test"):
        for number, (image, label) in enumerate(zip(*labelled(split), strict=True)):
            place = folder / split / names[label]
            place.mkdir(parents=True, exist_ok=True)
            image.save(place / f"{number}.png")


def train(spec: ModelSpec, epochs: int) -> nn.Module:
    """Train a model of the catalog from scratch."""
    torch.manual_seed(SEED)
    model = spec.build(**{**spec.config, "num_classes": len(classes())})
    return fit(model, inputs("train"), inputs("test"), epochs, SEED)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.training", description=__doc__)
    parser.add_argument("name", choices=EPOCHS)
    parser.add_argument("--out", type=Path, default=trained.folder(), help="default: %(default)s")
    given = parser.parse_args()
    write_views(given.out / trained.VIEWS.folder)
    model = train(model_spec(given.name), EPOCHS[given.name])
    path = given.out / f"{given.name}{trained.VIEWS.ending}"
    save_model(model, str(path))
    print(f"wrote {path}, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
