"""The whole plane decoded on a regular grid, beside what lies there: z (S13) and p = Phi(z) (S15)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from armoire.figures.figure_data import classes_of, of_data, plane_of, run_name, shown
from armoire.figures.latent_scatter import unit_square
from armoire.figures.scatter import black, by_class, legend
from armoire.figures.style import BODY, MARGIN, Sheet, picture, sheet
from armoire.images.grid import image_grid
from armoire.measure.latent_statistics import HOLE, areas, in_holes
from armoire.wardrobe import Latents, Wardrobe

HOLES = "#e9dfc9"
MOST_PIXELS = 1024  # along a side of a decoded plane: more would not be seen on a slide


@dataclass(frozen=True, eq=False)
class Grid:
    """Centres of the tiles of a regular grid, row by row from the upper left.

    Attributes:
        centres: float32 (rows * columns, 2).
        columns: tiles in a row.
        extent: left, right, lower and upper edge.
    """

    centres: Float[np.ndarray, "n 2"]
    columns: int
    extent: tuple[float, float, float, float]

    @property
    def rows(self) -> int:
        """Tiles in a column."""
        return len(self.centres) // self.columns


def make_grid(low: Float[np.ndarray, " 2"], high: Float[np.ndarray, " 2"], along: int) -> Grid:
    """Square tiles, `along` of them on the longer side, over a box (a little more where they do not fit evenly)."""
    step = max(float((high - low).max()), 1e-6) / along
    counts = np.maximum(1, np.ceil((high - low) / step - 1e-6).astype(int))
    middle, half = (low + high) / 2, counts * step / 2
    x, y = (middle[k] - half[k] + (np.arange(counts[k]) + 0.5) * step for k in (0, 1))
    centres = np.stack(np.meshgrid(x, y[::-1]), axis=-1).reshape(-1, 2).astype(np.float32)
    left, bottom, right, top = (float(v) for v in (*(middle - half), *(middle + half)))
    return Grid(centres, int(counts[0]), (left, right, bottom, top))


def plane(wardrobe: Wardrobe) -> Figure:
    """A regular grid of the latent plane, decoded, beside the scatter on the same axes with its holes shaded (S13)."""
    latents = shown(wardrobe)
    z = latents.mean
    grid = make_grid(z.min(axis=0), z.max(axis=0), _along(wardrobe))
    spread = float(np.sqrt(z.var(axis=0).mean()))
    found = areas(z, latents.labels, wardrobe.run.data.classes, HOLE * spread)
    page = sheet(
        f"{100 * found['empty']:.0f} % of the plane of {run_name(wardrobe)} is empty: what it makes there is made up",
        f"{of_data(wardrobe, len(latents))}. Left: the box around them, decoded at {len(grid.centres)} places. Right: "
        f"where they lie.{_mismatch(found)}",
    )
    carpet, cloud = _pair(page, plane_of(z).names, grid)
    picture(carpet, _decoded(wardrobe, grid.centres, grid), grid.extent)
    carpet.set_aspect("equal", anchor="SW")
    _shade(cloud, grid, holes(grid, z, HOLE * spread))
    cloud.set_anchor("SW")
    _cloud(page, cloud, wardrobe, latents, z, [Patch(color=HOLES, label="no image\nnear")])
    return page.figure


def p_grid(wardrobe: Wardrobe) -> Figure:
    """Images decoded at z = Phi^-1 of a regular grid in (0, 1), beside the scatter of p (S15)."""
    from scipy.special import ndtr, ndtri

    latents = shown(wardrobe)
    p = ndtr(latents.mean.astype(np.float64)).astype(np.float32)
    grid = make_grid(np.zeros(2, np.float32), np.ones(2, np.float32), _along(wardrobe))
    found = areas(latents.mean, latents.labels, wardrobe.run.data.classes, 1.0)
    page = sheet(
        f"Each tile is as likely as any other: all that {run_name(wardrobe)} makes of N(0, I)",
        f"{of_data(wardrobe, len(latents))}. Left: decoded at z = Φ⁻¹(p) on a regular grid of p in (0, 1). Right: "
        f"where they lie.{_mismatch(found, 'p_')}",
    )
    carpet, cloud = _pair(page, ("p₀ = Φ(z₀)", "p₁ = Φ(z₁)"), grid)
    picture(carpet, _decoded(wardrobe, ndtri(grid.centres.astype(np.float64)).astype(np.float32), grid), grid.extent)
    _cloud(page, cloud, wardrobe, latents, p, [])
    for axes in (carpet, cloud):
        unit_square(axes)
    return page.figure


def holes(grid: Grid, embeddings: Float[np.ndarray, "n 2"], distance: float) -> Bool[np.ndarray, " m"]:
    """Which tiles have a centre farther than `distance` from every embedding."""
    return in_holes(grid.centres, embeddings, distance)


def _along(wardrobe: Wardrobe) -> int:
    return int(np.clip(MOST_PIXELS // wardrobe.model.architecture.size, 8, 20))


def _decoded(wardrobe: Wardrobe, z: np.ndarray, grid: Grid) -> np.ndarray:
    return image_grid(wardrobe.decode(z), grid.columns, gap=0)


def _pair(page: Sheet, names: tuple[str, str], grid: Grid) -> tuple[Axes, Axes]:
    inch = min(4.8, page.top - 0.85) / max(grid.columns, grid.rows)
    width, height = grid.columns * inch, grid.rows * inch
    lefts = (MARGIN + 0.45, MARGIN + 0.45 + width + 0.4)
    carpet, cloud = (page.panel(left, page.top - height, width, height) for left in lefts)
    for axes in (carpet, cloud):
        axes.set_xlabel(names[0])
        axes.set_xlim(grid.extent[:2])
        axes.set_ylim(grid.extent[2:])
        axes.set_facecolor("white" if axes is cloud else "none")
    carpet.set_ylabel(names[1])
    cloud.tick_params(labelleft=False)
    return carpet, cloud


def _shade(axes: Axes, grid: Grid, empty: np.ndarray) -> None:
    from matplotlib.colors import ListedColormap

    shading = empty.reshape(grid.rows, grid.columns)
    axes.imshow(
        shading,
        cmap=ListedColormap(["white", HOLES]),
        vmin=0,
        vmax=1,
        extent=grid.extent,
        interpolation="nearest",
        aspect="equal",
    )


def _cloud(
    page: Sheet, axes: Axes, wardrobe: Wardrobe, latents: Latents, points: np.ndarray, handles: list[Patch]
) -> None:
    classes, left = classes_of(wardrobe), page.width - 1.65
    if classes:
        by_class(axes, points, latents.labels)
        legend(page, classes, latents.labels, left)
    else:
        black(axes, points)
    if handles:
        anchor = (left / page.width, 0.95 / page.figure.get_figheight())
        page.figure.legend(
            handles=handles,
            loc="lower left",
            bbox_to_anchor=anchor,
            borderaxespad=0,
            borderpad=0,
            fontsize=BODY,
            handlelength=1,
            handleheight=1,
            handletextpad=0.6,
        )


def _mismatch(found: dict, prefix: str = "") -> str:
    if f"{prefix}area_mismatch" not in found:
        return ""
    share = 100 * found[f"{prefix}area_mismatch"]
    return f" The classes' shares of the area and of the data differ by {share:.0f} %."
