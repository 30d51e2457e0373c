"""The digits of scikit-learn as labelled image files."""

from pathlib import Path

from edge_models.digits import digits


def write_digits(folder: Path, split: str) -> None:
    """Write the images of a split as ``<class>/<split>-<number>.png``."""
    for number, (image, label) in enumerate(zip(*digits(split), strict=True)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        image.save(folder / str(label) / f"{split}-{number}.png")
