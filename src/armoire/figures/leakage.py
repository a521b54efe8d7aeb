"""Leakage of edits into other attributes: a heat map per method."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from armoire.figures.style import COLOURS, INK, MARGIN, PAPER, QUIET, SMALL, WIDE, colour_key, number, tall_enough
from armoire.measure.editing import held_out_editing, leakage_matrix
from armoire.wardrobe import Wardrobe

PRINTED = 12  # attributes up to which the cells show numbers
SMALLEST, LARGEST = 0.16, 0.62  # inches of a cell
APART = 0.35  # inches between panels
TARGET = "#d6d2cc"
TITLE = "Leakage: what else changes when one attribute is edited"
EXPLANATION = (
    "Row: the target, edited until its logit changes by one standard deviation. Column: mean absolute change of the "
    "attribute's logit, in its standard deviations; lower is better. Hatched: the target itself. Blank: no edit "
    "reached that change. Means are over the cells that all methods reach."
)


def leakage(wardrobe: Wardrobe) -> Figure:
    """The leakage matrix of each direction method, as `armoire evaluate` measures it."""
    found = held_out_editing(wardrobe, wardrobe.progress) or {}
    matrices = {method: leakage_matrix(found, method)[1] for method in found["methods"]}
    names = list(found["retention"])
    rows = [name for name in names if any(np.isfinite(m[names.index(name)]).any() for m in matrices.values())]
    measured = [names.index(name) for name in rows]
    return heat_map({method: matrix[measured] for method, matrix in matrices.items()}, rows, names)


def heat_map(matrices: dict[str, np.ndarray], rows: list[str], columns: list[str]) -> Figure:
    """A panel per method on a shared scale from 0, with the mean over all attributes other than the targets.

    A matrix (len(rows), len(columns)) holds mean absolute changes in standard deviations, NaN where not measured.
    """
    own = np.array([[row == column for column in columns] for row in rows], dtype=bool)
    measured = {method: ~own & np.isfinite(matrix) for method, matrix in matrices.items()}
    most = max((float(matrix[measured[m]].max()) for m, matrix in matrices.items() if measured[m].any()), default=0.0)
    # Means compare only over the cells that all methods reach.
    shared = np.logical_and.reduce(list(measured.values()))
    scale = COLOURS, Normalize(0, most or 1.0)
    points = SMALL if max(len(rows), len(columns)) <= 20 else 6.5
    left, cell = _room(rows, points), _cell(matrices, rows, columns, points)
    width, height = cell * len(columns), cell * len(rows)
    across = 2 * MARGIN + left + len(matrices) * (width + APART) - APART
    page = tall_enough(height + _room(columns, points) + 1.3, TITLE, EXPLANATION, max(WIDE[0], across))
    for k, (method, matrix) in enumerate(matrices.items()):
        axes = page.panel(MARGIN + left + k * (width + APART), page.top - 0.4 - height, width, height)
        _cells(axes, matrix, own, scale)
        if max(len(rows), len(columns)) <= PRINTED:
            _numbers(axes, matrix, own, scale, min(SMALL, cell * 72 * 0.36))
        axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=points)
        axes.set_yticks(range(len(rows)), rows if k == 0 else [""] * len(rows), fontsize=points)
        axes.tick_params(length=0, labelcolor=INK)
        mean = number(float(matrix[shared].mean())) if shared.any() else "–"
        axes.set_title(method, loc="left", fontsize=13, color=INK, pad=6)
        axes.set_title(f"mean {mean}", loc="right", fontsize=SMALL, color=QUIET, pad=6)
    colour_key(page, scale[1], MARGIN + left, "change in standard deviations")
    return page.figure


def _cell(matrices: dict[str, np.ndarray], rows: list[str], columns: list[str], points: float) -> float:
    """Side of a cell in inches, so that all panels fit the width, within limits."""
    room = WIDE[0] - 2 * MARGIN - _room(rows, points) - APART * (len(matrices) - 1)
    return float(np.clip(room / (len(columns) * len(matrices)), SMALLEST, LARGEST))


Scale = tuple[LinearSegmentedColormap, Normalize]


def _cells(axes: Axes, matrix: np.ndarray, own: np.ndarray, scale: Scale) -> None:
    colours, norm = scale
    axes.imshow(np.ma.masked_where(own | ~np.isfinite(matrix), matrix), cmap=colours, norm=norm, aspect="auto")
    for row, column in np.argwhere(own).tolist():
        corner = (column - 0.5, row - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, facecolor=TARGET, edgecolor=PAPER, hatch="////", linewidth=0))
    axes.spines[:].set_visible(False)
    # Thin gaps between the cells.
    axes.hlines(np.arange(1, len(matrix)) - 0.5, -0.5, matrix.shape[1] - 0.5, color=PAPER, linewidth=0.8)
    axes.vlines(np.arange(1, matrix.shape[1]) - 0.5, -0.5, len(matrix) - 0.5, color=PAPER, linewidth=0.8)


def _numbers(axes: Axes, matrix: np.ndarray, own: np.ndarray, scale: Scale, points: float) -> None:
    for (row, column), value in np.ndenumerate(matrix):
        text = number(float(value)) if np.isfinite(value) else "–"
        dark = bool(np.isfinite(value)) and not own[row, column] and float(scale[1](value)) > 0.55
        axes.text(column, row, text, fontsize=points, color=PAPER if dark else INK, ha="center", va="center_baseline")


def _room(names: list[str], points: float) -> float:
    """Width of the longest name in inches."""
    return 0.15 + points / 72 * 0.6 * max(map(len, names), default=0)
