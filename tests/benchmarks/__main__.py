"""``python -m tests.benchmarks``: measure, print a table, and write it as JSON and Markdown."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from export_targets.manifest import toolchain
from tests.benchmarks import accuracy, trained

RESULTS = Path("build/benchmarks")


def main() -> None:
    """Run the accuracy benchmark, or say why it cannot run here."""
    reason = trained.absent()
    if reason:
        print(f"skipped accuracy on trained weights: {reason}")
        sys.exit(0)
    rows = accuracy.measure_recipes()
    text = accuracy.table(rows)
    print(text)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "accuracy.md").write_text(text + "\n", encoding="utf-8")
    document = {"toolchain": toolchain(), "rows": [asdict(row) for row in rows]}
    (RESULTS / "accuracy.json").write_text(json.dumps(document, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
