"""A user's file with networks of one's own, whose functions are called by their names."""

import torch
from torch import Tensor, nn


class Heads(nn.Module):
    """A map at half the size and four scores an image, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(16, 16, 3, 1, 1), nn.ReLU())
        self.mask = nn.Conv2d(16, 8, 1)
        self.score = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.body(self.stem(x))
        pooled = x.mean(dim=(2, 3), keepdim=True).flatten(1)
        # in another order than they are computed in
        score = self.score(pooled)
        return {"mask": self.mask(x), "score": score}


class Digits(nn.Module):
    """Ten scores an image: how alike it is to each digit's mean, 8 x 8 brightnesses."""

    def __init__(self) -> None:
        super().__init__()
        from sklearn.datasets import load_digits

        images, classes = load_digits(return_X_y=True)
        means = torch.stack([torch.tensor(images[classes == c]).float().mean(0) for c in range(10)])
        self.look = nn.Conv2d(3, 10, 64, bias=True)
        alike = (means - means.mean(1, keepdim=True)) / means.norm(dim=1, keepdim=True) / 64
        kernel = alike.view(10, 1, 8, 8).repeat_interleave(8, 2).repeat_interleave(8, 3)
        with torch.no_grad():
            self.look.weight.copy_(kernel.expand(-1, 3, -1, -1))
            self.look.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.look(x).flatten(1)


def heads() -> nn.Module:
    print("a line that a user's own code prints")
    return Heads().eval()


def other_heads() -> nn.Module:
    network = heads()
    network.score = nn.Linear(16, 5)
    return network.eval()


def digits() -> nn.Module:
    return Digits().eval()


def outside() -> nn.Module:
    """XNNPACK has no cumulative sum."""

    class Running(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.cumsum(3)

    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), Running(), nn.Conv2d(8, 4, 1)).eval()


def custom_operator() -> nn.Module:
    """An official CoT layer whose local convolution is an operator that torch.export cannot see."""
    from tests.edge_models.edge.network.foreign_cot import Contextual

    return nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1), Contextual(32, "operator")).eval()
