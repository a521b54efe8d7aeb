"""HTML of objects for a notebook: title, tables and pictures in the notebook's own colours."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import Any

TEMPLATE = "html_repr.html.jinja"
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }} body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem }}
figcaption {{ overflow-wrap: anywhere }}
figure + figure {{ display: inline-block; width: 9rem; margin-right: 1rem; vertical-align: top }}
{style}</style>
</head><body>{body}</body></html>
"""


@dataclass(frozen=True)
class Table:
    """A table of text under a title."""

    rows: Sequence[Sequence[str]]  # the cells of each, its name first
    title: str = ""
    head: Sequence[str] = ()  # names of the columns
    words: bool = False  # whether the last cell of a row is text, not a number


@dataclass(frozen=True)
class Picture:
    """A picture and its caption, which is its alternative text too."""

    content: bytes
    caption: str
    kind: str = "png"  # or jpeg

    @property
    def source(self) -> str:
        """The picture as a data URL."""
        return f"data:image/{self.kind};base64,{base64.b64encode(self.content).decode('ascii')}"


def html_repr(title: str, subtitle: str, tables: Sequence[Table] = (), pictures: Sequence[Picture] = ()) -> str:
    """A title, tables and pictures as HTML."""
    return render(TEMPLATE, title=title, subtitle=subtitle, tables=tables, pictures=pictures)


def html_page(title: str, body: str, style: str = "") -> str:
    """A page of its own around what `html_repr` returns, with more CSS; it fetches and executes nothing."""
    return PAGE.format(title=escape(title), body=body, style=style)


def render(template: str, **values: Any) -> str:
    """HTML from a template of the package; everything is escaped, since names are untrusted input."""
    import jinja2

    source = (resources.files("armoire") / template).read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(source).render(**values)


def counted(splits: dict[str, int]) -> str:
    """The sizes of splits in words: `60,000 train, 10,000 test`."""
    return ", ".join(f"{n:,} {name}" for name, n in splits.items())
