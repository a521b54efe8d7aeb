"""Where the held-out images lie: scatters of the latent space, and of p = Phi(z) (S10, S11, S15)."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from armoire.figures.figure_data import Plane, classes_of, of_data, plane_of, run_name, shown
from armoire.figures.scatter import black, by_class, label_axes, legend
from armoire.figures.style import (
    MARGIN,
    SQUARE,
    SQUARE_AND_LEGEND,
    sheet,
)
from armoire.measure.latent_statistics import areas
from armoire.wardrobe import Wardrobe


def embeddings(wardrobe: Wardrobe) -> Figure:
    """Scatter of the posterior means, black (S10)."""
    latents = shown(wardrobe)
    plane = plane_of(latents.mean)
    page = sheet(f"Where {run_name(wardrobe)} places {of_data(wardrobe, len(latents))}", _whereabouts(wardrobe), SQUARE)
    axes = page.panel(MARGIN + 0.5, 0.9, page.width - 2 * MARGIN - 0.5, page.top - 0.9)
    black(axes, plane.points)
    label_axes(axes, plane)
    return page.figure


def embeddings_by_label(wardrobe: Wardrobe) -> Figure:
    """The same scatter coloured by label, with a legend of class names (S11)."""
    latents = shown(wardrobe)
    plane = plane_of(latents.mean)
    page = sheet(
        f"Where {run_name(wardrobe)} places {of_data(wardrobe, len(latents))}, by class",
        f"{_whereabouts(wardrobe)} Labels colour the dots; they never train.",
        SQUARE_AND_LEGEND,
    )
    axes = page.panel(MARGIN + 0.5, 0.9, page.width - 2 * MARGIN - 2.55, page.top - 0.9)
    by_class(axes, plane.points, latents.labels)
    label_axes(axes, plane)
    legend(page, classes_of(wardrobe), latents.labels, page.width - 2.25)
    return page.figure


def p_space(wardrobe: Wardrobe) -> Figure:
    """Scatter of posterior means by label beside the same in p = Phi(z), Phi the standard normal CDF (S15)."""
    from scipy.special import ndtr

    latents = shown(wardrobe)
    p = ndtr(latents.mean.astype(np.float64)).astype(np.float32)
    found = areas(latents.mean, latents.labels, wardrobe.run.data.classes, 1.0)
    better = "come closer" if found["p_area_mismatch"] < found["area_mismatch"] else "come no closer"
    page = sheet(
        f"From z to p = Φ(z), the areas of {run_name(wardrobe)}'s classes {better} to their share of the data",
        f"{of_data(wardrobe, len(latents))}. Their classes' shares of the area and of the data differ by "
        f"{100 * found['area_mismatch']:.0f} % in z (left), by {100 * found['p_area_mismatch']:.0f} % in p (right), "
        "where N(0, I) is even.",
    )
    side = min(page.top - 0.85, 5.0)
    for plane, left in ((plane_of(latents.mean), MARGIN + 0.45), (Plane(p, ("p₀ = Φ(z₀)", "p₁ = Φ(z₁)")), 6.25)):
        axes = page.panel(left, 0.85, side, side)
        by_class(axes, plane.points, latents.labels)
        label_axes(axes, plane)
    unit_square(axes)
    legend(page, classes_of(wardrobe), latents.labels, page.width - 1.75)
    return page.figure


def unit_square(axes: Axes) -> None:
    """Frame p-space: exactly 0 to 1 on both axes."""
    axes.set_aspect("equal", adjustable="box")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.spines[["top", "right"]].set_visible(True)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])


def _whereabouts(wardrobe: Wardrobe) -> str:
    what = "posterior mean" if wardrobe.model.posterior.is_stochastic else "latent"
    d = wardrobe.recipe.latent
    how = "" if d <= 2 else f", {d} dimensions seen along the two in which they differ most"
    return f"One dot an image: its {what}{how}."
