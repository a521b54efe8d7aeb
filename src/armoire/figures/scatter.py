"""Scatter plots of embeddings, black or coloured by class, with their legend and axis labels."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from armoire.figures.figure_data import Plane
from armoire.figures.style import BODY, CLASS_COLOURS, CLASS_MARKERS, INK, PAPER, UNLABELLED, Sheet

COLOURED = len(CLASS_COLOURS) * len(CLASS_MARKERS)
LONGEST = 22  # characters of a class name in a legend


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


def legend(
    sheet: Sheet, classes: tuple[str, ...], labels: Int[np.ndarray, " n"], left: float, top: float | None = None
) -> Legend:
    """Names and colours of the classes, with the upper left corner at (left, top) inches."""
    handles = [
        _key(_short(name), class_colour(k), CLASS_MARKERS[k // len(CLASS_COLOURS)])
        for k, name in enumerate(classes[:COLOURED])
    ]
    if len(classes) > COLOURED:
        handles.append(_key(f"{len(classes) - COLOURED} other classes", UNLABELLED))
    if (labels < 0).any():
        handles.append(_key("no label", UNLABELLED))
    height = sheet.figure.get_figheight()
    return sheet.figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(left / sheet.width, (sheet.top if top is None else top) / height),
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
    for k, (x, y) in enumerate(points.tolist()):
        axes.text(
            x, y, str(k + 1), fontsize=8, color="white", weight="bold", ha="center", va="center_baseline", zorder=3
        )
    return dots


def _key(name: str, colour: str, marker: str = "o") -> Line2D:
    return Line2D([], [], linestyle="", marker=marker, markersize=8, color=colour, label=_plain(name))


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _plain(name: str) -> str:
    # matplotlib omits labels that begin with an underscore.
    return f"\u200b{name}" if name.startswith("_") else name
