"""How things show themselves in a notebook: title, tables and pictures as HTML in the notebook's own colours."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

TEMPLATE = "html_repr.html.jinja"


@dataclass(frozen=True)
class Table:
    """Rows of text; the first cell of each says what the others are.

    Attributes:
        rows: the cells of each row.
        title: above it, "" for none.
        head: names of the columns, none where rows speak for themselves.
        words: whether the last cell of a row is a sentence, and no figure.
    """

    rows: Sequence[Sequence[str]]
    title: str = ""
    head: Sequence[str] = ()
    words: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture with what it shows.

    Attributes:
        png: its bytes.
        caption: in words; they stand for it where it is not seen.
    """

    png: bytes
    caption: str

    @property
    def source(self) -> str:
        """It as an address that fetches nothing."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode('ascii')}"


def html_repr(title: str, subtitle: str, tables: Sequence[Table] = (), pictures: Sequence[Picture] = ()) -> str:
    """The HTML of it. Names are other people's: everything is escaped."""
    import jinja2

    source = (resources.files("armoire") / TEMPLATE).read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(source).render(title=title, subtitle=subtitle, tables=tables, pictures=pictures)


def counted(splits: dict[str, int]) -> str:
    """`60,000 train, 10,000 test`."""
    return ", ".join(f"{n:,} {name}" for name, n in splits.items())
