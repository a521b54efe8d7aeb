"""How good a model's samples are: how far from real images, how true, how various, and whether they are copies.

Everything is measured between the features of n made images and of n held-out ones. Beside each number stand those of
the reconstructions of the held-out images, which no samples of this decoder can be expected to pass, and the floor:
that of n training images, real ones, against the same held-out images.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import nn

from armoire.errors import ArmoireError
from armoire.images import ImageSet
from armoire.measure.attribute_classifier import held_back
from armoire.measure.features import Classifier, Extractor
from armoire.model import to_unit
from armoire.priors import Prior
from armoire.progress import SILENT, Progress
from armoire.training.averages import EVALUATION_BATCH
from armoire.wardrobe import Wardrobe
from armoire.wardrobe.neighbours import nearest

K = 5  # neighbours that make an image's surroundings
BLOCK = 1000  # images in each block of the kernel distance
AT_ONCE = 2000  # images compared with all others at a time
SMALL = 32  # side of the images whose pixels are compared


def measure_samples(
    wardrobe: Wardrobe,
    extractor: Extractor,
    images: ImageSet,
    part: ImageSet,
    z: Float[np.ndarray, "m d"],
    n: int,
    prior: Prior | None = None,
    temperature: float = 1.0,
    seed: int = 0,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Everything about a model's samples.

    Args:
        wardrobe: the run.
        extractor: whose features are compared.
        images: the data set with the training images.
        part: the held-out images.
        z: where they lie.
        n: how many images to draw; no more are taken of the real ones.
        prior: where to draw from; by default where `Wardrobe.sample` does.
        temperature: of the draws.
        seed: of the draws.
        progress: where to report.

    Returns:
        features: whose; n: the number of images on each side, at most as many as are held out, or (of a classifier)
        kept from it; drawn_from, temperature, seed; then fd, kd, kd_standard_error, precision, recall, density and
        coverage of the samples as in `compare`, and the same in `reconstructions` and `floor`; nearest_training as in
        `copies`.

    Raises:
        ArmoireError: there are fewer than two images on a side.
    """
    train = images.split("train")
    unseen = np.flatnonzero(held_back(len(train))) if isinstance(extractor, Classifier) else np.arange(len(train))
    if (n := min(n, len(part), len(unseen))) < 2:
        raise ArmoireError(f"samples of {wardrobe.run.path} cannot be measured: two held-out images or more are needed")
    random = np.random.default_rng(0)
    rows, others = (np.sort(random.permutation(count)[:n]) for count in (len(part), len(unseen)))
    real = extractor.of_set(part, rows, "held-out images", progress)
    floor = extractor.of_set(train, unseen[others], "training images", progress)
    prior = prior or wardrobe.prior()
    drawn = wardrobe.decode(prior.sample(n, np.random.default_rng(seed), temperature))
    again = wardrobe.decode(z[rows])
    return {
        "features": extractor.name,
        "n": n,
        "drawn_from": prior.name,
        "temperature": temperature,
        "seed": seed,
        **compare(extractor.of(drawn, "samples", progress), real),
        "reconstructions": compare(extractor.of(again, "reconstructions", progress), real),
        "floor": compare(floor, real),
        "nearest_training": copies(train.images, np.asarray(part.images)[rows], drawn, again),
    }


def compare(made: Float[np.ndarray, "n f"], real: Float[np.ndarray, "n f"]) -> dict[str, float]:
    """Every distance between two clouds of features: fd, kd, kd_standard_error, and those of `surroundings`."""
    kd, error = kernel_distance(made, real)
    return {
        "fd": frechet_distance(made, real),
        "kd": kd,
        "kd_standard_error": error,
        **surroundings(made, real),
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


def kernel_distance(a: Float[np.ndarray, "n f"], b: Float[np.ndarray, "n f"]) -> tuple[float, float]:
    """Unbiased squared maximum mean discrepancy with the kernel (x y / f + 1)^3, and its standard error.

    Binkowski et al. 2018, arXiv:1801.01401. Averaged over blocks of a thousand images on each side, each image in one
    block; the standard error is that of the mean over blocks.
    """
    from torchmetrics.image.kid import poly_mmd

    n = min(len(a), len(b))
    count = max(2, n // BLOCK) if n >= 4 else 1
    x, y = (torch.from_numpy(features[:n]).double() for features in (a, b))
    # Neighbours in a store are often alike: each block takes from all of it.
    values = [float(poly_mmd(x[k::count][: n // count], y[k::count][: n // count])) for k in range(count)]
    return float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(count)) if count > 1 else math.inf


def surroundings(made: Float[np.ndarray, "n f"], real: Float[np.ndarray, "m f"], k: int = K) -> dict[str, float]:
    """Precision, recall, density and coverage.

    An image's surroundings are the ball that reaches to its k-th nearest neighbour of its own kind. precision: share of
    made images within some real one's; recall: share of real images within some made one's (Kynkaanniemi et al. 2019,
    arXiv:1904.06991). density: how many real ones' a made image lies in, of k; coverage: share of real images in whose
    surroundings a made one lies (Naeem et al. 2020, arXiv:2002.09797).
    """
    radius_real, radius_made = _radii(real, k), _radii(made, k)
    counts = np.zeros(len(made))
    nearest_made = np.empty(len(real), bool)
    recalled = np.empty(len(real), bool)
    for start in range(0, len(real), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        distances = _squared_distances(real[part], made)
        within: Bool[np.ndarray, "r n"] = distances <= radius_real[part, None]
        counts += within.sum(axis=0)
        nearest_made[part] = within.any(axis=1)
        recalled[part] = (distances <= radius_made[None]).any(axis=1)
    return {
        "precision": float((counts > 0).mean()),
        "recall": float(recalled.mean()),
        "density": float(counts.mean() / k),
        "coverage": float(nearest_made.mean()),
    }


def copies(
    train: UInt8[np.ndarray, "t h w c"],
    held_out: UInt8[np.ndarray, "n h w c"],
    made: UInt8[np.ndarray, "n h w c"],
    again: UInt8[np.ndarray, "n h w c"],
) -> dict[str, float]:
    """Whether samples are copies of training images: how far each lies from the nearest one.

    Distances are root mean squares over pixel values, of images averaged down to 32 x 32. What is blurred lies nearer
    to everything, so that samples are to be compared with reconstructions of held-out images, which cannot be copies.

    Returns:
        median distances of samples, of reconstructions and of the held-out images themselves;
        nearer_than_reconstructions and nearer_than_held_out: the share of samples that lie nearer than all but the
        nearest 1 % of those; about .01 says that nothing is copied.
    """
    known = _small(train)
    medians, edges = {}, {}
    for name, pictures in (("reconstructions", again), ("held_out", held_out)):
        gaps = _gaps(known, pictures)
        medians[name], edges[name] = float(np.median(gaps)), float(np.quantile(gaps, 0.01))
    gaps = _gaps(known, made)
    return (
        {"samples": float(np.median(gaps))}
        | medians
        | {f"nearer_than_{name}": float((gaps < edge).mean()) for name, edge in edges.items()}
    )


def _gaps(known: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    return nearest(known, _small(pictures), 1).distances[:, 0] / math.sqrt(known.shape[1])


def _small(pixels: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n v"]:
    parts = []
    for start in range(0, len(pixels), EVALUATION_BATCH):
        x = to_unit(torch.from_numpy(np.array(pixels[start : start + EVALUATION_BATCH])))
        parts.append(F.interpolate(x, (SMALL, SMALL), mode="area") if x.shape[-1] > SMALL else x)
    return torch.cat(parts).flatten(1).numpy()


def _radii(features: np.ndarray, k: int) -> np.ndarray:
    """Squared distance of each to its k-th nearest neighbour; itself, at 0, is one more."""
    k = min(k, len(features) - 1)
    parts = (_squared_distances(features[i : i + AT_ONCE], features) for i in range(0, len(features), AT_ONCE))
    return np.concatenate([np.partition(distances, k, axis=1)[:, k] for distances in parts])


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    # float64: of features far from the origin, the difference of squares would be rounding.
    a, b = a.astype(np.float64), b.astype(np.float64)
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None]
    return np.maximum(squares - 2 * a @ b.T, 0)
