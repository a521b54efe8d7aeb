"""Verbs that move through the latent space from an image: nearest, morph, edit."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from armoire.cli.arguments import RunFolder
from armoire.cli.saving import check_suffix, save_strip
from armoire.cli.terminal import Whole, print_json, print_table, terminal_progress
from armoire.errors import ArmoireError

if TYPE_CHECKING:
    import numpy as np

    from armoire.progress import Progress
    from armoire.wardrobe import Direction, Wardrobe

MOST_STEPS = 1_000
STRONGEST = 1_000.0  # standard deviations: far outside of anything a model has seen, and far from overflowing
Interpolation = Literal["linear", "spherical"]
Method = Literal["difference", "partial", "logistic"]


def nearest(
    run: RunFolder,
    image: Path,
    /,
    *,
    number: Annotated[Whole, Parameter(name=["-n", "--number"])] = 6,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Find the images of a run's data set that lie nearest to an image file in the latent space.

    Args:
        run: folder of a run.
        image: an image file of any size, cropped, padded or stretched like the run's training data.
        number: how many.
        json: print one JSON object.
    """
    if number < 1:
        raise ArmoireError(f"-n should be 1 or more, not {number}")
    progress = terminal_progress()
    wardrobe, originals = _open(run, [image], progress)
    found = wardrobe.nearest(wardrobe.encode(originals), number)
    rows = wardrobe.latents.describe(found.rows[0], wardrobe.run.data.classes)
    strangers = _strangers(wardrobe, [image], originals, progress)
    distances = found.distances[0].tolist()
    if json:
        alike = [row | {"distance": distance} for row, distance in zip(rows, distances, strict=True)]
        far = None if strangers is None else strangers[0]
        search = {"kind": found.search, "recall_at_10": found.recall}
        print_json({"image": str(image), "far_from_training": far, "search": search, "nearest": alike})
        return
    if found.search == "index":
        progress.note(f"searched with an index, which finds {found.recall:.1%} of the 10 nearest")
    cells = [
        (str(row["id"]), str(row["split"]), row["label"] or "-", f"{distance:.4f}")
        for row, distance in zip(rows, distances, strict=True)
    ]
    print_table([("id", "split", "label", "distance"), *cells])


def morph(
    run: RunFolder,
    image_a: Path,
    image_b: Path,
    /,
    *,
    out: Path,
    steps: Whole = 9,
    path: Interpolation = "linear",
) -> None:
    """Turn one image file into another along a path through the latent space.

    Args:
        run: folder of a run.
        image_a: an image file of any size, cropped, padded or stretched like the run's training data.
        image_b: another one. The first picture is the reconstruction of IMAGE_A, the last that of IMAGE_B.
        out: FILE.png, the steps side by side (in rows where they are more than 16), or FILE.gif, there and back for
            ever.
        steps: how many pictures, both ends included, 2 to 1,000.
        path: linear is the straight line, as published, and right for every model. Spherical turns about the origin
            while the length goes evenly from one end's to the other's: for variational autoencoders of many
            dimensions, in which the middle of a straight line is nearer the origin than images are.
    """
    check_suffix(out, ".png", ".gif")
    if not 2 <= steps <= MOST_STEPS:
        raise ArmoireError(f"--steps should be 2 (both ends) to {MOST_STEPS:,}, not {steps}")
    progress = terminal_progress()
    wardrobe, originals = _open(run, [image_a, image_b], progress)
    a, b = wardrobe.encode(originals)
    save_strip(wardrobe.decode(wardrobe.interpolate(a, b, steps, path)), out)
    _strangers(wardrobe, [image_a, image_b], originals, progress)
    print(out)


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
    wardrobe, originals = _open(run, [image], progress)
    direction = wardrobe.direction(attribute, method)
    z = wardrobe.encode(originals)
    edited = wardrobe.decode(np.concatenate([z, *(direction.move(z, amount) for amount in strengths)]))
    places = save_strip(np.concatenate([originals, edited]), out)
    _strangers(wardrobe, [image], originals, progress)
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


def _open(run: Path, paths: list[Path], progress: Progress) -> tuple[Wardrobe, np.ndarray]:
    """A run, and image files fitted like its training data."""
    from armoire.wardrobe import Wardrobe

    wardrobe = Wardrobe.open(run, progress=progress)
    return wardrobe, wardrobe.preprocess(paths)


def _strangers(wardrobe: Wardrobe, paths: list[Path], originals: np.ndarray, progress: Progress) -> list[bool] | None:
    """Which images lie far from the training data, with a note on each; None where that cannot be told."""
    usual = wardrobe.familiarity
    if usual is None:
        return None
    errors = wardrobe.squared_errors(originals)
    far = usual.far(errors).tolist()
    for path, error, is_far in zip(paths, errors, far, strict=True):
        if is_far:
            progress.note(
                f"{path} lies far from the training data: its reconstruction error {error:.4f} is above "
                f"{usual.mse_p99:.4f}, which 99 % of the held-out images stay within; what comes of it may mean little"
            )
    return far
