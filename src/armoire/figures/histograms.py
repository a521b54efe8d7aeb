"""Histograms of the posterior means of each dimension against N(0, 1) (S19)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from armoire.figures.figure_data import of_data, shown_latents
from armoire.figures.style import INK, MARGIN, QUIET, SMALL, WARNING, Sheet, dimension, number, sheet
from armoire.measure.latent_statistics import ACTIVE_VARIANCE, ks_distances
from armoire.wardrobe import Wardrobe

HISTOGRAMS = 50
FAR = 0.1  # Kolmogorov-Smirnov distance from N(0, 1)
CHANCE = 1.63  # / sqrt(n): the distance that 1 % of samples from N(0, 1) itself exceed (Smirnov 1948)
NARROW = 0.5  # variance of the means
LINE = 0.25  # inches of a line of the legend
SPAN = 4.0  # standard deviations shown on either side


#: The colour of a dimension's bars, and what to do about it.
COLOURS = {"far": "#e2a688", "close": "#8fb8ba", "narrow": "#cbb978", "unused": "#cfcac3"}
ADVICE = {
    "far": "far from N(0, 1), wide or off centre: there is too little weight on the KL: raise beta.",
    "close": "close to N(0, 1): there is enough weight on the KL.",
    "narrow": "narrow but in use: the posteriors are wide compared with the means. To encode more, lower beta.",
    "unused": "unused, the same for every image, and not for lack of weight on the KL. A smaller --latent would do.",
}


def histograms(wardrobe: Wardrobe) -> Figure:
    """The first 50 dimensions of the posterior means as histograms with the standard normal curve (S19)."""
    latents = shown_latents(wardrobe)
    means = latents.mean[:, :HISTOGRAMS]
    ks, statuses = ks_distances(means), dimension_statuses(means)
    worst = worst_of(ks, statuses)
    page = sheet(_title(wardrobe, statuses, worst), _subtitle(wardrobe, len(latents), means.shape[1]))
    present = {name: statuses.count(name) for name in ADVICE if name in statuses}
    bottom = 0.3 + LINE * len(present)
    for k, axes in enumerate(_small_multiples(page, means.shape[1], bottom)):
        _histogram(axes, means[:, k], COLOURS[statuses[k]])
        colour = WARNING if k == worst else QUIET if statuses[k] == "unused" else INK
        text = f"{dimension(k)}   {'unused' if statuses[k] == 'unused' else number(float(ks[k]))}"
        size, weight = SMALL if means.shape[1] > 8 else 13, "bold" if k == worst else "normal"
        axes.set_title(text, fontsize=size, color=colour, weight=weight, loc="left", pad=3)
    _legend(page, present, bottom)
    return page.figure


def dimension_statuses(means: Float[np.ndarray, "n d"]) -> list[str]:
    """The status of each dimension: far, close, narrow or unused.

    Narrow and unused dimensions are far from N(0, 1) too, but for the opposite reason: their posteriors are wide, and
    their means vary little or not at all. The distance of a constant 0 is 0.5.
    """
    ks, variance = ks_distances(means), means.var(axis=0)
    rules = [variance <= ACTIVE_VARIANCE, ks <= far_from(len(means)), variance < NARROW]
    return np.select(rules, ["unused", "close", "narrow"], "far").tolist()


def worst_of(ks: Float[np.ndarray, " d"], statuses: list[str]) -> int | None:
    """The dimension with the largest distance of the far ones; else of the narrow ones; else of the close ones."""
    for name in ("far", "narrow", "close"):
        if rows := [k for k, status in enumerate(statuses) if status == name]:
            return max(rows, key=ks.__getitem__)
    return None


def _histogram(axes: Axes, values: np.ndarray, colour: str) -> None:
    density, edges = np.histogram(np.clip(values, -SPAN, SPAN), bins=40, range=(-SPAN, SPAN), density=True)
    axes.stairs(density, edges, fill=True, color=colour)
    x = np.linspace(-SPAN, SPAN, 161)
    axes.plot(x, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), color=INK, linewidth=1.2)
    axes.set_xlim(-SPAN, SPAN)
    # One scale for all; the needle of a collapsed dimension is cut off.
    axes.set_ylim(0, 0.65)


def _small_multiples(page: Sheet, count: int, bottom: float) -> list[Axes]:
    columns = min(10, count, max(1, int(np.ceil(np.sqrt(count * 1.8)))))
    rows = -(-count // columns)
    width, height = (page.width - 2 * MARGIN + 0.15) / columns, (page.top - bottom - 0.35) / rows
    gap = 0.36 if count > 8 else 0.45
    panels = []
    for k in range(count):
        left, low = MARGIN + (k % columns) * width, page.top - (k // columns + 1) * height
        axes = page.panel(left, low + 0.05, width - 0.15, height - gap)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        last = k + columns >= count
        axes.set_xticks([-2, 0, 2] if last else [])
        axes.tick_params(length=2, labelsize=9 if columns > 4 else 11)
        panels.append(axes)
    return panels


def _title(wardrobe: Wardrobe, statuses: list[str], worst: int | None) -> str:
    name = wardrobe.run.name
    if worst is None:
        return f"{name} uses none of its dimensions: there is too much weight on the KL; lower beta"
    far, narrow, used = statuses.count("far"), statuses.count("narrow"), len(statuses) - statuses.count("unused")
    of = f"{used} used dimension{'s' * (used != 1)} of {name}"
    if far:
        return f"{far} of {of} {'is' if far == 1 else 'are'} far from N(0, 1), farthest {dimension(worst)}"
    if narrow:
        return f"{narrow} of {of} {'is' if narrow == 1 else 'are'} narrow, none too wide"
    many = "All dimensions" if used == len(statuses) else "All used dimensions"
    return f"{many} of {name} are close to N(0, 1), {dimension(worst)} least"


def _subtitle(wardrobe: Wardrobe, n: int, count: int) -> str:
    d = wardrobe.recipe.dimensions
    part = f"the first {count} of {d} dimensions" if d > count else f"{d} dimension{'s' * (d != 1)}"
    return (
        f"Posterior means of {of_data(wardrobe, n)}, {part}. Line: N(0, 1). Number: Kolmogorov-Smirnov distance to it, "
        f"0 (equal) to 1; far above {number(far_from(n))}. The outermost bars include all values beyond −4 and 4."
    )


def far_from(n: int) -> float:
    """The Kolmogorov-Smirnov distance above which a dimension is far from N(0, 1), for n images."""
    return max(FAR, CHANCE / n**0.5)


def _legend(page: Sheet, present: dict[str, int], top: float) -> None:
    blank = page.blank(MARGIN, 0, page.width - 2 * MARGIN, top)
    for line, (name, count) in enumerate(present.items()):
        y = top - (line + 0.7) * LINE
        blank.add_patch(Rectangle((0, y - 0.02), 0.16, 0.16, color=COLOURS[name]))
        blank.text(0.52, y, str(count), fontsize=11, color=INK, ha="right", va="baseline")
        blank.text(0.6, y, ADVICE[name], fontsize=11, color=QUIET, va="baseline")
