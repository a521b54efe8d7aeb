"""`armoire data`."""

from __future__ import annotations

from typing import Literal

from armoire.cli.arguments import Json, Whole
from armoire.cli.output import flat, print_json, print_table
from armoire.console import terminal_progress


def data(
    source: str,
    /,
    *,
    size: Whole | None = None,
    fit: Literal["crop", "pad", "stretch"] = "crop",
    background: str = "white",
    json: Json = False,
) -> None:
    """Read a data set in, if that is not done yet, and describe it.

    Args:
        source: fashion-mnist, drawn-faces, celeba:PATH, hf:OWNER/NAME, or the path of images: a folder or zip of
            them, with or without a table beside them, Parquet, Arrow, WebDataset or NumPy files.
        size: side that a folder's images are fitted to, 16 to 256 pixels (default 64).
        fit: crop, pad or stretch images that are not square.
        background: colour under transparent pixels and in padding, a name or #rrggbb.
        json: print one JSON object.
    """
    from armoire.images import load_images

    progress = terminal_progress()
    images = load_images(source, size, fit, background, progress)
    described = images.describe()
    if json:
        print_json(described)
    else:
        counts = "{positive:,} yes, {negative:,} no, {missing:,} missing"
        attributes = [(f"attribute {name}", counts.format(**n)) for name, n in described.pop("attributes").items()]
        print_table(flat(described) + attributes)
