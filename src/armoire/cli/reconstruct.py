from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from armoire.cli.arguments import PngPath, RunPath
from armoire.cli.inputs import open_wardrobe
from armoire.cli.output import print_table
from armoire.errors import ArmoireError


def reconstruct(run: RunPath, /, *images: Annotated[Path, Parameter(name="IMAGE")], out: PngPath) -> None:
    """Reconstruct image files, and save the originals (as prepared) above the reconstructions.

    Args:
        images: image files of any size, one or more, prepared like the training images.
        out: FILE.png.
    """
    import numpy as np

    from armoire.images.grid import enlargement, image_grid, save_png

    if not images:
        raise ArmoireError("reconstruct needs at least one image file after the run")
    wardrobe = open_wardrobe(run)
    originals = wardrobe.preprocess(images)
    again = wardrobe.decode(wardrobe.encode(originals))
    save_png(out, image_grid(np.concatenate([originals, again]), len(originals)), enlargement(originals))
    errors = np.square((originals.astype(np.float64) - again) / 255).mean(axis=(1, 2, 3))
    print_table([(str(path), f"mean squared error {error:.4f}") for path, error in zip(images, errors, strict=True)])
    print(out)
