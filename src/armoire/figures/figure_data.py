"""What several figures show: held-out images, their latents and reconstructions, names of runs and data, other runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from armoire.errors import ArmoireError
from armoire.images import ImageSet
from armoire.model import Autoencoder, to_pixels, to_unit
from armoire.training import Recipe, Run
from armoire.wardrobe import Latents, Wardrobe
from armoire.wardrobe.axes import principal_axes

FIRST = 5000  # embeddings in a scatter, as in the book's figures
FEW = 100  # held-out images, below which a scatter by class shows the training images too


def shown_latents(wardrobe: Wardrobe) -> Latents:
    """The first 5,000 held-out latents."""
    return wardrobe.latents.split(wardrobe.held_out).first(FIRST)


def held_out_images(wardrobe: Wardrobe) -> ImageSet:
    return wardrobe.images.split(wardrobe.held_out)


def latents_by_class(wardrobe: Wardrobe) -> tuple[Latents, str]:
    """The latents of a scatter by class, and what they are: held-out ones, or all where few are held out."""
    shown = shown_latents(wardrobe)
    if len(shown) >= FEW:
        return shown, of_data(wardrobe, len(shown))
    every = wardrobe.latents.first(FIRST)
    return every, f"{len(every):,} images of {wardrobe.run.data.name}, {len(shown)} of them held out"


def of_data(wardrobe: Wardrobe, n: int) -> str:
    """`5,000 held-out images of fashion-mnist`."""
    return f"{n:,} held-out image{'s' * (n != 1)} of {wardrobe.run.data.name}"


def classes_of(wardrobe: Wardrobe) -> tuple[str, ...]:
    """Names of the classes; () if no held-out image is labelled."""
    return wardrobe.run.data.classes if (shown_latents(wardrobe).labels >= 0).any() else ()


@dataclass(frozen=True, eq=False)
class Plane:
    """Embeddings as points of a scatter, and the names of its axes."""

    points: Float[np.ndarray, "n 2"]
    names: tuple[str, str]
    equal: bool = True  # whether both axes have the same unit


def plane_of(embeddings: Float[np.ndarray, "n d"]) -> Plane:
    """Both dimensions of two; the first two principal components of more; a single dimension over the image number."""
    n, d = embeddings.shape
    if d == 2:
        return Plane(embeddings, ("z₀", "z₁"))
    if d == 1:
        numbers = np.arange(n, dtype=np.float32)[:, None]
        return Plane(np.concatenate([embeddings, numbers], axis=1), ("z₀", "image number"), equal=False)
    axes = principal_axes(embeddings, 2)
    first, second = (f"principal component {k + 1}, {100 * axes.shares[k]:.0f} % of the variance" for k in (0, 1))
    return Plane(axes.project(embeddings), (first, second))


def unit(model: Autoencoder, pixels: UInt8[np.ndarray, "n h w c"]) -> Float[Tensor, "n c h w"]:
    """Images as the model's input, in [0, 1] on its device."""
    return to_unit(torch.from_numpy(np.array(pixels)).to(model.device))


@torch.no_grad()
def reconstruct(
    model: Autoencoder, pixels: UInt8[np.ndarray, "n h w c"]
) -> tuple[UInt8[np.ndarray, "n h w c"], Float[np.ndarray, " n"]]:
    """Reconstructions from the posterior mean, and each image's error per pixel value in the likelihood's unit."""
    x = unit(model, pixels)
    output = model.decoder(model.encode(x).mean)
    return to_pixels(model.likelihood.mean(output)), model.likelihood.error(output, x).cpu().numpy()


def paired_run(wardrobe: Wardrobe, is_pair: Callable[[Recipe, Recipe], bool]) -> Run | None:
    """The first run by name in the same folder, on the same data, with `is_pair(this run's recipe, its recipe)`."""
    here = wardrobe.run.path.resolve()
    for path in sorted(here.parent.iterdir()):
        if path == here or not (path / "recipe.toml").is_file():
            continue
        try:
            other = Run.open(path)
            if is_pair(wardrobe.recipe, other.recipe) and other.data.fingerprint == wardrobe.run.data.fingerprint:
                return other
        except ArmoireError:  # incomplete, or not a run
            continue
    return None
