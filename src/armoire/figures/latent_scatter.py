"""Scatter plots of held-out embeddings in the latent space and in p = Phi(z) (S10, S11, S15)."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from armoire.figures.figure_data import Plane, classes_of, of_data, plane_of, run_name, shown_latents
from armoire.figures.scatter import black, by_class, label_axes, legend
from armoire.figures.style import MARGIN, SQUARE, SQUARE_AND_LEGEND, Sheet, sheet
from armoire.measure.latent_statistics import areas
from armoire.wardrobe import Wardrobe

P_NAMES = ("p₀ = Φ(z₀)", "p₁ = Φ(z₁)")


def embeddings(wardrobe: Wardrobe) -> Figure:
    """Scatter of the posterior means, black (S10)."""
    page, axes = _page(wardrobe, SQUARE, 0.0)
    black(axes, plane_of(shown_latents(wardrobe).mean).points)
    return page.figure


def embeddings_by_label(wardrobe: Wardrobe) -> Figure:
    """The same scatter coloured by label, with a legend of class names (S11)."""
    latents = shown_latents(wardrobe)
    page, axes = _page(wardrobe, SQUARE_AND_LEGEND, 2.05, ", by class", " Labels are not used in training.")
    by_class(axes, plane_of(latents.mean).points, latents.labels)
    legend(page, classes_of(wardrobe), latents.labels, page.width - 2.25)
    return page.figure


def p_space(wardrobe: Wardrobe) -> Figure:
    """Scatter of posterior means by label in z and in p = Phi(z), Phi the standard normal CDF (S15)."""
    from scipy.special import ndtr

    latents = shown_latents(wardrobe)
    p = ndtr(latents.mean.astype(np.float64)).astype(np.float32)
    found = areas(latents.mean, latents.labels, wardrobe.run.data.classes, 1.0)
    better = "closer" if found["p_area_mismatch"] < found["area_mismatch"] else "no closer"
    page = sheet(
        f"{run_name(wardrobe)}: in p = Φ(z) the classes' areas are {better} to their shares of the data than in z",
        f"{of_data(wardrobe, len(latents))}. The classes' shares of the area and of the data differ by "
        f"{100 * found['area_mismatch']:.0f} % in z (left) and {100 * found['p_area_mismatch']:.0f} % in p (right), "
        "where N(0, I) is uniform.",
    )
    side = min(page.top - 0.85, 5.0)
    for plane, left in ((plane_of(latents.mean), MARGIN + 0.45), (Plane(p, P_NAMES), 6.25)):
        axes = page.panel(left, 0.85, side, side)
        by_class(axes, plane.points, latents.labels)
        label_axes(axes, plane)
    unit_square(axes)
    legend(page, classes_of(wardrobe), latents.labels, page.width - 1.75)
    return page.figure


def unit_square(axes: Axes) -> None:
    """Set both axes to 0 to 1, with a frame."""
    axes.set_aspect("equal", adjustable="box")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.spines[["top", "right"]].set_visible(True)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])


def _page(
    wardrobe: Wardrobe, size: tuple[float, float], legend_width: float, title: str = "", subtitle: str = ""
) -> tuple[Sheet, Axes]:
    """A page with the axes of a scatter of the latent space, `legend_width` inches narrower than it."""
    latents, d = shown_latents(wardrobe), wardrobe.recipe.latent
    what = "posterior mean" if wardrobe.model.posterior.is_stochastic else "latent"
    projection = "" if d <= 2 else f", {d} dimensions projected on the first two principal components"
    page = sheet(
        f"Latent space of {run_name(wardrobe)}: {of_data(wardrobe, len(latents))}{title}",
        f"One dot per image: its {what}{projection}.{subtitle}",
        size,
    )
    axes = page.panel(MARGIN + 0.5, 0.9, page.width - 2 * MARGIN - 0.5 - legend_width, page.top - 0.9)
    label_axes(axes, plane_of(latents.mean))
    return page, axes
