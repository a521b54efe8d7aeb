"""`armoire edit`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from armoire.cli.arguments import RunFolder
from armoire.cli.inputs import note_outliers, open_with_images
from armoire.cli.output import print_table
from armoire.cli.pictures import check_suffix, save_strip
from armoire.console import terminal_progress
from armoire.errors import ArmoireError

if TYPE_CHECKING:
    from armoire.wardrobe import Direction

STRONGEST = 1_000.0  # standard deviations: far outside of anything a model has seen, and far from overflowing


Method = Literal["difference", "partial", "logistic"]


def edit(
    run: RunFolder,
    image: Path,
    /,
    *,
    attribute: str,
    strength: Annotated[str, Parameter(allow_leading_hyphen=True)],
    method: Method = "partial",
    out: Path,
) -> None:
    """Give an image file more or less of an attribute, such as a smile, and save a strip of what comes of it.

    The strip holds the original as fitted, its reconstruction (strength 0), then an edit for each strength.

    Args:
        run: folder of a run.
        image: an image file of any size, cropped, padded or stretched like the run's training data.
        attribute: one that the data set knows, or one of its classes (`armoire data` lists them), or axis-1, axis-2 ..,
            what images differ in most, which any data have.
        strength: how much, one number or several with commas between, such as -2,2. 1 is one standard deviation of
            the training images along the direction; negative numbers take the attribute away.
        method: how the direction is found: partial keeps the other attributes as they are, difference is the published
            difference of means, logistic the normal of a classifier.
        out: FILE.png.
    """
    import numpy as np

    check_suffix(out, ".png")
    strengths = _strengths(strength)
    progress = terminal_progress()
    wardrobe, originals = open_with_images(run, [image], progress)
    direction = wardrobe.direction(attribute, method)
    z = wardrobe.encode(originals)
    edited = wardrobe.decode(np.concatenate([z, *(direction.move(z, amount) for amount in strengths)]))
    places = save_strip(np.concatenate([originals, edited]), out)
    note_outliers(wardrobe, [image], originals, progress)
    shown = ["the original, as fitted", "its reconstruction, strength 0", *(f"strength {s:+g}" for s in strengths)]
    print_table([*_described(direction), *zip(places, shown, strict=True)])
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
    if not abs(value) <= STRONGEST:  # so that nan is refused too
        raise ArmoireError(
            f"--strength takes numbers from {-STRONGEST:,.0f} to {STRONGEST:,.0f} with commas between, "
            f"such as -2,2, not '{text}'"
        )
    return value
