"""One cell of a matrix: a build and its evaluation, each a process of its own."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from edge_models.errors import InputError
from edge_models.image_folder import is_address, list_images, path_at
from export_targets.artifact.folder import MANIFEST, digest
from export_targets.artifact.replacement import FAILED

PACKAGES = ("edgeform", "torch", "torchao", "executorch")
DONE = 0  # the exit code of a command whose gates held
KILLED = -signal.SIGKILL  # as the system does where memory runs out
ROW = ".row.json"  # beside the artifact


class Cell(BaseModel):
    """What is built: the arguments of ``build`` by the names of their options, a flag's empty, and
    the images to evaluate on; ``gigabytes`` is the memory that it takes.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    model: str
    target: str
    recipe: str
    options: Mapping[str, str]
    images: str | None = None
    limit: int | None = None
    gigabytes: float


class Row(BaseModel):
    """What came of a cell. ``passed``: it was built and every gate held. SQNR is in dB; agreement
    and accuracy are in [0, 1], of the saved file, on ``images`` labelled images.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    identity: str
    artifact: str
    model: str
    target: str
    recipe: str
    passed: bool
    problems: tuple[str, ...]
    delegates: int | None = None
    megabytes: float | None = None
    sqnr_db: float | None = None
    top1_agreement: float | None = None
    images: int | None = None
    top1: float | None = None
    agreement: float | None = None

    @property
    def red(self) -> bool:
        """Whether it was built and a gate failed: where a build leaves that."""
        return self.artifact.endswith(FAILED)


def run_cell(cell: Cell, out: Path, threads: int) -> Row:
    """Build and evaluate a cell below ``out``, with so many threads; or its row of before, where
    nothing that it stands for has changed and all gates held, or would not hold again.
    """
    identity = identity_of(cell)
    before = read_row(cell, out)
    if before is not None and before.identity == identity and (before.passed or before.red):
        return before
    row = _row(cell, identity, out, threads)
    path = out / f"{cell.name}{ROW}"
    beside = path.with_suffix(".part")
    beside.write_text(row.model_dump_json(indent=1), encoding="utf-8")
    beside.replace(path)
    return row


def read_row(cell: Cell, out: Path) -> Row | None:
    """The row of an earlier run whose artifact is still there."""
    path = out / f"{cell.name}{ROW}"
    if not path.exists():
        return None
    try:
        row = Row.model_validate_json(path.read_bytes())
    except ValidationError:
        return None
    folder = out / Path(row.artifact).name
    return (
        row.model_copy(update={"artifact": str(folder)}) if (folder / MANIFEST).exists() else None
    )


def identity_of(cell: Cell) -> str:
    """Of everything that the row depends on: the cell, its files and the installed versions."""
    held: dict[str, Any] = {"cell": cell.model_dump(), "versions": [version(p) for p in PACKAGES]}
    source, _, _ = cell.model.rpartition(":")  # of a network of one's own
    for text in (*cell.options.values(), cell.images, source):
        if text:
            held[text] = _state(text)
    return hashlib.sha256(json.dumps(held).encode()).hexdigest()


def _state(text: str) -> object:
    """What stands at a path or an address, if anything does: a file's digest, a folder's files. At
    an address these are names alone: a size or a time would be a question for each.
    """
    if is_address(text):
        try:
            there = path_at(text)
            return [str(path) for path in list_images(there).paths] if there.is_dir() else None
        except InputError:  # the evaluation will say so
            return None
    path = Path(text)
    if path.is_file():
        return digest(path)
    files = sorted(below for below in path.rglob("*") if below.is_file())
    return [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]


def _row(cell: Cell, identity: str, out: Path, threads: int) -> Row:
    def row(**found: Any) -> Row:
        known = cell.model_dump(include={"name", "model", "target", "recipe"})
        return Row(identity=identity, **{"artifact": str(out / cell.name), **known, **found})

    options = {"target": cell.target, "recipe": cell.recipe, **cell.options}
    words = [word for name, value in options.items() for word in (f"--{name}", value) if word]
    built = _command(
        ["build", cell.model, *words, "--out", str(out / cell.name), "--force"], threads
    )
    if "manifest" not in built.document:
        return row(passed=False, problems=(built.problem,))
    problems = () if built.code == DONE else _problems(built)
    found = {**_figures(built.document), "artifact": built.document["artifact"]}
    if cell.images is not None and built.code == DONE:
        limit = [] if cell.limit is None else ["--limit", str(cell.limit)]
        folder = str(found["artifact"])
        command = ["evaluate", folder, "--images", cell.images, "--workers", "1", *limit]
        judged = _command(command, threads)
        if judged.code != DONE:
            return row(passed=False, problems=(judged.problem,), **found)
        file = judged.document["programs"][-1]
        found |= {
            "images": judged.document["samples"],
            "top1": file["top1"],
            "agreement": file["agreement"],
        }
    return row(passed=built.code == DONE, problems=problems, **found)


def _problems(built: "_Ran") -> tuple[str, ...]:
    """The failed hops; where all held, what the build said last."""
    hops = built.document["parity"]["hops"]
    failed = [f"hop {hop['name']}: {hop['why']}" for hop in hops if hop["status"] == "failed"]
    return tuple(failed or built.errors[-1:])


def _figures(document: Mapping[str, Any]) -> dict[str, Any]:
    manifest, parity = document["manifest"], document["parity"]
    chain = next(hop for hop in parity["hops"] if hop["name"] == "chain")
    files = [entry for entry in manifest["files"] if entry["path"].startswith("model.")]
    return {
        "delegates": manifest["delegation"]["delegates"],
        "megabytes": sum(entry["bytes"] for entry in files) / 1e6,
        "sqnr_db": chain["sqnr_db"],
        "top1_agreement": chain["top1_agreement"],
    }


class _Ran(BaseModel):
    code: int
    document: dict[str, Any]
    errors: list[str]

    @property
    def problem(self) -> str:
        error = self.document.get("error")
        if error is not None:
            return f"{error['what']} {error['remedy']}"
        return f"it ended with {self.code}: {self.errors[-1] if self.errors else 'no message'}"


def _command(arguments: list[str], threads: int) -> _Ran:
    """A command of edgeform in a process of its own; one that was killed is run once more."""
    ran = _ran(arguments, threads)
    return _ran(arguments, threads) if ran.code == KILLED else ran


def _ran(arguments: list[str], threads: int) -> _Ran:
    ran = subprocess.run(
        [sys.executable, "-m", "export_targets", *arguments, "--json"],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
    )
    try:
        document = json.loads(ran.stdout)
    except json.JSONDecodeError:  # it crashed
        document = {}
    errors = [line for line in ran.stderr.splitlines() if line.strip()]
    return _Ran(code=ran.returncode, document=document, errors=errors)
