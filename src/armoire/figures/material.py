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

FIRST = 5000  # embeddings in a scatter, as in the book's figures
ERRORS = {"bce": "binary cross-entropy in nats a pixel value", "mse": "squared error a pixel value"}


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
    points, share = principal_components(embeddings)
    first, second = (f"principal component {k + 1}, {100 * share[k]:.0f} % of the variance" for k in (0, 1))
    return Plane(points, (first, second))


def principal_components(
    embeddings: Float[np.ndarray, "n d"],
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " 2"]]:
    """The first two principal components of n embeddings and the share of the variance that each explains.

    By singular value decomposition of the centred embeddings. A component's sign is free; here its largest weight is
    positive, so that a figure does not flip from one machine to the next.
    """
    centred = embeddings.astype(np.float64) - embeddings.mean(axis=0, dtype=np.float64)
    _, scales, directions = np.linalg.svd(centred, full_matrices=False)
    if len(scales) < 2:  # a single image: it lies in the middle of nothing
        scales, directions = np.zeros(2), np.eye(2, embeddings.shape[1])
    largest = np.abs(directions[:2]).argmax(axis=1)
    directions = directions[:2] * np.sign(directions[[0, 1], largest])[:, None]
    share = scales[:2] ** 2 / max(float((scales**2).sum()), 1e-12)
    return (centred @ directions.T).astype(np.float32), share.astype(np.float32)


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
