"""Train an embedded model on scikit-learn's digits: ``python -m edge_models.training NAME``.

Seeded; about ten minutes a model on two cores. Writes ``edge_models/weights/NAME.safetensors`` and
prints the top-1 accuracy on the held-out split.
"""

import argparse

import torch
from safetensors.torch import save_file
from torch import nn

from edge_models.catalog import embedded_weights, model_spec
from edge_models.digits import digits
from edge_models.images import preprocess_all
from edge_models.spec import ModelSpec
from edge_models.training.fit import Labelled, fit

SEED = 7
EPOCHS = 60


def load(spec: ModelSpec, split: str) -> Labelled:
    """A split's images as model inputs, and their classes."""
    images, labels = digits(split)
    return preprocess_all(images, spec.input, spec.input.size), torch.tensor(labels)


def train(spec: ModelSpec) -> nn.Module:
    """Train from scratch."""
    torch.manual_seed(SEED)
    model = spec.build(**spec.config)
    return fit(model, load(spec, "train"), load(spec, "held_out"), EPOCHS, SEED)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m edge_models.training", description=__doc__)
    parser.add_argument("name", help="a digits model of the catalog")
    spec = model_spec(parser.parse_args().name)
    path = embedded_weights(spec)
    if path is None:
        parser.error(f"{spec.name} has no embedded weights to train")
    model = train(spec)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, path)
    print(f"wrote {path}, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
