"""The latent plane decoded on a regular grid, next to its scatter: in z (S13) and in p = Phi(z) (S15)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from scipy.special import ndtr, ndtri

from armoire.figures.figure_data import classes_of, of_data, plane_of, shown_latents
from armoire.figures.latent_scatter import P_NAMES, black, by_class, legend, unit_square
from armoire.figures.style import MARGIN, Sheet, picture, sheet
from armoire.images.grid import image_grid
from armoire.measure.latent_statistics import HOLE, areas, in_holes, standard_deviation
from armoire.wardrobe import Latents, Wardrobe

HOLES = "#e9dfc9"
MAX_PIXELS = 1024  # along a side of the decoded grid: a slide shows no more


@dataclass(frozen=True, eq=False)
class Grid:
    """Centres of the tiles of a regular grid, row by row from the upper left."""

    centres: Float[np.ndarray, "n 2"]
    columns: int
    extent: tuple[float, float, float, float]  # left, right, lower and upper edge

    @property
    def rows(self) -> int:
        return len(self.centres) // self.columns


def make_grid(low: Float[np.ndarray, " 2"], high: Float[np.ndarray, " 2"], along: int) -> Grid:
    """Square tiles that cover a box, `along` of them on its longer side."""
    step = max(float((high - low).max()), 1e-6) / along
    counts = np.maximum(1, np.ceil((high - low) / step - 1e-6).astype(int))
    middle, half = (low + high) / 2, counts * step / 2
    x, y = (middle[k] - half[k] + (np.arange(counts[k]) + 0.5) * step for k in (0, 1))
    centres = np.stack(np.meshgrid(x, y[::-1]), axis=-1).reshape(-1, 2).astype(np.float32)
    left, bottom, right, top = (float(v) for v in (*(middle - half), *(middle + half)))
    return Grid(centres, int(counts[0]), (left, right, bottom, top))


def plane(wardrobe: Wardrobe) -> Figure:
    """The latent plane decoded on a regular grid, and the scatter on the same axes with its holes shaded (S13)."""
    latents = shown_latents(wardrobe)
    z, distance = latents.mean, HOLE * standard_deviation(latents.mean)
    grid = make_grid(z.min(axis=0), z.max(axis=0), _along(wardrobe))
    found = areas(z, latents.labels, wardrobe.run.data.classes, distance)
    page = sheet(
        f"{wardrobe.run.name}: {100 * found['empty']:.0f} % of the latent plane has no embedding nearby",
        f"{of_data(wardrobe, len(latents))}. Left: their bounding box, decoded at {len(grid.centres)} points. Right: "
        f"their embeddings.{_mismatch(found, '')}",
    )
    decoded, scatter = _pair(page, plane_of(z).names, grid)
    _decode(decoded, wardrobe, grid.centres, grid)
    empty = in_holes(grid.centres, z, distance).reshape(grid.rows, grid.columns)
    shades = ListedColormap(["white", HOLES])
    scatter.imshow(empty, cmap=shades, vmin=0, vmax=1, extent=grid.extent, interpolation="nearest", aspect="equal")
    for axes in (decoded, scatter):
        axes.set_aspect("equal", anchor="SW")
    _scatter(page, scatter, wardrobe, latents, z)
    lower_right = ((page.width - 1.65) / page.width, 0.95 / page.figure.get_figheight())
    tight = {"borderaxespad": 0, "borderpad": 0, "handlelength": 1, "handleheight": 1, "handletextpad": 0.6}
    handles = [Patch(color=HOLES, label="no image\nnearby")]
    page.figure.legend(handles=handles, loc="lower left", bbox_to_anchor=lower_right, **tight)
    return page.figure


def p_grid(wardrobe: Wardrobe) -> Figure:
    """Images decoded at z = Phi^-1(p) on a regular grid of p in (0, 1), and the scatter of p (S15)."""
    latents = shown_latents(wardrobe)
    grid = make_grid(np.zeros(2, np.float32), np.ones(2, np.float32), _along(wardrobe))
    found = areas(latents.mean, latents.labels, wardrobe.run.data.classes, 1.0)
    page = sheet(
        f"{wardrobe.run.name} decoded evenly over N(0, I): every tile is equally likely",
        f"{of_data(wardrobe, len(latents))}. Left: decoded at z = Φ⁻¹(p) on a regular grid of p in (0, 1). Right: "
        f"their embeddings.{_mismatch(found, 'p_')}",
    )
    decoded, scatter = _pair(page, P_NAMES, grid)
    _decode(decoded, wardrobe, ndtri(grid.centres.astype(np.float64)).astype(np.float32), grid)
    _scatter(page, scatter, wardrobe, latents, ndtr(latents.mean.astype(np.float64)).astype(np.float32))
    for axes in (decoded, scatter):
        unit_square(axes)
    return page.figure


def _along(wardrobe: Wardrobe) -> int:
    return int(np.clip(MAX_PIXELS // wardrobe.model.architecture.size, 8, 20))


def _decode(axes: Axes, wardrobe: Wardrobe, z: np.ndarray, grid: Grid) -> None:
    picture(axes, image_grid(wardrobe.decode(z), grid.columns, gap=0), grid.extent)


def _pair(page: Sheet, names: tuple[str, str], grid: Grid) -> tuple[Axes, Axes]:
    inch = min(4.8, page.top - 0.85) / max(grid.columns, grid.rows)
    width, height = grid.columns * inch, grid.rows * inch
    lefts = (MARGIN + 0.45, MARGIN + 0.45 + width + 0.4)
    decoded, scatter = (page.panel(left, page.top - height, width, height) for left in lefts)
    for axes in (decoded, scatter):
        axes.set_xlabel(names[0])
        axes.set_xlim(grid.extent[:2])
        axes.set_ylim(grid.extent[2:])
        axes.set_facecolor("white" if axes is scatter else "none")
    decoded.set_ylabel(names[1])
    scatter.tick_params(labelleft=False)
    return decoded, scatter


def _scatter(page: Sheet, axes: Axes, wardrobe: Wardrobe, latents: Latents, points: np.ndarray) -> None:
    if classes := classes_of(wardrobe):
        by_class(axes, points, latents.labels)
        legend(page, classes, latents.labels, page.width - 1.65)
    else:
        black(axes, points)


def _mismatch(found: dict, prefix: str) -> str:
    if (share := found.get(f"{prefix}area_mismatch")) is None:
        return ""
    return f" The classes' shares of the area and of the data differ by {100 * share:.0f} %."
