from __future__ import annotations

from pathlib import Path
from typing import Literal

from armoire.cli.arguments import ImagePath, RunPath, Whole
from armoire.cli.inputs import note_outliers, open_with_images
from armoire.cli.pictures import check_suffix, save_strip
from armoire.console import terminal_progress
from armoire.errors import ArmoireError

MOST_STEPS = 1_000


def morph(
    run: RunPath,
    image_a: ImagePath,
    image_b: ImagePath,
    /,
    *,
    out: Path,
    steps: Whole = 9,
    path: Literal["linear", "spherical"] = "linear",
) -> None:
    """Interpolate between two images in the latent space.

    Args:
        out: FILE.png, the steps side by side (in rows if more than 16), or FILE.gif, a loop there and back.
        steps: number of pictures, both ends included, 2 to 1,000.
        path: linear is the straight line, as published, and right for every model. Spherical rotates about the origin
            while the length changes evenly: for variational autoencoders of many dimensions, in which the middle of a
            straight line is nearer the origin than images are.
    """
    check_suffix(out, ".png", ".gif")
    if not 2 <= steps <= MOST_STEPS:
        raise ArmoireError(f"--steps should be 2 (both ends) to {MOST_STEPS:,}, not {steps}")
    progress = terminal_progress()
    wardrobe, originals = open_with_images(run, [image_a, image_b], progress)
    a, b = wardrobe.encode(originals)
    save_strip(wardrobe.decode(wardrobe.interpolate(a, b, steps=steps, kind=path)), out)
    note_outliers(wardrobe, [image_a, image_b], originals, progress)
    print(out)
