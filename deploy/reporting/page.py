"""A report as one self-contained HTML file: what it is made of, and how it is written out.

Sections of text, tables and figures; :mod:`deploy.reporting.html` fills them. The file has its style
and its pictures inside, asks the network for nothing and needs no JavaScript.
"""

from __future__ import annotations

from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from deploy.reporting.figures import Figure


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of text cells; columns named in ``words`` are text, all others numbers.

    - note: what a reader must know to read it
    - marked: rows that tell of a failure
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1
    note: str = ""
    marked: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading, a sentence that gives the answer, then the evidence.

    - picture: an SVG made elsewhere, which tells itself in words (aria-label)
    - folded: evidence for those who want all of it, closed at first, and so is ``text``
    """

    key: str
    title: str
    lead: str
    figures: tuple[Figure, ...] = ()
    picture: Markup | None = None
    tables: tuple[Table, ...] = ()
    folded: tuple[Table | Figure, ...] = ()
    text: str = ""
    text_title: str = ""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One figure of the summary at the top."""

    name: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Page:
    """A whole report.

    - passed: the verdict; headline and lead say it in words
    """

    title: str
    passed: bool
    headline: str
    lead: str
    facts: tuple[Fact, ...]
    sections: tuple[Section, ...]
    footer: str


def render(page: Page) -> str:
    """The page as HTML."""
    environment = Environment(
        loader=PackageLoader("deploy.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["figure"] = lambda item: isinstance(item, Figure)
    return environment.get_template("page.html").render(page=page)


def inline_svg(document: str) -> Markup:
    """The svg element of an SVG document, fit to stand inside HTML."""
    return Markup(document[document.index("<svg") :])


def number(value: float, digits: int = 3) -> str:
    """A number for a table: thousands apart, or so many significant digits."""
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}"
