"""Samples from the prior, decoded; on a latent plane with their positions (S12, S14, S20)."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from armoire.figures.figure_data import of_data, plane_of, shown_latents
from armoire.figures.latent_scatter import black, label_axes, numbered
from armoire.figures.style import DRAWN, MARGIN, sheet, tiles, vector
from armoire.wardrobe import Wardrobe

ON_A_PLANE = 18
IN_MORE = 30


def samples(wardrobe: Wardrobe) -> Figure:
    """18 draws on the scatter and decoded; in other than two dimensions 30 decoded draws, 10 x 3."""
    return _on_a_plane(wardrobe) if wardrobe.recipe.dimensions == 2 else _decoded(wardrobe)


def _on_a_plane(wardrobe: Wardrobe) -> Figure:
    latents = shown_latents(wardrobe)
    z = wardrobe.sample(ON_A_PLANE, seed=wardrobe.recipe.seed)
    page = sheet(
        f"{ON_A_PLANE} samples of {wardrobe.run.name}, {_source(wardrobe)}",
        f"Black: {of_data(wardrobe, len(latents))}. Blue: the draws, decoded at the right above their z.",
    )
    side, plane = min(5.0, page.top - 0.85), plane_of(latents.mean)
    axes = page.panel(MARGIN + 0.45, 0.85, side, side)
    black(axes, plane.points, alpha=0.3)
    numbered(axes, z, DRAWN)
    label_axes(axes, plane)
    left = MARGIN + 0.45 + side + 0.35
    right = page.blank(left, 0.3, page.width - left - MARGIN + 0.15, page.top - 0.3)
    across, down = (page.width - left - MARGIN + 0.15) / 6, (page.top - 0.3) / 3
    side = min(across - 0.14, down - 0.5)
    step = (across, min(down, side + 0.6))
    tiles(right, wardrobe.decode(z), 6, page.top - 0.3, 0, side, step, [vector(row) for row in z])
    corners = [(0.13 + k % 6 * step[0], page.top - 0.43 - k // 6 * step[1]) for k in range(len(z))]
    numbered(right, np.asarray(corners), DRAWN)
    return page.figure


def _decoded(wardrobe: Wardrobe) -> Figure:
    z = wardrobe.sample(IN_MORE, seed=wardrobe.recipe.seed)
    page = sheet(
        f"{IN_MORE} samples of {wardrobe.run.name}, {_source(wardrobe)}",
        f"Trained on {wardrobe.run.data.name}, {wardrobe.recipe.dimensions} latent dimensions.",
        (12.8, 5.2),
    )
    step = (page.width - 2 * MARGIN + 0.1) / 10
    rows = min(step, (page.top - 0.3) / 3)
    blank = page.blank(MARGIN, 0.3, page.width - 2 * MARGIN + 0.1, page.top - 0.3)
    left = (10 * step - 10 * rows) / 2
    tiles(blank, wardrobe.decode(z), 10, page.top - 0.3, left, rows - 0.1, (rows, rows))
    return page.figure


def _source(wardrobe: Wardrobe) -> str:
    uniformly = "" if wardrobe.model.posterior.is_stochastic else "uniformly "
    return f"drawn {uniformly}from {wardrobe.prior().name}"
