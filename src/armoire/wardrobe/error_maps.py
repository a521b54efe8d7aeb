"""Errors of reconstructions from posterior means, by image and by place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from armoire.model import Autoencoder
from armoire.progress import SILENT, Progress
from armoire.training.averages import EVALUATION_BATCH
from armoire.training.batches import Batches

SHIFT = 1 / 64  # of the side of an image: what a shift by so much explains is no error of a map
MISSING = 0.3  # weight of what the reconstruction has and the image has not
SMOOTHING = 0.015  # standard deviation, in sides of an image


@dataclass(frozen=True, eq=False)
class ErrorMaps:
    """The reconstruction errors of n images.

    Attributes:
        maps: squared difference of each pixel from the range of the reconstruction's pixels around it, plus 0.3 times
            that of the reconstruction from the image, smoothed: an edge that is reconstructed next to where it is
            counts nothing, a scratch that is not reconstructed counts in full.
        means: mean squared error per pixel value of each image.
        latents: means of q(z|x).
    """

    maps: Float[np.ndarray, "n h w"]
    means: Float[np.ndarray, " n"]
    latents: Float[np.ndarray, "n d"]

    def __len__(self) -> int:
        return len(self.maps)

    @property
    def largest(self) -> Float[np.ndarray, " n"]:
        """The largest value of each map."""
        return self.maps.max(axis=(1, 2), initial=0)

    def __getitem__(self, rows: np.ndarray | slice) -> ErrorMaps:
        return ErrorMaps(self.maps[rows], self.means[rows], self.latents[rows])


@torch.no_grad()
def error_maps(model: Autoencoder, pixels: UInt8[np.ndarray, "n h w c"], progress: Progress = SILENT) -> ErrorMaps:
    """The errors of images, in batches."""
    from scipy.ndimage import gaussian_filter

    a = model.architecture
    maps, means = [np.empty((0, a.size, a.size), np.float32)], [np.empty(0)]
    latents = [np.empty((0, a.latent), np.float32)]
    with progress.task("reconstructing images", len(pixels), "images", rate=True) as task:
        for x in Batches(pixels, model.device).in_turn(EVALUATION_BATCH):
            z = model.encode(x).mean
            made = model.decode(z)
            error = _unexplained(x, made).square() + MISSING * _unexplained(made, x).square()
            found = error.mean(dim=1).cpu().numpy()
            width = (0, SMOOTHING * a.size, SMOOTHING * a.size)
            maps.append(np.asarray(gaussian_filter(found, width, mode="nearest"), np.float32))
            means.append((made - x).square().mean(dim=(1, 2, 3)).cpu().numpy().astype(np.float64))
            latents.append(z.cpu().numpy())
            task.advance(len(x))
    return ErrorMaps(np.concatenate(maps), np.concatenate(means), np.concatenate(latents))


@torch.no_grad()
def squared_errors(
    model: Autoencoder, pixels: UInt8[np.ndarray, "n h w c"], progress: Progress = SILENT
) -> Float[np.ndarray, " n"]:
    """Mean squared error per pixel value of each image's reconstruction from its posterior mean."""
    errors = [np.empty(0)]
    with progress.task("reconstructing images", len(pixels), "images", rate=True) as task:
        for x in Batches(pixels, model.device).in_turn(EVALUATION_BATCH):
            errors.append((model(x) - x).square().mean(dim=(1, 2, 3)).cpu().numpy().astype(np.float64))
            task.advance(len(x))
    return np.concatenate(errors)


def _unexplained(x: Float[Tensor, "n c h w"], made: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """x less the nearest value between the smallest and the largest that `made` has within SHIFT of each place."""
    k = round(SHIFT * x.shape[-1])
    lowest, highest = (sign * F.max_pool2d(sign * made, 2 * k + 1, 1, k) for sign in (-1, 1))
    return x - torch.maximum(torch.minimum(x, highest), lowest)
