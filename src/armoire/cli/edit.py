from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from armoire.cli.arguments import ImagePath, Numbers, PngPath, RunPath
from armoire.cli.inputs import note_outliers, open_wardrobe
from armoire.cli.output import print_table
from armoire.cli.pictures import save_strip

STRONGEST = 1000  # standard deviations, far beyond any data and far from overflow


def edit(
    run: RunPath,
    image: ImagePath,
    /,
    *,
    attribute: str,
    strength: Annotated[Numbers, Parameter(allow_leading_hyphen=True, validator=Number(gte=-STRONGEST, lte=STRONGEST))],
    method: Literal["difference", "partial", "logistic"] = "partial",
    out: PngPath,
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

    wardrobe = open_wardrobe(run)
    original = wardrobe.preprocess([image])
    direction = wardrobe.direction(attribute, method=method)
    z = wardrobe.encode(original)
    edited = wardrobe.decode(np.concatenate([z, *(direction.move(z, amount) for amount in strength)]))
    positions = save_strip(np.concatenate([original, edited]), out)
    note_outliers(wardrobe, [image], original)
    scale = f"{direction.scale:.4g} in the latent space, one standard deviation of the training images along it"
    names = ["the original, as prepared", "its reconstruction, strength 0", *(f"strength {s:+g}" for s in strength)]
    print_table(
        [
            ("direction", f"{direction.attribute}, by method {direction.method}"),
            ("strength 1", scale),
            *zip(positions, names, strict=True),
        ]
    )
    print(out)
