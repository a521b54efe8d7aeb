"""A look at what a model has learned so far, as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from armoire.images import ImageSet
from armoire.images.mosaic import mosaic, save_png
from armoire.model import Autoencoder, to_pixels, to_unit
from armoire.training.randomness import generator
from armoire.training.recipe import Recipe

COLUMNS = 12


@torch.no_grad()
def save_preview(path: Path, model: Autoencoder, images: ImageSet, recipe: Recipe) -> None:
    """A grid: held-out images, their reconstructions and, for a VAE, draws from N(0, I). Sets evaluation mode."""
    model.eval()
    real = images.split(images.held_out).images[:COLUMNS]
    x = to_unit(torch.from_numpy(np.array(real)).to(model.device))
    rows = [np.asarray(real), to_pixels(model(x))]
    if recipe.posterior == "gaussian":
        z = torch.randn(len(real), recipe.latent, generator=generator(recipe.seed, "preview"))
        rows.append(to_pixels(model.decode(z.to(model.device))))
    scale = max(1, 64 // real.shape[1])
    save_png(path, mosaic(np.concatenate(rows), len(real)), scale)
