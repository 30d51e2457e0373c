"""What README and docs promise: links that lead somewhere, commands that exist, code that runs."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from edge_models.catalog import model_specs
from edge_models.own_code import is_place
from export_targets.command_line.cli import app
from export_targets.target import all_targets
from quantize.recipe import all_recipes
from tests.conftest import SMALL

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "tests/README.md",
    *sorted((ROOT / "apps").glob("**/README.md")),
    *DOCS,
]
LONGEST_README = 120
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(edgeform [^`]+)`")
PLACEHOLDERS = {"MODEL", "NAME", "T", "R"}
CATALOGS = {"model": model_specs, "target": all_targets, "recipe": all_recipes}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


def commands(text: str) -> list[str]:
    """Every command line of edgeform in a page, in code blocks and in running text."""
    found = INLINE.findall(FENCED.sub("", text))
    for language, block in FENCED.findall(text):
        for line in block.replace("\\\n", " ").splitlines() if language != "python" else ():
            line = line.strip().removeprefix("$ ")
            if line.startswith("edgeform "):
                found.append(line.partition(" #")[0].strip())
    return found


def complaint(command: str) -> str:
    """What is wrong with a command line of edgeform; empty where it would be taken."""
    _, name, *arguments = shlex.split(command)
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    if name.startswith("--"):
        return ""
    absent = [part for part in name.split("|") if part not in known]
    if absent:
        return f"there is no command {absent[0]}"
    if not arguments or "..." in arguments or "|" in command:
        return ""
    try:
        given = known[name].make_context(name, arguments).params
    except typer.BadParameter.__base__ as error:  # type: ignore[misc]
        return str(error.format_message())
    for option, catalog in CATALOGS.items():
        value = given.get(option)
        own = option == "model" and is_place(value or "")
        if value is not None and value not in PLACEHOLDERS and not own and value not in catalog():
            return f"there is no {option} {value}"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        place, _, anchor = link.partition("#")
        target = page.parent / place if place else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_would_be_taken(page: Path) -> None:
    lines = commands(page.read_text(encoding="utf-8"))
    assert {line: why for line in lines if (why := complaint(line))} == {}


@pytest.mark.parametrize(
    "line",
    [
        "edgeform biuld cotnet50 --target xnnpack",
        "edgeform build cotnet50 --target xnnpack --receipe int8",
        "edgeform build cotnet5 --target xnnpack",
        "edgeform build cotnet50 --target xnnpack --recipe int7",
        "edgeform report artifacts/mine",
    ],
)
def test_a_wrong_command_is_seen(line: str) -> None:
    assert commands(f"```\n$ {line}\n```\n") == [line]
    assert complaint(line)


@pytest.mark.parametrize("page", DOCS, ids=name_of)
def test_a_page_starts_with_its_command(page: Path) -> None:
    start = "\n".join(page.read_text(encoding="utf-8").splitlines()[1:6])
    assert "```" in start or INLINE.search(start), start


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {link.partition("#")[0] for link in LINK.findall(README.read_text(encoding="utf-8"))}
    assert {name_of(page) for page in DOCS} - linked == set()


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= LONGEST_README


def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    """Of the small network in the place of its own, which takes half a minute more."""
    blocks = [code for language, code in FENCED.findall(README.read_text()) if language == "python"]
    (code,) = (block.replace('"digits_cotnet"', f'"{SMALL}"') for block in blocks)
    assert SMALL in code
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert [line.split()[0] for line in ran.stdout.splitlines()] == [
        *("edge", "quantize", "lower", "chain"),
    ]
    assert ran.stdout.count("passed") == 4
