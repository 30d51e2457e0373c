"""Who may import whom, where heavy imports stand, and how long files and functions may be."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("edge_models", "quantize", "export_targets")
FILES = sorted(path.relative_to(ROOT) for name in PACKAGES for path in (ROOT / name).rglob("*.py"))

# A folder: what nothing in it may import.
FORBIDDEN = {
    "edge_models": ("executorch", "coremltools", "torchao", "quantize", "export_targets"),
    "quantize": ("executorch", "coremltools", "export_targets"),
    "export_targets/interpret": (*PACKAGES, "executorch.runtime"),
}
# What it may import all the same: itself.
ALLOWED = {"export_targets/interpret": ("export_targets.interpret",)}
# Each room of export_targets, and a module beside them: what of export_targets it may import.
CONTRACTS = {"target.py", "runner.py", "progress.py", "artifact"}
PLANS = {"request.py", "preprocessing.py", "goal.py", "plan.py"}
ROOMS: dict[str, set[str]] = {
    "artifact": set(),
    "progress.py": set(),
    "waiting_threads.py": set(),
    "target.py": {"artifact", "targets"},
    "runner.py": {"runners", "target.py"},
    "coreml_family.py": {"target.py"},
    "targets": {"target.py", "coreml_family.py"},
    "interpret": set(),
    "lowering": {"artifact", "target.py", "interpret"},
    "runners": {"artifact", "runner.py", "lowering", "waiting_threads.py"},
    "request.py": set(),
    "preprocessing.py": {"request.py"},
    "goal.py": {"artifact", "request.py"},
    "plan.py": CONTRACTS | {"request.py", "preprocessing.py", "goal.py"},
    "workers.py": set(),
    "prove": CONTRACTS | {"lowering", "workers.py"},
    "search": CONTRACTS | PLANS | {"prove", "lowering"},
    "represent.py": CONTRACTS | PLANS | {"prove", "lowering", "search"},
    "form.py": CONTRACTS | PLANS | {"lowering"},
    "write_artifact.py": CONTRACTS | PLANS | {"prove"},
    "pipeline.py": CONTRACTS
    | PLANS
    | {"form.py", "represent.py", "write_artifact.py", "prove", "search"},
    "profile": CONTRACTS | {"request.py", "pipeline.py", "runners"},
    "report": {"artifact", "prove", "progress.py"},
    "matrix": {"artifact", "target.py", "progress.py", "workers.py"},
    "tune": CONTRACTS | PLANS | {"matrix", "profile", "prove", "search"},
    "adapt": CONTRACTS | PLANS | {"form.py", "represent.py", "lowering", "prove", "search"},
    "command_line": CONTRACTS
    | {
        "request.py",
        "pipeline.py",
        "prove",
        "search",
        "profile",
        "report",
        "matrix",
        "tune",
        "adapt",
        "targets",
        "waiting_threads.py",
        "lowering",
    },
    "__main__.py": {"command_line"},
}
HEAVY = ("executorch", "coremltools")  # imported inside the functions that need them ...
COMPILERS = "export_targets/lowering"  # ... but in the room that is itself imported when used
SIBLINGS = (
    "edge_models/reference",
    "edge_models/specs",
    "edge_models/edge",
    "quantize/recipes",
    "export_targets/targets",
)
# File: the siblings that it may import all the same. In edge/, everything may import these.
SHARED_IN_EDGE = {
    "edge_models.edge.forms",
    "edge_models.edge.folding",
    "edge_models.edge.equalization",
}
ALLOWED_SIBLINGS = {
    "edge_models/reference/conformer.py": {"edge_models.reference.conformer_blocks"},
    "edge_models/reference/cotnet.py": {"edge_models.reference.cot_layer"},
    "edge_models/reference/official_cotnet.py": {
        "edge_models.reference.official_cot_layer",
        "edge_models.reference.split_attention",
    },
    "edge_models/edge/cotnet.py": {"edge_models.edge.cot_layer"},
    "edge_models/edge/official_cotnet.py": {
        "edge_models.edge.official_cot_layer",
        "edge_models.edge.split_attention",
    },
}
LONGEST_FILE, LONGEST_FUNCTION = 300, 50


def parsed(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def modules_of(node: ast.AST) -> list[str]:
    """The modules that an import statement names; of ``from a import b`` both a and a.b."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative import"
        return [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def imports(path: Path) -> list[str]:
    return [name for node in ast.walk(parsed(path)) for name in modules_of(node)]


def imports_when_loaded(body: list[ast.stmt]) -> Iterator[str]:
    """Imports that run when the module is loaded: not in functions, not for types alone."""
    for node in body:
        yield from modules_of(node)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            yield from imports_when_loaded(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for field in ("body", "orelse", "finalbody", "handlers"):
                yield from imports_when_loaded(getattr(node, field, []))


def is_of(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def under(path: Path, folder: str) -> bool:
    return path.is_relative_to(folder)


def test_there_is_something_to_check() -> None:
    assert {path.parts[0] for path in FILES} == set(PACKAGES)
    assert len(FILES) > 30


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_a_package_imports_only_what_lies_below_it(folder: str) -> None:
    wrong = [
        f"{path} imports {name}"
        for path in FILES
        if under(path, folder)
        for name in imports(path)
        for forbidden in FORBIDDEN[folder]
        if is_of(name, forbidden)
        and not any(is_of(name, allowed) for allowed in ALLOWED.get(folder, ()))
    ]
    assert wrong == []


def test_heavy_imports_stand_inside_functions_or_in_the_room_of_compilers() -> None:
    wrong = [
        f"{path} imports {name}"
        for path in FILES
        if not under(path, COMPILERS)
        for name in imports_when_loaded(parsed(path).body)
        if any(is_of(name, heavy) for heavy in HEAVY)
    ]
    assert wrong == []


def room_of(path: Path) -> str:
    """The room of export_targets that a file stands in, or its own name beside the rooms."""
    return path.parts[1]


def rooms_imported(path: Path) -> set[str]:
    """The other rooms of export_targets that a file imports."""
    found = set()
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "export_targets" and len(parts) > 1:
            folder = (ROOT / parts[0] / parts[1]).is_dir()
            found.add(parts[1] if folder else f"{parts[1]}.py")
    return (found & ROOMS.keys()) - {room_of(path)}


def test_every_room_stands_in_the_table() -> None:
    rooms = {room_of(path) for path in FILES if under(path, "export_targets")}
    assert rooms - {"__init__.py"} == ROOMS.keys()


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_the_table_says(room: str) -> None:
    wrong = {
        path.as_posix(): found
        for path in FILES
        if under(path, "export_targets") and room_of(path) == room
        if (found := rooms_imported(path) - ROOMS[room])
    }
    assert wrong == {}


def sibling_imports(path: Path, folder: str) -> set[str]:
    """The modules of a folder that a file in it imports."""
    package = folder.replace("/", ".")
    modules = {f"{package}.{other.stem}" for other in (ROOT / folder).glob("*.py")}
    return {name for name in imports(path) if name in modules}


@pytest.mark.parametrize("folder", SIBLINGS)
def test_siblings_do_not_import_each_other(folder: str) -> None:
    wrong = {}
    for path in FILES:
        if path.parent != Path(folder) or path.name == "__init__.py":
            continue
        allowed = ALLOWED_SIBLINGS.get(path.as_posix(), set())
        if folder == "edge_models/edge":
            allowed = allowed | SHARED_IN_EDGE
        if found := sibling_imports(path, folder) - allowed:
            wrong[path.as_posix()] = found
    assert wrong == {}


@pytest.mark.parametrize("path", ALLOWED_SIBLINGS)
def test_no_exception_outlives_its_use(path: str) -> None:
    assert ALLOWED_SIBLINGS[path] <= set(imports(Path(path)))


def test_an_edge_file_reads_only_the_reference_of_its_own_name() -> None:
    wrong = {
        path.as_posix(): name
        for path in FILES
        if under(path, "edge_models/edge")
        for name in imports(path)
        if (ROOT / f"{name.replace('.', '/')}.py").is_file()
        and is_of(name, "edge_models.reference")
        and name.removesuffix("_blocks")
        != f"edge_models.reference.{path.stem.removesuffix('_blocks')}"
    }
    assert wrong == {}


def test_a_reference_knows_nothing_of_the_edge() -> None:
    wrong = [
        f"{path} imports {name}"
        for path in FILES
        if under(path, "edge_models/reference")
        for name in imports(path)
        if is_of(name, "edge_models.edge")
    ]
    assert wrong == []


def first_line(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Where a function starts; of a command, whose arguments are a table of options, its body."""
    is_command = any("app.command" in ast.unparse(node) for node in function.decorator_list)
    return function.body[0].lineno if is_command else function.lineno


@pytest.mark.parametrize("path", FILES, ids=str)
def test_files_and_functions_stay_short(path: Path) -> None:
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    assert len(lines) <= LONGEST_FILE
    functions = [
        node
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    lengths = {node.name: (node.end_lineno or 0) - first_line(node) + 1 for node in functions}
    assert {name: n for name, n in lengths.items() if n > LONGEST_FUNCTION} == {}
