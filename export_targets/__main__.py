"""``python -m export_targets`` is ``edgeform``."""

from export_targets.cli import main

main()
