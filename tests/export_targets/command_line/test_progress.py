"""What a running command says where stderr is no terminal."""

import io
import re

from rich.console import Console

from export_targets.progress import Reporter


def test_each_stage_is_one_plain_line_where_there_is_no_terminal() -> None:
    written = io.StringIO()
    reporter = Reporter(Console(file=written))
    with reporter.stage("Export"):
        pass
    with reporter.steps("Images", 2) as advance:
        advance()
    reporter.note("[b] is not markup")
    lines = re.sub(r"[0-9]+\.[0-9] s", "0.0 s", written.getvalue())
    assert lines == "Export: 0.0 s\nImages: 0.0 s\n[b] is not markup\n"
