from __future__ import annotations

from pathlib import Path
from typing import Literal

from armoire.cli.arguments import ColumnFlags, Data, Json, Whole, column_choice
from armoire.cli.output import flat, print_json, print_table
from armoire.console import terminal_progress

SHOWN = 40  # columns and attributes printed


def data(
    source: Data,
    /,
    *,
    columns: ColumnFlags | None = None,
    size: Whole | None = None,
    fit: Literal["crop", "pad", "stretch"] = "crop",
    background: str = "auto",
    out: Path | None = None,
    json: Json = False,
) -> None:
    """Read a data set, and report what each column and every file of it was taken for.

    Args:
        size: side that the images of a folder are resized to, 16 to 256 pixels (default 64).
        fit: crop, pad or stretch images that are not square.
        background: colour under transparent pixels and in padding, a name or #rrggbb; auto: black where
            most images have a black border, else white.
        out: folder for a page, index.html, that shows the images with their labels, and the names of all files that
            are left out; by default none.
    """
    from armoire.images import load_images
    from armoire.images.reading_page import write_reading

    images = load_images(source, size, fit, background, terminal_progress(), choice=column_choice(columns))
    described = images.describe()
    page = write_reading(images, out) if out else None
    if json:
        print_json(described | ({"page": str(page)} if page else {}))
        return
    counts = "{positive:,} yes, {negative:,} no, {missing:,} missing"
    attributes = [(f"attribute {name}", counts.format(**n)) for name, n in described.pop("attributes").items()]
    roles = [(f"column {name}", _meaning(**role)) for name, role in described.pop("columns").items()]
    described.pop("notes")
    print_table(flat(described) + attributes[:SHOWN] + roles[:SHOWN])
    if page:
        print(page)


def _meaning(role: str, example: str, reason: str, **_others: str) -> str:
    meaning = {"ignored": "not used"}.get(role, role)
    return meaning + (f", for example {example}" if example else "") + (f" ({reason})" if reason else "")
