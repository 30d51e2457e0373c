"""The table in ``docs/vulkan.md``: ``python -m tests.export_targets.vulkan_table`` writes it."""

from pathlib import Path

from export_targets.interpret.vk.taken import TAKEN

PAGE = Path(__file__).parents[2] / "docs" / "vulkan.md"
START, END = "<!-- table of operators -->\n", "<!-- end of the table -->\n"
HEAD = "| operator | argument: what is taken of it (how it is known) |\n|---|---|\n"


def table() -> str:
    """A row for operators of which the same is taken."""
    rows: dict[str, list[str]] = {}
    for operator, taken in TAKEN.items():
        lines = [
            f"`{condition.argument}`: {condition.taken} ({condition.evidence})"
            for condition in taken.conditions
        ]
        rows.setdefault("<br>".join(lines), []).append(f"`{operator}`")
    return HEAD + "".join(f"| {', '.join(names)} | {said} |\n" for said, names in rows.items())


def with_table(page: str) -> str:
    """The page with the table as it is now."""
    before, rest = page.split(START)
    return before + START + table() + END + rest.split(END)[1]


def main() -> None:
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
