"""Interpolation between two held-out images (S22)."""

from __future__ import annotations

from collections import Counter

import numpy as np
from jaxtyping import Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from armoire.figures.figure_data import classes_of, held_out_images, shown_latents
from armoire.figures.style import BODY, INK, MARGIN, QUIET, number, picture, tall_enough, wrap
from armoire.wardrobe import Wardrobe
from armoire.wardrobe.interpolation import Interpolation

PAIRS = 5
STEPS = 9
HEADS = ("0", "1/8", "1/4", "3/8", "1/2", "5/8", "3/4", "7/8", "1")
CLASSES = 1.2  # inches for the names of the classes
APART, GAP = 0.2, 0.06  # inches between pairs, and between images
SIDES = (0.91, 0.68)  # inches of an image in one line, and in two


def morph(wardrobe: Wardrobe) -> Figure:
    """A row per pair: A, 9 images from A's reconstruction to B's, then B (S22).

    For a VAE of more than two dimensions there is a second line with spherical interpolation: the mass of N(0, I) is in
    a shell around the origin, which a straight line leaves.
    """
    latents = shown_latents(wardrobe)
    ends = np.array(pairs(latents.labels))
    originals = held_out_images(wardrobe).images[ends.ravel()]
    z = wardrobe.encode(originals).reshape(len(ends), 2, -1)
    kinds = interpolations(wardrobe)
    names = _names(wardrobe, latents.labels[ends])
    left = CLASSES if any(map(any, names)) else 0.0
    side = SIDES[len(kinds) - 1]
    tall = len(kinds) * (side + GAP) - GAP  # an original is as tall as its lines
    first = left + tall + APART
    last = first + STEPS * (side + GAP) - GAP + APART
    page = tall_enough(
        len(ends) * (tall + APART) + 0.85,
        f"{wardrobe.run.name}: interpolation between held-out images in {STEPS} steps",
        _subtitle(kinds, z),
        2 * MARGIN + last + tall,
    )
    blank = page.blank(MARGIN, 0, page.width - 2 * MARGIN, page.top)
    _heads(blank, left + tall / 2, first + side / 2 + np.arange(STEPS) * (side + GAP), last + tall / 2, page.top - 0.1)
    for k, (a, b) in enumerate(z):
        top = page.top - 0.55 - k * (tall + APART)
        blank.text(0, top - tall / 2, _caption(names[k]), fontsize=11, color=QUIET, va="center", linespacing=1.3)
        for image, x in zip(originals[2 * k : 2 * k + 2], (left, last), strict=True):
            picture(blank, image, (x, x + tall, top - tall, top))
        for line, kind in enumerate(kinds):
            y = top - line * (side + GAP)
            _line(blank, wardrobe.decode(wardrobe.interpolate(a, b, steps=STEPS, kind=kind)), first, y, side)
            if len(kinds) > 1:
                x = first - APART / 2
                blank.text(x, y - side / 2, kind, fontsize=8, color=QUIET, rotation=90, ha="center", va="center")
    return page.figure


def interpolations(wardrobe: Wardrobe) -> tuple[Interpolation, ...]:
    """The kinds of interpolation that make sense for a run."""
    shell = wardrobe.model.posterior.is_stochastic and wardrobe.recipe.dimensions > 2
    return ("linear", "spherical") if shell else ("linear",)


def pairs(labels: Int[np.ndarray, " n"]) -> list[tuple[int, int]]:
    """At most 5 pairs of images, of different classes where labels are known.

    Images are taken in the order: the first of each class, the second of each class, and so on.
    """
    seen: Counter[int] = Counter()
    rank = np.zeros(len(labels), np.int64)
    for i, label in enumerate(labels.tolist()):
        if label >= 0:
            rank[i], seen[label] = seen[label], seen[label] + 1
    left = np.argsort(rank, kind="stable").tolist()[: 100 * PAIRS]
    found: list[tuple[int, int]] = []
    while len(left) > 1 and len(found) < PAIRS:
        a = left.pop(0)
        differ = (i for i, b in enumerate(left) if labels[b] < 0 or labels[b] != labels[a])
        found.append((a, left.pop(next(differ, 0))))
    return found


def _subtitle(kinds: tuple[Interpolation, ...], z: np.ndarray) -> str:
    linear = "z(t) = (1 − t) · z(A) + t · z(B), decoded; the originals A and B are at the sides."
    if len(kinds) == 1:
        return linear
    ends = float(np.linalg.norm(z, axis=2).mean())
    middle = float(np.linalg.norm(z.mean(axis=1), axis=1).mean())
    return (
        f"Upper lines: {linear} Lower lines: spherical interpolation, which keeps the distance to the origin between "
        f"those of A and B. That distance is {number(ends)} on average for A and B, and {number(middle)} in the middle "
        "of the straight line."
    )


def _names(wardrobe: Wardrobe, labels: Int[np.ndarray, "pairs 2"]) -> list[tuple[str, str]]:
    classes = classes_of(wardrobe)
    named = [classes[label] if classes and label >= 0 else "" for label in labels.ravel().tolist()]
    return list(zip(named[::2], named[1::2], strict=True))


def _caption(names: tuple[str, str]) -> str:
    if not any(names):
        return ""
    a, b = (wrap(name or "no label", CLASSES - 0.1, 11) for name in names)
    return f"{a}\nto {b}" if len(b) < 13 else f"{a}\nto\n{b}"


def _heads(axes: Axes, a: float, steps: np.ndarray, b: float, top: float) -> None:
    for centre, text in ((a, "A"), (b, "B")):
        axes.text(centre, top, text, fontsize=BODY, color=INK, weight="bold", ha="center", va="top")
        axes.text(centre, top - 0.2, "original", fontsize=9, color=QUIET, ha="center", va="top")
    for centre, text in zip(steps.tolist(), HEADS, strict=True):
        axes.text(centre, top, f"t = {text}", fontsize=11, color=INK, ha="center", va="top")
    for centre in steps[[0, -1]].tolist():
        axes.text(centre, top - 0.2, "reconstruction", fontsize=9, color=QUIET, ha="center", va="top")


def _line(axes: Axes, images: np.ndarray, left: float, top: float, side: float) -> None:
    for k, image in enumerate(images):
        x = left + k * (side + GAP)
        picture(axes, image, (x, x + side, top - side, top))
