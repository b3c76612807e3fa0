"""The report in a real browser: on a phone and a desk, light and dark, and on paper.

Wants Chromium or Chrome: on PATH, or named by LSNN_NEURO_BROWSER.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from report_evidence import SPIKING, changed_at, evidence, network

from deploy.reporting.html import parity_page
from deploy.reporting.page import render

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PHONE, DESK = (390, 844), (1280, 900)

CONTRAST = """
() => {
  const channels = text => text.match(/[\\d.]+/g).map(Number);
  const luminance = rgb => {
    const [r, g, b] = rgb.map(c => c / 255).map(
      c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const c = channels(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const ratio = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const found = {};
  for (const e of document.querySelectorAll(
      'h1, h2, p, dt, dd, a, th, td, caption, figcaption, strong, li, summary, footer, ' +
      '.x-axis span, .y-axis span, .y-title, .x-title'))
    found['text ' + e.tagName + ' ' + e.className] =
      ratio(channels(getComputedStyle(e).color).slice(0, 3), behind(e));
  for (const e of document.querySelectorAll('.plot path'))
    found['mark ' + e.className.baseVal] =
      ratio(channels(getComputedStyle(e).stroke).slice(0, 3), behind(e.parentElement));
  return found;
}
"""


def browser_path() -> str | None:
    named = os.environ.get("LSNN_NEURO_BROWSER")
    return named or next((path for name in BROWSERS if (path := shutil.which(name))), None)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    files = {}
    for name, other in (("exact", network()), ("parted", changed_at(SPIKING))):
        files[name] = folder / f"{name}.html"
        page = parity_page(evidence(folder / name, other))
        files[name].write_text(render(page), encoding="utf-8")
    return files


@pytest.fixture(scope="module")
def browser() -> Iterator[api.Browser]:
    path = browser_path()
    if path is None:
        pytest.skip("no Chromium or Chrome on PATH, and LSNN_NEURO_BROWSER is not set")
    with api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, chromium_sandbox=False)
        yield running
        running.close()


@pytest.fixture
def show(browser: api.Browser, reports: dict[str, Path]):
    """Open a report; afterwards, it must have asked for nothing but itself and logged nothing."""
    contexts = []
    said: list[str] = []

    def opened(name: str, size: tuple[int, int] = DESK, scheme: str = "light") -> api.Page:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme
        )
        contexts.append(context)
        page = context.new_page()
        url = reports[name].as_uri()
        page.on(
            "request",
            lambda r: None if r.url == url or r.url.startswith("data:") else said.append(r.url),
        )
        page.on("requestfailed", lambda r: said.append(f"failed: {r.url}"))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("name", ["exact", "parted"])
def test_everything_is_seen_and_nothing_overflows(show, name, size, scheme) -> None:
    page = show(name, size, scheme)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    beyond = page.evaluate(
        """width => [...document.querySelectorAll('body *')]
             .filter(e => !e.closest('.scroll, pre, svg') && e.getBoundingClientRect().right > width + 1)
             .map(e => e.outerHTML.slice(0, 80))""",
        size[0],
    )
    assert beyond == []
    for section in page.query_selector_all("section"):
        box = section.bounding_box()
        assert box["width"] > 300
        assert box["height"] > 80
    plots = page.query_selector_all("svg.plot")
    assert len(plots) > 6
    for plot in plots:
        box = plot.bounding_box()
        assert box["width"] > 250
        assert box["height"] >= 48
    picture = page.query_selector(".picture svg").bounding_box()
    assert picture["width"] > 250
    assert picture["height"] > 100


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_the_verdict_is_on_the_first_screen(show, size) -> None:
    page = show("parted", size)
    assert page.inner_text("h1").endswith("Not the same network")
    lead = page.query_selector("header .lead").bounding_box()
    assert lead["y"] + lead["height"] < size[1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["exact", "parted"])
def test_contrast_keeps_wcag_aa(show, name, scheme) -> None:
    page = show(name, DESK, scheme)
    ratios = page.evaluate(CONTRAST)
    assert len(ratios) > 20
    faint = {  # text 4.5, marks that carry meaning 3; the faint outputs stand for "the others"
        what: ratio
        for what, ratio in ratios.items()
        if ratio < (4.5 if what.startswith("text") else 1.5 if "output" in what else 3.0)
    }
    assert faint == {}


def test_dark_and_light_differ(show) -> None:
    colours = [
        show("exact", DESK, scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    ]
    assert colours[0] != colours[1]


def test_marks_of_spikes_have_width_on_the_screen(show) -> None:
    page = show("parted", DESK)
    for style in ("match", "missing", "extra"):
        path = page.query_selector(f"svg.plot path.{style}")
        assert path is not None, style
        assert path.bounding_box()["width"] > 0


def test_paper_is_white_and_shows_what_is_folded(show) -> None:
    page = show("exact", DESK, "dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    folded = page.query_selector_all("details table, details figure")
    assert len(folded) > 3
    assert all(item.evaluate("e => e.checkVisibility()") for item in folded)
