"""Distance of images to their nearest training image, which is small for copies."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8

from armoire.training.averages import EVALUATION_BATCH
from armoire.training.batches import Batches
from armoire.wardrobe.neighbours import nearest

SMALL = 32  # side to which images are averaged down before their pixels are compared
QUANTILE = 0.01


class Copies:
    """Training images, and how near to them images are that cannot be copies.

    Distances are root mean squares over pixel values, of images averaged down to 32 x 32. Blurred images are nearer to
    everything, so compare samples with reconstructions of held-out images, which cannot be copies.
    """

    def __init__(
        self,
        train: UInt8[np.ndarray, "t h w c"],
        held_out: UInt8[np.ndarray, "n h w c"],
        reconstructed: UInt8[np.ndarray, "n h w c"],
    ) -> None:
        self._train = _small(train)
        self._gaps = {"reconstructions": self._nearest(reconstructed), "held_out": self._nearest(held_out)}

    def measure(self, made: UInt8[np.ndarray, "m h w c"]) -> dict[str, float]:
        """How near samples are to training images.

        Returns:
            Median distances of samples, reconstructions and held_out images; nearer_than_reconstructions and
            nearer_than_held_out: share of samples nearer than the 1 % quantile of those; about .01 where nothing is
            copied.
        """
        samples = self._nearest(made)
        medians = {name: float(np.median(values)) for name, values in ({"samples": samples} | self._gaps).items()}
        nearer = {
            f"nearer_than_{name}": float((samples < np.quantile(values, QUANTILE)).mean())
            for name, values in self._gaps.items()
        }
        return medians | nearer

    def _nearest(self, pictures: UInt8[np.ndarray, "m h w c"]) -> Float[np.ndarray, " m"]:
        return nearest(self._train, _small(pictures), 1).distances[:, 0] / math.sqrt(self._train.shape[1])


def _small(pixels: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n v"]:
    batches = Batches(pixels, torch.device("cpu")).in_turn(EVALUATION_BATCH)
    small = [F.interpolate(x, (SMALL, SMALL), mode="area") if x.shape[-1] > SMALL else x for x in batches]
    return torch.cat(small).flatten(1).numpy()
