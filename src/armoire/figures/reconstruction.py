"""Originals with their reconstructions (S9, S18), and noisy images with their reconstructions (S6)."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from armoire.figures.figure_data import held_out_images, of_data, reconstruct, run_name, unit
from armoire.figures.style import MARGIN, QUIET, number, sheet, tiles, vector
from armoire.model import to_pixels
from armoire.training.randomness import generator, normal_like
from armoire.training.step import corrupt
from armoire.wardrobe import Wardrobe

COLUMNS = 10
BANDS = 2
NOISE = 0.3  # for a model trained without noise
LABELS = 1.25  # inches for the names of the rows


def reconstructions(wardrobe: Wardrobe) -> Figure:
    """The first held-out images above their reconstructions, with the error and, on a plane, the z of each (S9)."""
    images = held_out_images(wardrobe).first(COLUMNS * BANDS).images
    reconstructed, errors = reconstruct(wardrobe.model, images)
    likelihood = wardrobe.model.likelihood
    kind = likelihood.unit
    page = sheet(
        f"{run_name(wardrobe)}: held-out images reconstructed from {_code_size(wardrobe)}",
        f"The first {of_data(wardrobe, len(images))}; "
        f"{kind.upper()}: {likelihood.error_name}, {errors.mean():.3f} on average.",
    )
    captions = [f"{kind.upper()} {error:.3f}" for error in errors]
    if wardrobe.recipe.latent == 2:
        captions = [f"{vector(z)}\n{text}" for z, text in zip(wardrobe.encode(images), captions, strict=True)]
    blank = page.blank(MARGIN, 0.2, page.width - 2 * MARGIN, page.top - 0.2)
    step = (page.width - 2 * MARGIN - LABELS + 0.08) / COLUMNS
    bands = -(-len(images) // COLUMNS)
    height = (page.top - 0.25) / BANDS
    side = min(step - 0.08, (height - 0.65) / 2)
    lower = (height - 2 * side - 0.5) / 2  # centres the rows
    for band in range(bands):
        part, top = slice(band * COLUMNS, (band + 1) * COLUMNS), page.top - 0.2 - lower - band * height
        tiles(blank, images[part], COLUMNS, top, LABELS, side, (step, 0))
        tiles(blank, reconstructed[part], COLUMNS, top - side - 0.06, LABELS, side, (step, 0), captions[part])
        _name_rows(blank, ("original", "reconstruction"), top, side, side + 0.06)
    return page.figure


def denoising(wardrobe: Wardrobe) -> Figure:
    """Noisy, clean and output rows of the first held-out images (S6)."""
    noise = wardrobe.recipe.noise or NOISE
    images = np.asarray(held_out_images(wardrobe).first(8).images)
    draws = generator(wardrobe.recipe.seed, "figure denoising", device=wardrobe.model.device)
    x = unit(wardrobe.model, images)
    noisy = corrupt(x, noise, normal_like(x, draws))
    with torch.no_grad():
        denoised = to_pixels(wardrobe.model(noisy))
    noisy = to_pixels(noisy)
    page = sheet(
        _denoising_title(wardrobe, noise), _denoising_subtitle(wardrobe, noise, images, noisy, denoised), (12.8, 5.9)
    )
    blank = page.blank(MARGIN, 0.3, page.width - 2 * MARGIN, page.top - 0.3)
    step = (page.width - 2 * MARGIN - LABELS + 0.1) / 8
    rows = min(step, (page.top - 0.3) / 3)
    for k, row in enumerate((noisy, images, denoised)):
        tiles(blank, row, 8, page.top - 0.3 - k * rows, LABELS, rows - 0.1, (step, 0))
    _name_rows(blank, ("noisy input", "clean", "output"), page.top - 0.3, rows - 0.1, rows)
    return page.figure


def _code_size(wardrobe: Wardrobe) -> str:
    d = wardrobe.recipe.latent
    return f"{d} latent dimensions" if d > 1 else "one latent dimension"


def _denoising_title(wardrobe: Wardrobe, noise: float) -> str:
    if wardrobe.recipe.noise:
        return f"{run_name(wardrobe)}: held-out images with noise, and denoised"
    return f"{run_name(wardrobe)}, trained without noise, on noisy images"


def _denoising_subtitle(
    wardrobe: Wardrobe, noise: float, clean: np.ndarray, noisy: np.ndarray, denoised: np.ndarray
) -> str:
    before, after = (float(np.square((part / 255.0) - (clean / 255.0)).mean()) for part in (noisy, denoised))
    return (
        f"The first {of_data(wardrobe, len(clean))}; Gaussian noise of standard deviation {noise} on pixels in [0, 1]. "
        f"Squared error per pixel value: {number(before, 3)} of the noisy images, {number(after, 3)} of the output."
    )


def _name_rows(axes: Axes, names: tuple[str, ...], top: float, side: float, step: float) -> None:
    for k, name in enumerate(names):
        axes.text(0, top - k * step - side / 2, name, fontsize=11, color=QUIET, va="center")
