from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from armoire.cli.arguments import ImagePath, Json, RunPath, Whole
from armoire.cli.inputs import note_outliers, open_with_images
from armoire.cli.output import print_json, print_table
from armoire.console import terminal_progress
from armoire.errors import ArmoireError


def nearest(
    run: RunPath,
    image: ImagePath,
    /,
    *,
    number: Annotated[Whole, Parameter(name=["-n", "--number"])] = 6,
    json: Json = False,
) -> None:
    """Find the images of a run's data set that are nearest to an image in the latent space.

    Args:
        number: how many.
    """
    if number < 1:
        raise ArmoireError(f"-n should be 1 or more, not {number}")
    progress = terminal_progress()
    wardrobe, originals = open_with_images(run, [image], progress)
    found = wardrobe.nearest(wardrobe.encode(originals), k=number)
    rows = wardrobe.latents.describe(found.rows[0], wardrobe.run.data.classes)
    outliers = note_outliers(wardrobe, [image], originals, progress)
    distances = found.distances[0].tolist()
    if json:
        alike = [row | {"distance": distance} for row, distance in zip(rows, distances, strict=True)]
        is_outlier = None if outliers is None else outliers[0]
        search = {"kind": found.search, "recall_at_10": found.recall}
        print_json({"image": str(image), "outlier": is_outlier, "search": search, "nearest": alike})
        return
    if found.search == "index":
        progress.note(f"searched with an index, which finds {found.recall:.1%} of the 10 nearest")
    cells = [
        (str(row["id"]), str(row["split"]), row["label"] or "-", f"{distance:.4f}")
        for row, distance in zip(rows, distances, strict=True)
    ]
    print_table([("id", "split", "label", "distance"), *cells])
