"""Train an embedded model on scikit-learn's digits: ``python -m edge_models.training NAME``.

Seeded; about ten minutes a model on two cores. Writes ``edge_models/weights/NAME.safetensors`` and
prints the top-1 accuracy on the held-out split.
"""

import argparse
import math

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from edge_models.catalog import embedded_weights, model_spec
from edge_models.digits import digits
from edge_models.images import preprocess_all
from edge_models.spec import ModelSpec

SEED = 7
EPOCHS = 60
BATCH = 64
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 0.05
LABEL_SMOOTHING = 0.05


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Small random rotation, scale, shift and contrast, one draw for each image of (B, 3, H, W)."""
    batch = images.shape[0]

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(batch, generator=generator) * (high - low) + low

    angle, scale = uniform(-0.2, 0.2), uniform(0.88, 1.12)
    theta = torch.zeros(batch, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = torch.cos(angle) * scale
    theta[:, 0, 1], theta[:, 1, 0] = -torch.sin(angle) * scale, torch.sin(angle) * scale
    theta[:, 0, 2], theta[:, 1, 2] = uniform(-0.12, 0.12), uniform(-0.12, 0.12)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    contrast = uniform(0.8, 1.1).view(-1, 1, 1, 1)
    noise = torch.randn(images.shape, generator=generator) * 0.05
    return moved * contrast + noise


def load(spec: ModelSpec, split: str) -> tuple[Tensor, Tensor]:
    """A split's images as model inputs, and their classes."""
    images, labels = digits(split)
    return preprocess_all(images, spec.input, spec.input.size), torch.tensor(labels)


def loss_of(logits: Tensor | list[Tensor], labels: Tensor) -> Tensor:
    """Cross entropy, summed over the heads."""
    heads = logits if isinstance(logits, list) else [logits]
    losses = [F.cross_entropy(head, labels, label_smoothing=LABEL_SMOOTHING) for head in heads]
    return torch.stack(losses).sum()


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Top-1 in percent; two heads are summed."""
    model.eval()
    with torch.no_grad():
        logits = model(images)
    scores = torch.stack(logits).sum(0) if isinstance(logits, list) else logits
    return (scores.argmax(1) == labels).float().mean().item() * 100


def train(spec: ModelSpec) -> nn.Module:
    """Train from scratch; the same seed gives the same weights on the same machine and versions."""
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    model = spec.build(**spec.config)
    images, labels = load(spec, "train")
    test_images, test_labels = load(spec, "held_out")
    decayed = [p for p in model.parameters() if p.dim() > 1]
    plain = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}],
        lr=LEARNING_RATE,
    )
    steps = EPOCHS * math.ceil(len(images) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    for epoch in range(EPOCHS):
        model.train()
        order = torch.randperm(len(images), generator=generator)
        for chosen in order.split(BATCH):
            optimizer.zero_grad()
            loss = loss_of(model(augment(images[chosen], generator)), labels[chosen])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        if epoch % 5 == 4:
            held_out = accuracy(model, test_images, test_labels)
            print(f"epoch {epoch + 1}: held-out top-1 {held_out:.2f} %", flush=True)
    return model.eval()


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
