"""Diagnostics of a training after each epoch: a picture, and histograms of weights and latents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from armoire.images import ImageSet
from armoire.images.grid import image_grid, save_png
from armoire.model import Autoencoder, to_pixels, to_unit
from armoire.training.batches import Batches
from armoire.training.randomness import generator
from armoire.training.recipe import Recipe

COLUMNS = 12
LATENTS_OF = 1000  # held-out images, at most


@torch.no_grad()
def save_preview(path: Path, model: Autoencoder, images: ImageSet, recipe: Recipe) -> None:
    """Write a grid of held-out images, their reconstructions and, where N(0, I) is the prior, decoded draws from it."""
    model.eval()
    real = images.split(images.held_out).images[:COLUMNS]
    x = to_unit(torch.from_numpy(np.array(real)).to(model.device))
    rows = [np.asarray(real), to_pixels(model(x))]
    if model.posterior.default_prior == "normal":
        z = torch.randn(len(real), recipe.dimensions, generator=generator(recipe.seed, "preview"))
        rows.append(to_pixels(model.decode(z.to(model.device))))
    scale = max(1, 64 // real.shape[1])
    save_png(path, image_grid(np.concatenate(rows), len(real)), scale)


@torch.no_grad()
def histograms(model: Autoencoder, images: Batches) -> dict[str, np.ndarray]:
    """Values by name: the entries of each weight, and the posterior's parameters of held-out images."""
    model.eval()
    found = {f"weights/{name}": p.detach() for name, p in model.named_parameters() if p.dim() > 1}
    posterior = model.encode(images.batch(torch.arange(min(LATENTS_OF, len(images)))))
    found |= {f"latents/{name}": getattr(posterior, name) for name in posterior.parameters}
    return {name: values.float().cpu().numpy().ravel() for name, values in found.items()}
