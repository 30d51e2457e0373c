"""A text file of labels: a class a line."""

from pathlib import Path

from edge_models.errors import InputError


def read_lines(path: Path) -> list[str]:
    """The lines of a text file. Raises InputError where it is none."""
    try:
        if not path.is_file():
            raise ValueError("it is not a file")
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(
            f"The labels {path} cannot be read: {error}", "Give a text file in UTF-8."
        ) from error


def read_classes(path: Path) -> tuple[list[str], list[str]]:
    """The folder and the name of each class, of lines FOLDER<TAB>NAME; of others the lines, and no
    names. Raises InputError where it is no text file.
    """
    lines = read_lines(path)
    parts = [line.split("\t") for line in lines]
    if any(len(part) == 1 for part in parts):
        return lines, []
    return [part[0] for part in parts], [part[1] for part in parts]
