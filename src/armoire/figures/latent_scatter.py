"""Scatter plots of held-out embeddings in the latent space and in p = Phi(z) (S10, S11, S15), and their legend."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from scipy.special import ndtr

from armoire.figures.figure_data import Plane, classes_of, latents_by_class, of_data, plane_of, shown_latents
from armoire.figures.style import (
    BODY,
    CLASS_COLOURS,
    CLASS_MARKERS,
    INK,
    MARGIN,
    PAPER,
    SQUARE,
    SQUARE_AND_LEGEND,
    UNLABELLED,
    Sheet,
    sheet,
)
from armoire.measure.latent_statistics import areas
from armoire.wardrobe import Latents, Wardrobe

P_NAMES = ("p₀ = Φ(z₀)", "p₁ = Φ(z₁)")
COLOURED = len(CLASS_COLOURS) * len(CLASS_MARKERS)
LONGEST = 22  # characters of a class name in a legend


def embeddings(wardrobe: Wardrobe) -> Figure:
    """Scatter of the posterior means, black (S10)."""
    latents = shown_latents(wardrobe)
    page, axes = _page(wardrobe, SQUARE, 0.0, latents, of_data(wardrobe, len(latents)))
    black(axes, plane_of(latents.mean).points)
    return page.figure


def embeddings_by_label(wardrobe: Wardrobe) -> Figure:
    """The same scatter coloured by label, with a legend of class names (S11)."""
    latents, what = latents_by_class(wardrobe)
    subtitle = " Labels are not used in training."
    page, axes = _page(wardrobe, SQUARE_AND_LEGEND, 2.05, latents, f"{what}, by class", subtitle)
    by_class(axes, plane_of(latents.mean).points, latents.labels)
    legend(page, classes_of(wardrobe), latents.labels, page.width - 2.25)
    return page.figure


def p_space(wardrobe: Wardrobe) -> Figure:
    """Scatter of posterior means by label in z and in p = Phi(z), Phi the standard normal CDF (S15)."""
    latents = shown_latents(wardrobe)
    p = ndtr(latents.mean.astype(np.float64)).astype(np.float32)
    found = areas(latents.mean, latents.labels, wardrobe.run.data.classes, 1.0)
    better = "closer" if found["p_area_mismatch"] < found["area_mismatch"] else "no closer"
    page = sheet(
        f"{wardrobe.run.name}: in p = Φ(z) the classes' areas are {better} to their shares of the data than in z",
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
    wardrobe: Wardrobe,
    size: tuple[float, float],
    legend_width: float,
    latents: Latents,
    title: str,
    subtitle: str = "",
) -> tuple[Sheet, Axes]:
    """A page with the axes of a scatter of latents, `legend_width` inches narrower than it."""
    d = wardrobe.recipe.dimensions
    what = "posterior mean" if wardrobe.model.posterior.is_stochastic else "latent"
    projection = "" if d <= 2 else f", {d} dimensions projected on the first two principal components"
    page = sheet(
        f"Latent space of {wardrobe.run.name}: {title}",
        f"One dot per image: its {what}{projection}.{subtitle}",
        size,
    )
    axes = page.panel(MARGIN + 0.5, 0.9, page.width - 2 * MARGIN - 0.5 - legend_width, page.top - 0.9)
    label_axes(axes, plane_of(latents.mean))
    return page, axes


def dot_area(n: int) -> float:
    """Area of a dot in square points, so that any number of dots covers about the same area."""
    return float(np.clip(36_000 / max(n, 1), 5, 40))


def black(axes: Axes, points: Float[np.ndarray, "n 2"], alpha: float = 0.45) -> PathCollection:
    """A small black dot per embedding (S10)."""
    x, y = points.T
    return axes.scatter(x, y, s=dot_area(len(points)), c=INK, alpha=alpha, linewidths=0)


def by_class(axes: Axes, points: Float[np.ndarray, "n 2"], labels: Int[np.ndarray, " n"]) -> None:
    """A dot per embedding in the colour of its class (S11); grey without a class, or from the 21st class on."""
    marker_of = np.where((labels >= 0) & (labels < COLOURED), labels // len(CLASS_COLOURS), -1)
    # Shuffled, because in stored order the last class would cover all others.
    shuffled = np.random.default_rng(0).permutation(len(points))
    for number, marker in ((-1, "o"), *enumerate(CLASS_MARKERS)):
        rows = shuffled[marker_of[shuffled] == number]
        colours = [class_colour(label) for label in labels[rows].tolist()]
        if len(rows):
            x, y = points[rows].T
            axes.scatter(x, y, s=1.3 * dot_area(len(points)), c=colours, marker=marker, alpha=0.75, linewidths=0)


def class_colour(label: int) -> str:
    """The colour of class `label`; grey for -1, and from the 21st class on."""
    return CLASS_COLOURS[label % len(CLASS_COLOURS)] if 0 <= label < COLOURED else UNLABELLED


def legend(page: Sheet, classes: tuple[str, ...], labels: Int[np.ndarray, " n"], left: float) -> Legend:
    """Names and colours of the classes, from the title block down, `left` inches from the left edge."""
    handles = [
        _key(_short(name), class_colour(k), CLASS_MARKERS[k // len(CLASS_COLOURS)])
        for k, name in enumerate(classes[:COLOURED])
    ]
    if len(classes) > COLOURED:
        handles.append(_key(f"{len(classes) - COLOURED} other classes", UNLABELLED))
    if (labels < 0).any():
        handles.append(_key("no label", UNLABELLED))
    height = page.figure.get_figheight()
    return page.figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(left / page.width, page.top / height),
        borderaxespad=0,
        borderpad=0,
        handletextpad=0.5,
        labelspacing=0.75 if len(handles) <= 12 else 0.3,
        fontsize=BODY if len(handles) <= 16 else 10,
    )


def label_axes(axes: Axes, plane: Plane) -> None:
    """Label the axes, and scale both alike where they have the same unit."""
    axes.set_xlabel(plane.names[0])
    axes.set_ylabel(plane.names[1])
    if plane.equal:
        axes.set_aspect("equal", adjustable="datalim")


def numbered(axes: Axes, points: Float[np.ndarray, "n 2"], colour: str) -> PathCollection:
    """Large dots numbered from 1, which tell which image belongs to which dot."""
    x, y = points.T
    dots = axes.scatter(x, y, s=190, c=colour, edgecolors=PAPER, linewidths=1, zorder=3)
    look: dict[str, Any] = {"fontsize": 8, "color": "white", "weight": "bold", "ha": "center", "va": "center_baseline"}
    for k, (x, y) in enumerate(points.tolist()):
        axes.text(x, y, str(k + 1), zorder=3, **look)
    return dots


def _key(name: str, colour: str, marker: str = "o") -> Line2D:
    return Line2D([], [], linestyle="", marker=marker, markersize=8, color=colour, label=_plain(name))


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _plain(name: str) -> str:
    # matplotlib omits labels that begin with an underscore.
    return f"\u200b{name}" if name.startswith("_") else name
