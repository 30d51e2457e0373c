"""A matplotlib figure as SVG inside a page: in the page's colours, with ids of its own."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMESPACE, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
# matplotlib takes no CSS variables: a figure is drawn in these colours, each of which stands for
# one of the page's, so that a plot changes with the page's light and dark theme.
INK, SOFT, RULE, CARD = "#010001", "#010002", "#010003", "#010004"
SERIES = tuple(f"#0200{number:02x}" for number in range(1, 9))
VARIABLES = {
    **{INK: "var(--ink)", SOFT: "var(--soft)", RULE: "var(--rule)", CARD: "var(--card)"},
    **{color: f"var(--series-{number})" for number, color in enumerate(SERIES, 1)},
}
STYLE: dict[Any, object] = {
    "text.parse_math": False,
    "svg.fonttype": "none",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": RULE,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid.axis": "x",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
}


@contextmanager
def figure(width: float, height: float) -> Iterator["Figure"]:
    """A figure of a size in points, drawn and saved in the page's style."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        yield Figure(figsize=(width / 72, height / 72), layout="constrained")


def inline(drawn: "Figure", key: str, description: str) -> Markup:
    """The figure as an ``<svg>`` element. ``key`` starts each of its ids; no other plot of the page
    may have it. ``description`` is what a screen reader says.
    """
    import matplotlib

    content = BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": key}):
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        drawn.savefig(content, format="svg", transparent=True, metadata=nothing)
    ElementTree.register_namespace("", NAMESPACE)
    ElementTree.register_namespace("xlink", XLINK)
    root = ElementTree.fromstring(content.getvalue())
    for metadata in root.findall(f"{{{NAMESPACE}}}metadata"):
        root.remove(metadata)
    for size in ("width", "height"):
        del root.attrib[size]
    root.attrib.update({"role": "img", "aria-label": description})
    for element in root.iter():
        for name, value in element.attrib.items():
            if name == "id":
                element.set(name, f"{key}-{value}")
            elif name == f"{{{XLINK}}}href":
                element.set(name, f"#{key}-{value.removeprefix('#')}")
            elif name in ("style", "clip-path"):
                element.set(name, _themed(value.replace("url(#", f"url(#{key}-")))
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def printable(text: str) -> str:
    """Text without characters that XML cannot hold."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def _themed(style: str) -> str:
    style = re.sub(r"font: ([\d.]+)px [^;]*", r"font-size: \1px", style)
    for color, variable in VARIABLES.items():
        style = style.replace(color, variable)
    return style
