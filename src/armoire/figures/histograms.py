"""Each latent dimension against the standard normal it was held to (S19)."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from armoire.figures.material import of_data, run_name, shown
from armoire.figures.style import INK, MARGIN, SMALL, WARNING, Sheet, dimension, number, sheet
from armoire.measure.latent import ACTIVE_VARIANCE, ks_distances
from armoire.wardrobe import Wardrobe

HISTOGRAMS = 50
FAR = 0.1  # Kolmogorov-Smirnov distance from which a dimension is called far from N(0, 1)
CHANCE = 1.63  # over the root of n: the distance that 1 % of samples of N(0, 1) itself exceed (Smirnov 1948)
NARROW = 0.5  # variance of the means below which a dimension is far for the opposite reason
SPAN = 4.0  # standard deviations shown on either side


def histograms(wardrobe: Wardrobe) -> Figure:
    """The first 50 dimensions of the posterior means as histograms with the standard normal curve (S19)."""
    latents = shown(wardrobe)
    means = latents.mean[:, :HISTOGRAMS]
    ks = ks_distances(means)
    used = means.var(axis=0) > ACTIVE_VARIANCE
    worst = int(np.where(used, ks, -1).argmax())
    page = sheet(_title(wardrobe, ks, used, worst, len(means)), _subtitle(wardrobe, len(latents), means.shape[1]))
    for k, axes in enumerate(_small_multiples(page, means.shape[1])):
        _histogram(axes, means[:, k])
        colour = WARNING if k == worst and used[k] else INK if used[k] else "#a29d96"
        weight = "bold" if k == worst and used[k] else "normal"
        text = f"{dimension(k)}   {ks[k]:.2f}" if used[k] else f"{dimension(k)}   unused"
        axes.set_title(
            text, fontsize=SMALL if means.shape[1] > 8 else 13, color=colour, weight=weight, loc="left", pad=3
        )
    page.note(_advice(means, ks, used, worst), bottom=0.28, fontsize=11)
    return page.figure


def _histogram(axes: Axes, values: np.ndarray) -> None:
    density, edges = np.histogram(np.clip(values, -SPAN, SPAN), bins=40, range=(-SPAN, SPAN), density=True)
    axes.stairs(density, edges, fill=True, color="#8fb8ba")
    x = np.linspace(-SPAN, SPAN, 161)
    axes.plot(x, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), color=INK, linewidth=1.2)
    axes.set_xlim(-SPAN, SPAN)
    # One height for all; a collapsed dimension is a needle, and may leave through the top.
    axes.set_ylim(0, 0.8)


def _small_multiples(page: Sheet, count: int) -> list[Axes]:
    columns = min(10, count, max(1, int(np.ceil(np.sqrt(count * 1.8)))))
    rows = -(-count // columns)
    width, height = (page.width - 2 * MARGIN + 0.15) / columns, (page.top - 0.85) / rows
    gap = 0.42 if rows > 1 else 0.8
    panels = []
    for k in range(count):
        left, bottom = MARGIN + (k % columns) * width, page.top - (k // columns + 1) * height
        axes = page.panel(left, bottom + 0.35 + (0.2 if rows == 1 else 0), width - 0.15, height - gap)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        last = k + columns >= count
        axes.set_xticks([-2, 0, 2] if last else [])
        axes.tick_params(length=2, labelsize=9 if columns > 4 else 11)
        panels.append(axes)
    return panels


def _title(wardrobe: Wardrobe, ks: np.ndarray, used: np.ndarray, worst: int, n: int) -> str:
    far = int((ks[used] > far_from(n)).sum())
    if not used.any():
        return f"{run_name(wardrobe)} uses none of its dimensions"
    many = "All dimensions" if far == 0 and used.all() else "All dimensions in use" if far == 0 else ""
    if many:
        return f"{many} of {run_name(wardrobe)} lie close to N(0, 1), {dimension(worst)} least"
    of = f"{far} of {int(used.sum())} dimensions of {run_name(wardrobe)}"
    return f"{of} lie{'s' * (far == 1)} far from N(0, 1), {dimension(worst)} farthest"


def _subtitle(wardrobe: Wardrobe, n: int, count: int) -> str:
    d = wardrobe.recipe.latent
    part = f"the first {count} of {d} dimensions" if d > count else f"{d} dimension{'s' * (d != 1)}"
    return (
        f"Posterior means of {of_data(wardrobe, n)}, {part}. Line: N(0, 1). "
        "Number: Kolmogorov-Smirnov distance to it, 0 (equal) to 1."
    )


def far_from(n: int) -> float:
    """The distance from which a dimension of n images counts as far."""
    return max(FAR, CHANCE / n**0.5)


def _advice(means: np.ndarray, ks: np.ndarray, used: np.ndarray, worst: int) -> str:
    if not used.any():
        return "No dimension differs from one image to the next: there is too much weight on the KL; lower beta."
    unused = int((~used).sum())
    rest = f"; {unused} carr{'y' if unused > 1 else 'ies'} nothing and could be left out" if unused else ""
    verdict = "none is far here"
    if ks[worst] > far_from(len(means)):
        # A wide posterior leaves little room for its mean: such a dimension is squeezed, not free.
        narrow = means[:, worst].var() < NARROW
        verdict = "narrow, as the areas of its images are wide: lower beta to use it more" if narrow else "raise beta"
    rule = "A dimension far from N(0, 1) means too little weight on the KL"
    return f"{rule}. {dimension(worst)} is {number(float(ks[worst]))} away: {verdict}{rest}."
