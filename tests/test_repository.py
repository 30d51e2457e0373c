"""What must not stand in the repository, and what the README promises."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
FORBIDDEN = {
    "a home folder": re.compile(r"(?<![\w.])/(home|Users|root)/\w"),
    "a work folder": re.compile(r"(?<![\w.])/work/\w"),
    "a task without a reason": re.compile("TO" + "DO"),
}


def tracked_texts() -> dict[str, str]:
    """Every text file that git tracks or would track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    texts = {}
    for name in listed.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file() and b"\0" not in (content := path.read_bytes()):
            texts[name] = content.decode("utf-8")
    return texts


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: what is tracked is not known")
    return tracked_texts()


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_text_holds(what: str, texts: dict[str, str]) -> None:
    assert "pyproject.toml" in texts
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if FORBIDDEN[what].search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("a home folder", "see /" + "home/somebody/model.pth"),
        ("a work folder", "cd /" + "work/main"),
        ("a task without a reason", "# TO" + "DO later"),
    ],
)
def test_the_search_finds(what: str, line: str) -> None:
    assert FORBIDDEN[what].search(line)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_make_command_of_a_page_exists(page: str) -> None:
    if not (ROOT / page).is_file():
        pytest.skip(f"{page} is not there yet")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^\s*|`|\$ )make ([a-z][\w-]*)", text, re.MULTILINE))
    assert named, f"{page} names no make command"
    assert named - targets == set()


def test_targets_without_a_file_are_phony() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    assert set(re.findall(r"^([a-z][\w-]*):", makefile, re.MULTILINE)) == set(phony[1].split())


def test_every_target_has_its_matrix_of_models_and_recipes() -> None:
    targets = {path.stem for path in (ROOT / "export_targets/targets").glob("[!_]*.py")}
    files = (ROOT / "tests/export_targets").glob("test_matrix_*.py")
    assert targets == {path.stem.removeprefix("test_matrix_") for path in files}
