"""An attribute, less and more, in images that were never trained on (S21): `attribute-NAME`, one for each."""

from __future__ import annotations

from functools import partial

import numpy as np
from jaxtyping import Int, Int8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from armoire.figures.figure_data import held_out_images, run_name
from armoire.figures.figure_kind import FigureKind
from armoire.figures.style import ACCENT, BODY, INK, MARGIN, QUIET, high_enough, number, picture
from armoire.wardrobe import Wardrobe
from armoire.wardrobe.directions import FEWEST, Direction

PREFIX = "attribute-"
STRENGTHS = range(-4, 5)
LACKING, HAVING = 4, 2  # rows of images without it, and with it
BY_DEFAULT = 4  # figures drawn where none is asked for by name
STEADY = 0.7  # below, a direction is called unsteady: half of its square length is chance
MARKS = {-1: "lacks it", 1: "has it", 0: "not known"}
METHODS = {
    "difference": "from the mean without it to the mean with it",
    "partial": "what it adds where the other attributes stay the same",
    "logistic": "across the border that tells with from without",
}
LABELS, APART, GAP = 0.95, 0.22, 0.07  # inches: names of the rows; between groups; between images


def attribute_figure(attribute: str) -> FigureKind:
    """The figure of one attribute, whether a run knows it or not."""
    description = f"{attribute} taken away and added, in held-out images"
    return FigureKind(f"{PREFIX}{attribute}", description, partial(edits, attribute=attribute))


def attribute_figures(wardrobe: Wardrobe) -> dict[str, FigureKind]:
    """The figures of all attributes of a run's data, by name."""
    return {kind.name: kind for kind in map(attribute_figure, wardrobe.latents.attributes)}


def most_known(wardrobe: Wardrobe) -> list[str]:
    """The attributes drawn by default: those with most training images on their smaller side, at most four."""
    train = wardrobe.latents.split("train")
    known = {name: train.attribute(name) for name in train.attributes}
    smaller = {name: min(int((y == 1).sum()), int((y == -1).sum())) for name, y in known.items()}
    ranked = sorted(smaller, key=smaller.__getitem__, reverse=True)
    return [name for name in ranked if smaller[name] >= FEWEST][:BY_DEFAULT]


def edits(wardrobe: Wardrobe, attribute: str) -> Figure:
    """A row a held-out image: the original, then the image made with the attribute at strengths -4 to 4 (S21)."""
    direction = wardrobe.direction(attribute)
    known = wardrobe.latents.split(wardrobe.held_out).attribute(attribute)
    rows = chosen(known)
    originals = held_out_images(wardrobe).images[rows]
    z, marks = wardrobe.encode(originals), known[rows]
    side = (12.8 - 2 * MARGIN - LABELS - APART) / (len(STRENGTHS) + 1) - GAP
    groups = 1 + int((np.diff(marks) != 0).sum())
    page = high_enough(
        len(rows) * (side + GAP) + (groups - 1) * APART + 1.0,
        f"{attribute}, less and more, in images that {run_name(wardrobe)} was not trained on",
        _told(direction),
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
    _frame(blank, lefts[1 + STRENGTHS.index(0)], tops[-1] - side, side, tops[0])
    return page.figure


def chosen(known: Int8[np.ndarray, " n"]) -> Int[np.ndarray, " rows"]:
    """Which images are shown: the first 4 that lack the attribute, then the first 2 that have it.

    Where there are too few of one, more of the other; then images of which it is not known.
    """
    lacking, having, unknown = (np.flatnonzero(known == value) for value in (-1, 1, 0))
    room = LACKING + HAVING
    with_it = min(len(having), max(HAVING, room - len(lacking)))
    without = min(len(lacking), room - with_it)
    return np.concatenate([lacking[:without], having[:with_it], unknown[: room - without - with_it]])


def _told(direction: Direction) -> str:
    d = direction
    interval = f"95 % interval {number(d.separation_low)} to {number(d.separation_high)}"
    text = (
        "A strength of 1 is one standard deviation of the training images' projection, "
        f"{number(d.scale)} latent units; in it, the means of the {d.positives:,} training images with the attribute "
        f"and the {d.negatives:,} without lie {number(d.separation)} apart ({interval}). "
        f"Method “{d.method}”: {METHODS[d.method]}. Steadiness {number(d.steadiness)} of 1"
    )
    return f"{text}." if d.steadiness >= STEADY else f"{text}: other images would make it point elsewhere."


def _heads(axes: Axes, centres: np.ndarray, top: float) -> None:
    words = {-4: "less", 0: "reconstruction", 4: "more"}
    axes.text(centres[0], top - 0.2, "original", fontsize=9, color=QUIET, ha="center", va="top")
    for strength, centre in zip(STRENGTHS, centres[1:].tolist(), strict=True):
        colour, weight = (ACCENT, "bold") if strength == 0 else (INK, "normal")
        text = f"{strength:+d}".replace("-", "−") if strength else "0"
        axes.text(centre, top, text, fontsize=BODY, color=colour, weight=weight, ha="center", va="top")
        colour = ACCENT if strength == 0 else QUIET
        axes.text(centre, top - 0.2, words.get(strength, ""), fontsize=9, color=colour, ha="center", va="top")


def _frame(axes: Axes, left: float, bottom: float, side: float, top: float) -> None:
    edge = GAP / 2
    box = Rectangle((left - edge, bottom - edge), side + GAP, top - bottom + GAP, fill=False, ec=ACCENT, lw=1.5)
    axes.add_patch(box)
