"""What the figures are drawn from: held-out images, where they lie, what is made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from armoire.images import ImageSet
from armoire.model import Autoencoder, to_pixels, to_unit
from armoire.wardrobe import Latents, Wardrobe
from armoire.wardrobe.axes import principal_axes

FIRST = 5000  # embeddings in a scatter, as in the book's figures
ERRORS = {
    "bce": "binary cross-entropy in nats a pixel value",
    "mse": "squared error a pixel value",
    "mae": "absolute error a pixel value",
}


def shown(wardrobe: Wardrobe) -> Latents:
    """The first 5,000 held-out latents."""
    return wardrobe.latents.split(wardrobe.held_out).first(FIRST)


def held_out_images(wardrobe: Wardrobe) -> ImageSet:
    """The images that the model never trained on."""
    return wardrobe.images.split(wardrobe.held_out)


def run_name(wardrobe: Wardrobe) -> str:
    """What a run is called in a title: its folder's name."""
    return wardrobe.run.path.resolve().name


def of_data(wardrobe: Wardrobe, n: int) -> str:
    """`5,000 held-out images of fashion-mnist`."""
    return f"{n:,} held-out image{'s' * (n != 1)} of {wardrobe.run.data.name}"


def classes_of(wardrobe: Wardrobe) -> tuple[str, ...]:
    """Names of the classes, none where nothing held out is labelled."""
    return wardrobe.run.data.classes if (shown(wardrobe).labels >= 0).any() else ()


@dataclass(frozen=True, eq=False)
class Plane:
    """Embeddings as points on paper.

    Attributes:
        points: float32 (n, 2).
        names: what its two axes are called.
        equal: whether a unit is the same length on both.
    """

    points: Float[np.ndarray, "n 2"]
    names: tuple[str, str]
    equal: bool = True


def plane_of(embeddings: Float[np.ndarray, "n d"]) -> Plane:
    """Two dimensions as they are; of more, the first two principal components; one over the images' numbers."""
    n, d = embeddings.shape
    if d == 2:
        return Plane(embeddings, ("z₀", "z₁"))
    if d == 1:
        numbers = np.arange(n, dtype=np.float32)[:, None]
        return Plane(np.concatenate([embeddings, numbers], axis=1), ("z₀", "number of the image"), equal=False)
    axes = principal_axes(embeddings, 2)
    first, second = (f"principal component {k + 1}, {100 * axes.shares[k]:.0f} % of the variance" for k in (0, 1))
    return Plane(axes.project(embeddings), (first, second))


def unit(model: Autoencoder, pixels: UInt8[np.ndarray, "n h w c"]) -> Float[Tensor, "n c h w"]:
    """Stored images as the model takes them."""
    return to_unit(torch.from_numpy(np.array(pixels)).to(model.device))


@torch.no_grad()
def reconstruct(
    model: Autoencoder, pixels: UInt8[np.ndarray, "n h w c"]
) -> tuple[UInt8[np.ndarray, "n h w c"], Float[np.ndarray, " n"]]:
    """What comes back from the posterior means, and each image's error a pixel value in the likelihood's unit."""
    x = unit(model, pixels)
    output = model.decoder(model.encode(x).mean)
    return to_pixels(model.likelihood.mean(output)), model.likelihood.error(output, x).cpu().numpy()
