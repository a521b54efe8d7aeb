from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from armoire.cli.arguments import ImagePath, RunPath
from armoire.cli.inputs import note_outliers, open_with_images
from armoire.cli.output import print_table
from armoire.cli.pictures import check_suffix, save_strip
from armoire.console import terminal_progress
from armoire.errors import ArmoireError

if TYPE_CHECKING:
    from armoire.wardrobe import Direction

STRONGEST = 1_000.0  # standard deviations, far beyond any data and far from overflow


Method = Literal["difference", "partial", "logistic"]


def edit(
    run: RunPath,
    image: ImagePath,
    /,
    *,
    attribute: str,
    strength: Annotated[str, Parameter(allow_leading_hyphen=True)],
    method: Method = "partial",
    out: Path,
) -> None:
    """Give an image more or less of an attribute, such as a smile, and save a strip of the edits.

    Args:
        attribute: an attribute or a class of the data set (`armoire data` lists them), or axis-1, axis-2 .., the
            principal axes, which any data have.
        strength: one number or several separated by commas, such as -2,2, in standard deviations of the training
            images along the direction; negative numbers remove the attribute.
        method: of finding the direction: partial keeps the other attributes as they are, difference is the published
            difference of means, logistic the normal of a classifier.
        out: FILE.png: the original as prepared, its reconstruction (strength 0), then an edit per strength.
    """
    import numpy as np

    check_suffix(out, ".png")
    strengths = _strengths(strength)
    progress = terminal_progress()
    wardrobe, originals = open_with_images(run, [image], progress)
    direction = wardrobe.direction(attribute, method=method)
    z = wardrobe.encode(originals)
    edited = wardrobe.decode(np.concatenate([z, *(direction.move(z, amount) for amount in strengths)]))
    positions = save_strip(np.concatenate([originals, edited]), out)
    note_outliers(wardrobe, [image], originals, progress)
    names = ["the original, as prepared", "its reconstruction, strength 0", *(f"strength {s:+g}" for s in strengths)]
    print_table([*_described(direction), *zip(positions, names, strict=True)])
    print(out)


def _described(direction: Direction) -> list[tuple[str, str]]:
    scale = f"{direction.scale:.4g} in the latent space, one standard deviation of the training images along it"
    return [("direction", f"{direction.attribute}, by method {direction.method}"), ("strength 1", scale)]


def _strengths(text: str) -> list[float]:
    return [_strength(part.strip(), text) for part in text.split(",")]


def _strength(part: str, text: str) -> float:
    try:
        value = float(part)
    except ValueError:
        value = math.nan
    if not abs(value) <= STRONGEST:  # refuses NaN too
        raise ArmoireError(
            f"--strength takes numbers from {-STRONGEST:,.0f} to {STRONGEST:,.0f} separated by commas, "
            f"such as -2,2, not '{text}'"
        )
    return value
