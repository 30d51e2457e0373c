"""The page in a real Chromium: it loads nothing, says no error, sorts, filters, and fits."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from export_targets.report.page import render
from export_targets.report.subject import read_subjects
from tests.export_targets.report.made_up_page import (
    HOSTILE,
    add_layers,
    make_hostile,
    profiled,
    write_page_artifact,
)

DESKTOP, PHONE = (1280, 900), (360, 740)
OPERATORS = "#a1-operators-1"
Opened = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    path = next((name for name in found if name), None)
    if path is None:
        pytest.skip("no Chromium here: the report page is not tried in a browser")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page about two artifacts, one of them profiled and full of hostile text."""
    folder = tmp_path_factory.mktemp("page")
    one, two = (write_page_artifact(folder / name) for name in ("one", "two"))
    add_layers(one)
    profiled(one)
    make_hostile(one)
    out = folder / "page.html"
    out.write_text(render(read_subjects([one, two])), encoding="utf-8")
    return out


@contextmanager
def opened(
    browser: Browser, written: Path, size: tuple[int, int] = DESKTOP, dark: bool = False
) -> Iterator[Page]:
    """The page; fails at the end where it said an error or asked for anything but itself."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light"
    )
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(written.as_uri())
    yield page
    assert said == []
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [written.as_uri()]
    context.close()


def column(page: Page, number: int) -> list[str]:
    """A column of the operators' rows that are shown."""
    cells = page.locator(f"{OPERATORS} tbody tr:visible > :nth-child({number})")
    return [text.strip() for text in cells.all_inner_texts()]


def milliseconds(page: Page) -> list[float]:
    return [float(text) for text in column(page, 5)]


def test_hostile_text_is_text(browser: Browser, written: Path) -> None:
    with opened(browser, written) as page:
        assert page.evaluate("window.ran === undefined")
        assert page.locator("script").count() == 1
        assert HOSTILE in page.locator(".samples").first.inner_text()


def test_the_operators_sort_by_keyboard(browser: Browser, written: Path) -> None:
    with opened(browser, written) as page:
        assert milliseconds(page) == sorted(milliseconds(page), reverse=True)
        button = page.locator(f"{OPERATORS} thead button", has_text="ms")
        button.focus()
        page.keyboard.press("Enter")
        assert milliseconds(page) == sorted(milliseconds(page), reverse=True)
        page.keyboard.press("Enter")
        assert milliseconds(page) == sorted(milliseconds(page))
        head = page.locator(f"{OPERATORS} thead th[aria-sort]")
        assert head.count() == 1
        assert head.get_attribute("aria-sort") == "ascending"
        assert page.locator("#said").inner_text() == "Sorted by ms, ascending."


def test_names_sort_as_people_count(browser: Browser, written: Path) -> None:
    with opened(browser, written) as page:
        page.locator(f"{OPERATORS} thead button", has_text="Operator").click()
        names = [f"op_{i}" for i in range(12)]
        assert [name for name in column(page, 1) if name.startswith("op_")] == names


def test_the_operators_filter(browser: Browser, written: Path) -> None:
    with opened(browser, written) as page:
        form = page.locator(f"form[data-filter='{OPERATORS[1:]}']")
        assert form.locator("output").inner_text() == "13 of 13 rows, 100.0 % of the time"
        form.locator("input").fill("OP_1")
        assert sorted(column(page, 1)) == ["op_1", "op_10", "op_11"]
        form.locator("select").select_option("elementwise")
        assert column(page, 1) == ["op_11"]
        assert form.locator("output").inner_text().startswith("1 of 13 rows")
        form.locator("input").fill("no such operator")
        assert column(page, 1) == []


def test_the_layers_sort_and_filter(browser: Browser, written: Path) -> None:
    with opened(browser, written) as page:
        rows = page.locator("#a1-layer-errors tbody tr:visible > :first-child")
        assert rows.all_inner_texts() == [str(i) for i in range(1, 15)]
        page.locator("#a1-layer-errors thead button", has_text="SQNR").click()
        page.locator("#a1-layer-errors thead button", has_text="SQNR").click()
        assert rows.all_inner_texts() == [
            "14",
            "13",
            *(str(i) for i in range(12, 0, -1) if i != 4),
            "4",
        ]
        form = page.locator("form[data-filter='a1-layer-errors']")
        form.locator("select").select_option("float")
        assert rows.all_inner_texts() == ["10", "5"]
        assert form.locator("output").inner_text() == "2 of 14 rows"


def test_a_raw_file_opens_and_is_saved(browser: Browser, written: Path) -> None:
    with opened(browser, written) as page:
        page.locator("#a2 a", has_text="parity.json").click()
        raw = page.locator("#a2 details[data-file='parity.json'][open]")
        raw.wait_for(timeout=5000)
        with page.expect_download() as download:
            raw.locator("button").click()
        saved = Path(download.value.path()).read_text(encoding="utf-8")
        assert saved == (written.parent / "two/parity.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_page_fits(
    size: tuple[int, int], dark: bool, browser: Browser, written: Path, tmp_path: Path
) -> None:
    with opened(browser, written, size, dark) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        shot = tmp_path / "page.png"
        page.screenshot(path=shot, full_page=True)
        assert shot.stat().st_size > 50_000
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(14, 18, 23)") == dark


def test_headings_do_not_skip_a_level(browser: Browser, written: Path) -> None:
    with opened(browser, written) as page:
        levels = [
            int(name[1])
            for name in page.evaluate(
                "[...document.querySelectorAll('h1,h2,h3,h4')].map(h => h.tagName)"
            )
        ]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))


def test_every_picture_and_control_has_a_name(browser: Browser, written: Path) -> None:
    with opened(browser, written) as page:
        nameless = page.evaluate(
            """[...document.querySelectorAll('svg, img, [role=region], nav, table, input, select')]
            .filter(e => !(e.getAttribute('aria-label') || e.alt || e.caption || e.labels?.length))
            .map(e => e.outerHTML.slice(0, 80))"""
        )
        assert nameless == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(
    dark: bool, browser: Browser, written: Path
) -> None:
    """WCAG AA: 4.5 to 1, for every element with text of its own, plots among them."""
    with opened(browser, written, dark=dark) as page:
        assert page.evaluate(CONTRASTS) == []


CONTRASTS = """
(() => {
  const parts = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = parts(getComputedStyle(e).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const cardOf = (element) =>
    getComputedStyle(element.closest("article, #overview")).backgroundColor;
  const poor = [];
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.getClientRects().length || element.tagName === "SCRIPT") continue;
    const style = getComputedStyle(element);
    const color = element.closest("svg") ? style.fill : style.color;
    // numbers in a plot's marks: in the card's colour on a series' colour, as the chips are
    if (element.closest("svg") && color === cardOf(element)) continue;
    const [a, b] = [light(parts(color)), light(behind(element))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) poor.push(`${contrast.toFixed(2)} ${element.outerHTML.slice(0, 90)}`);
  }
  return poor;
})()
"""
