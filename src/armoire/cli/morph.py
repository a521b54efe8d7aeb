from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number
from cyclopts.validators import Path as PathValidator

from armoire.cli.arguments import ImagePath, RunPath, Whole
from armoire.cli.inputs import note_outliers, open_wardrobe
from armoire.cli.pictures import save_strip


def morph(
    run: RunPath,
    image_a: ImagePath,
    image_b: ImagePath,
    /,
    *,
    out: Annotated[Path, Parameter(validator=PathValidator(ext=("png", "gif")))],
    steps: Annotated[Whole, Parameter(validator=Number(gte=2, lte=1000))] = 9,
    path: Literal["linear", "spherical"] = "linear",
) -> None:
    """Interpolate between two images, in steps side by side or as an animation.

    Args:
        out: FILE.png, the steps side by side (in rows if more than 16), or FILE.gif, a loop there and back.
        steps: number of pictures, both ends included, 2 to 1,000.
        path: linear is the straight line, as published, and right for every model. Spherical rotates about the origin
            while the length changes evenly: for variational autoencoders of many dimensions, in which the middle of a
            straight line is nearer the origin than images are.
    """
    wardrobe = open_wardrobe(run)
    originals = wardrobe.preprocess([image_a, image_b])
    a, b = wardrobe.encode(originals)
    save_strip(wardrobe.decode(wardrobe.interpolate(a, b, steps=steps, kind=path)), out)
    note_outliers(wardrobe, [image_a, image_b], originals)
    print(out)
