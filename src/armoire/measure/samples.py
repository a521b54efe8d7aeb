"""How far a model's samples are from real images, in the eyes of the judge."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from armoire.images import ImageSet
from armoire.measure.judge import Judge, look_at, set_aside
from armoire.training.feed import Feed
from armoire.wardrobe import Wardrobe


def measure_samples(
    wardrobe: Wardrobe, judge: Judge, images: ImageSet, part: ImageSet, z: np.ndarray, n: int
) -> dict[str, Any] | None:
    """Fréchet distance between the judge's features of made and of held-out images.

    Args:
        wardrobe: the run.
        judge: whose features are compared.
        images: the data set that the judge was trained on.
        part: the held-out images.
        z: where they lie, (n, d).
        n: how many images to draw; no more are taken of the real ones.

    Returns:
        features: whose; n: the number of images on each side, at most as many as are held out, or kept from
        the judge; drawn_from;
        judge_distance: n samples against n held-out images; floor: n training images that the judge was not shown
        against the same, what no model can be expected to pass; reconstructions: those of the held-out images. None
        where there are not two images on each side.
    """
    device, train = wardrobe.model.device, images.split("train")
    unseen = np.flatnonzero(set_aside(len(train)))
    if (n := min(n, len(part), len(unseen))) < 2:
        return None
    rows = np.sort(np.random.default_rng(0).permutation(len(part))[:n])

    def seen(pixels: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        return look_at(judge, Feed(pixels, device), rows)[1]

    real = seen(part.images, rows)
    prior = wardrobe.prior()
    return {
        "features": "judge of this data's attributes",
        "n": n,
        "drawn_from": prior.name,
        "judge_distance": frechet_distance(seen(wardrobe.make(wardrobe.sample(n))), real),
        "reconstructions": frechet_distance(seen(wardrobe.make(z[rows])), real),
        "floor": frechet_distance(seen(train.images, unseen[:n]), real),
    }


class _Features(nn.Module):
    """Stands where torchmetrics expects an extractor: what it is given are features already."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features


def frechet_distance(a: Float[np.ndarray, "n f"], b: Float[np.ndarray, "m f"]) -> float:
    """|mu_a - mu_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^1/2) of two clouds of features (Heusel et al. 2017, eq. 6)."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    distance = FrechetInceptionDistance(_Features(a.shape[1])).set_dtype(torch.float64)
    distance.update(torch.from_numpy(a).double(), real=False)
    distance.update(torch.from_numpy(b).double(), real=True)
    return float(distance.compute())
