"""An artifact's ``latency/``: reading reports, taking those that a device wrote, adding them."""

import hashlib
import json
import os
import re
from pathlib import Path
from uuid import uuid4

from pydantic import ValidationError

from edge_models.errors import InputError
from export_targets.artifact.folder import LABELS, Artifact, first_problem, inside
from export_targets.artifact.latency_report import SCHEMA_VERSION, LatencyReport
from export_targets.artifact.manifest import Manifest, to_json

LATENCY = "latency"
MAX_REPORT_BYTES = 16 * 2**20


def read_report(path: Path) -> LatencyReport:
    """A latency report, validated. Raises InputError that says what is wrong with it."""
    try:
        if path.stat().st_size > MAX_REPORT_BYTES:
            raise ValueError(f"it has more than {MAX_REPORT_BYTES} bytes")
        text = path.read_text(encoding="utf-8")
        version = str(json.loads(text)["schema_version"])
        if _numbers(version) > _numbers(SCHEMA_VERSION):
            raise InputError(
                f"The latency report {path} has schema version {version}; this program reads up "
                f"to {SCHEMA_VERSION}.",
                "Use a newer edgeform.",
            )
        return LatencyReport.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise _refused(path, first_problem(error)) from error
    except KeyError as error:
        raise _refused(path, f"it has no {error}") from error
    except (ValueError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise _refused(path, first_problem(error)) from error


def import_report(artifact: Artifact, path: Path) -> LatencyReport:
    """A report that a device wrote of this artifact. Raises InputError for one of another."""
    report, manifest = read_report(path), artifact.manifest
    if report.artifact != manifest.name or report.model_sha256 != model_digest(manifest):
        raise InputError(
            f"The latency report {path} is of {report.artifact} with the model "
            f"{report.model_sha256[:12]}, not of {manifest.name} with "
            f"{model_digest(manifest)[:12]}.",
            "Give the artifact that the device ran, or run this one there.",
        )
    return report


def model_digest(manifest: Manifest) -> str:
    """The sha256 of a model file; of a package, of the lines ``<sha256>  <path>`` of its files in
    the order of their paths, each ended by a line feed.
    """
    files = [entry for entry in manifest.files if entry.deploy and entry.path != LABELS]
    if len(files) == 1:
        return files[0].sha256
    lines = [
        f"{entry.sha256}  {entry.path}\n" for entry in sorted(files, key=lambda entry: entry.path)
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def add_report(folder: Path, report: LatencyReport) -> Path:
    """Write ``latency/<runner>-<n>.json`` with the next free n, whole or not at all."""
    directory = inside(folder, LATENCY)
    directory.mkdir(exist_ok=True)
    stem = report.runner.replace(":", "-")
    temporary = directory / f".{stem}.{uuid4().hex}"
    try:
        temporary.write_text(to_json(report.model_dump(mode="json")), encoding="utf-8")
        number = _last_number(directory, stem) + 1
        while True:
            try:
                path = directory / f"{stem}-{number}.json"
                os.link(temporary, path)  # unlike a rename, never over another's report
                return path
            except FileExistsError:
                number += 1
    finally:
        temporary.unlink(missing_ok=True)


def stored_reports(folder: Path) -> dict[str, LatencyReport]:
    """The reports of an artifact by file name, in order. Raises InputError for a damaged one."""
    paths = sorted(
        inside(folder, LATENCY).glob("[!.]*.json"),
        key=lambda path: (path.stem.rpartition("-")[0], _number(path.stem), path.name),
    )
    return {path.name: read_report(inside(folder, f"{LATENCY}/{path.name}")) for path in paths}


def _last_number(directory: Path, stem: str) -> int:
    names = (path.stem for path in directory.glob(f"{stem}-*.json"))
    return max((_number(name) for name in names), default=0)


def _number(stem: str) -> int:
    found = re.search(r"-([0-9]{1,9})$", stem)
    return int(found[1]) if found else 0


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _refused(path: Path, why: str) -> InputError:
    return InputError(
        f"The latency report {path} is refused: {why}",
        "Write it again with the program that measured.",
    )
