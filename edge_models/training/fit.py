"""The loop that trains a network on labelled images, the same for every source of images."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BATCH = 64
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 0.05
LABEL_SMOOTHING = 0.05

Labelled = tuple[Tensor, Tensor]  # model inputs (N, 3, H, W) and their classes (N)


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


def fit(model: nn.Module, train: Labelled, held_out: Labelled, epochs: int, seed: int) -> nn.Module:
    """Train with AdamW and one cycle of the learning rate; the last weights are kept, ``held_out``
    is only told. The same seed gives the same weights on the same machine and versions.
    """
    generator = torch.Generator().manual_seed(seed)
    images, labels = train
    decayed = [p for p in model.parameters() if p.dim() > 1]
    plain = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}],
        lr=LEARNING_RATE,
    )
    steps = epochs * math.ceil(len(images) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    for epoch in range(epochs):
        model.train()
        order = torch.randperm(len(images), generator=generator)
        for chosen in order.split(BATCH):
            optimizer.zero_grad()
            loss = loss_of(model(augment(images[chosen], generator)), labels[chosen])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        if epoch % 5 == 4 or epoch + 1 == epochs:
            top1 = accuracy(model, *held_out)
            print(f"epoch {epoch + 1}: held-out top-1 {top1:.2f} %", flush=True)
    return model.eval()
