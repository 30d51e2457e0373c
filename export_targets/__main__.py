"""``python -m export_targets`` is ``edgeform``."""

from export_targets.command_line.cli import main

main()
