"""Held-out images edited along the direction of an attribute (S21): `attribute-NAME`, one figure per attribute."""

from __future__ import annotations

from functools import partial

import numpy as np
from jaxtyping import Int, Int8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from armoire.figures.figure_data import held_out_images
from armoire.figures.figure_kind import FigureKind
from armoire.figures.style import ACCENT, BODY, INK, MARGIN, QUIET, number, picture, tall_enough
from armoire.wardrobe import Wardrobe
from armoire.wardrobe.directions import FEWEST, Direction

PREFIX = "attribute-"
STRENGTHS = range(-4, 5)
WITHOUT, WITH = 4, 2  # rows of images without the attribute, and with it
BY_DEFAULT = 4  # figures drawn where no name is given
STEADY = 0.7  # at this steadiness half of the direction's squared length is noise
MARKS = {-1: "without", 1: "with", 0: "unknown"}
METHODS = {
    "difference": "from the mean of the images without it to the mean of those with it",
    "partial": "its effect with the other attributes held constant",
    "logistic": "the normal of the decision boundary of logistic regression",
}
LABELS, APART, GAP = 0.95, 0.22, 0.07  # inches: names of the rows; between groups; between images


def attribute_figure(attribute: str) -> FigureKind:
    """The figure of one attribute, which no run needs to have."""
    description = f"{attribute} removed from and added to held-out images"
    return FigureKind(f"{PREFIX}{attribute}", description, partial(edits, attribute=attribute))


def attribute_figures(wardrobe: Wardrobe) -> dict[str, FigureKind]:
    """The figures of all attributes of a run's data, by name."""
    return {kind.name: kind for kind in map(attribute_figure, wardrobe.latents.attributes)}


def default_attributes(wardrobe: Wardrobe) -> list[str]:
    """The four attributes with most training images, counted with or without it, whichever are fewer."""
    train = wardrobe.latents.split("train")
    known = {name: train.attribute(name) for name in train.attributes}
    smaller = {name: min(int((y == 1).sum()), int((y == -1).sum())) for name, y in known.items()}
    ranked = sorted(smaller, key=smaller.__getitem__, reverse=True)
    return [name for name in ranked if smaller[name] >= FEWEST][:BY_DEFAULT]


def edits(wardrobe: Wardrobe, attribute: str) -> Figure:
    """A row per held-out image: the original, then the decoded edits at strengths -4 to 4 (S21)."""
    direction = wardrobe.direction(attribute)
    known = wardrobe.latents.split(wardrobe.held_out).attribute(attribute)
    rows = chosen(known)
    originals = held_out_images(wardrobe).images[rows]
    z, marks = wardrobe.encode(originals), known[rows]
    side = (12.8 - 2 * MARGIN - LABELS - APART) / (len(STRENGTHS) + 1) - GAP
    groups = 1 + int((np.diff(marks) != 0).sum())
    page = tall_enough(
        len(rows) * (side + GAP) + (groups - 1) * APART + 1.0,
        f"{wardrobe.run.name}: held-out images edited along the direction of {attribute}",
        _subtitle(direction),
    )
    blank = page.blank(MARGIN, 0, page.width - 2 * MARGIN, page.top)
    lefts = LABELS + np.arange(len(STRENGTHS) + 1) * (side + GAP) + np.array([0, *[APART] * len(STRENGTHS)])
    tops = page.top - 0.6 - np.arange(len(rows)) * (side + GAP) - np.cumsum([0, *(np.diff(marks) != 0)]) * APART
    _heads(blank, lefts + side / 2, page.top - 0.1)
    for mark, top in zip(marks.tolist(), tops, strict=True):
        blank.text(0, top - side / 2, MARKS[mark], fontsize=11, color=QUIET, va="center")
    columns = [originals, *(wardrobe.decode(direction.move(z, strength)) for strength in STRENGTHS)]
    for left, images in zip(lefts, columns, strict=True):
        for top, image in zip(tops, images, strict=True):
            picture(blank, image, (left, left + side, top - side, top))
    corner = (lefts[1 + STRENGTHS.index(0)] - GAP / 2, tops[-1] - side - GAP / 2)
    around = (side + GAP, tops[0] - tops[-1] + side + GAP)
    blank.add_patch(Rectangle(corner, *around, fill=False, ec=ACCENT, lw=1.5))
    return page.figure


def chosen(known: Int8[np.ndarray, " n"]) -> Int[np.ndarray, " rows"]:
    """Rows of the images to show: the first 4 without the attribute, then the first 2 with it.

    Where one kind has too few, more of the other are shown, then images whose attribute is unknown.
    """
    negatives, positives, unknown = (np.flatnonzero(known == value) for value in (-1, 1, 0))
    total = WITHOUT + WITH
    n = min(len(positives), max(WITH, total - len(negatives)))
    m = min(len(negatives), total - n)
    return np.concatenate([negatives[:m], positives[:n], unknown[: total - m - n]])


def _subtitle(direction: Direction) -> str:
    d = direction
    interval = f"95 % interval {number(d.separation_low)} to {number(d.separation_high)}"
    text = (
        "A strength of 1 is one standard deviation of the training images' projection on the direction, "
        f"{number(d.scale)} latent units; the means of the {d.positives:,} training images with the attribute and the "
        f"{d.negatives:,} without differ by {number(d.separation)} of these ({interval}). "
        f"Method “{d.method}”: {METHODS[d.method]}. Steadiness {number(d.steadiness)} of 1"
    )
    return f"{text}." if d.steadiness >= STEADY else f"{text}: other training images would give another direction."


def _heads(axes: Axes, centres: np.ndarray, top: float) -> None:
    captions = {-4: "less", 0: "reconstruction", 4: "more"}
    axes.text(centres[0], top - 0.2, "original", fontsize=9, color=QUIET, ha="center", va="top")
    for strength, centre in zip(STRENGTHS, centres[1:].tolist(), strict=True):
        colour, weight = (ACCENT, "bold") if strength == 0 else (INK, "normal")
        text = f"{strength:+d}".replace("-", "−") if strength else "0"
        axes.text(centre, top, text, fontsize=BODY, color=colour, weight=weight, ha="center", va="top")
        colour = ACCENT if strength == 0 else QUIET
        axes.text(centre, top - 0.2, captions.get(strength, ""), fontsize=9, color=colour, ha="center", va="top")
