"""Originals with their reconstructions (S9, S18), and noisy images with their reconstructions (S6)."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure

from armoire.figures.figure_data import held_out_images, of_data, reconstruct, unit
from armoire.figures.style import MARGIN, name_rows, number, sheet, tiles, vector
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
    images = held_out_images(wardrobe)[: COLUMNS * BANDS].images
    reconstructed, errors = reconstruct(wardrobe.model, images)
    likelihood = wardrobe.model.likelihood
    kind = likelihood.unit
    d = wardrobe.recipe.dimensions
    page = sheet(
        f"{wardrobe.run.name}: held-out images reconstructed from {d} latent dimension{'s' * (d != 1)}",
        f"The first {of_data(wardrobe, len(images))}; "
        f"{kind.upper()}: {likelihood.error_name}, {errors.mean():.3f} on average.",
    )
    captions = [f"{kind.upper()} {error:.3f}" for error in errors]
    if d == 2:
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
        name_rows(blank, ("original", "reconstruction"), top, side, side + 0.06)
    return page.figure


def denoising(wardrobe: Wardrobe) -> Figure:
    """Noisy, clean and output rows of the first held-out images (S6)."""
    noise = wardrobe.recipe.noise or NOISE
    images = np.asarray(held_out_images(wardrobe)[:8].images)
    draws = generator(wardrobe.recipe.seed, "figure denoising", device=wardrobe.model.device)
    x = unit(wardrobe.model, images)
    noisy = corrupt(x, noise, normal_like(x, draws))
    with torch.no_grad():
        denoised = to_pixels(wardrobe.model(noisy))
    noisy = to_pixels(noisy)
    before, after = (number(float(np.square(made / 255.0 - images / 255.0).mean()), 3) for made in (noisy, denoised))
    how = ": held-out images with noise, and denoised"
    if not wardrobe.recipe.noise:
        how = ", trained without noise, on noisy images"
    page = sheet(
        f"{wardrobe.run.name}{how}",
        f"The first {of_data(wardrobe, len(images))}; "
        f"Gaussian noise of standard deviation {noise} on pixels in [0, 1]. "
        f"Squared error per pixel value: {before} of the noisy images, {after} of the output.",
        (12.8, 5.9),
    )
    blank = page.blank(MARGIN, 0.3, page.width - 2 * MARGIN, page.top - 0.3)
    step = (page.width - 2 * MARGIN - LABELS + 0.1) / 8
    rows = min(step, (page.top - 0.3) / 3)
    for k, row in enumerate((noisy, images, denoised)):
        tiles(blank, row, 8, page.top - 0.3 - k * rows, LABELS, rows - 0.1, (step, 0))
    name_rows(blank, ("noisy input", "clean", "output"), page.top - 0.3, rows - 0.1, rows)
    return page.figure
