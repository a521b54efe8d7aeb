from __future__ import annotations

from typing import Literal

from armoire.cli.arguments import Data, Json, Whole
from armoire.cli.output import flat, print_json, print_table
from armoire.console import terminal_progress


def data(
    source: Data,
    /,
    *,
    size: Whole | None = None,
    fit: Literal["crop", "pad", "stretch"] = "crop",
    background: str = "auto",
    json: Json = False,
) -> None:
    """Read a data set, if it is not in the cache yet, and describe it.

    Args:
        size: side that the images of a folder are resized to, 16 to 256 pixels (default 64).
        fit: crop, pad or stretch images that are not square.
        background: colour under transparent pixels and in padding, a name or #rrggbb; auto: black where
            most images have a black border, else white.
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
