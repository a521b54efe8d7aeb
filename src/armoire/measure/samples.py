"""Sample quality: Fréchet and kernel distance, precision, recall, density, coverage, and distance to training images.

Every distance is between the features of n samples and of n held-out images. Two references are measured alike:
reconstructions of the held-out images, the best this decoder can do, and n training images, the floor of real images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import nn

from armoire.errors import ArmoireError
from armoire.images import ImageSet
from armoire.measure.attribute_classifier import held_back
from armoire.measure.features import Classifier, make_extractor, named_features
from armoire.measure.measure import Context, Measure
from armoire.priors import Prior
from armoire.progress import SILENT, Progress
from armoire.wardrobe import Wardrobe
from armoire.wardrobe.copies import Copies
from armoire.wardrobe.extractors import Extractor, installed_features

K = 5  # nearest neighbours: the k-th sets the radius of a neighbourhood
BLOCK = 1000  # images in each block of the kernel distance
ROWS = 2000  # images compared with all others at a time
SAMPLES = 2000
FEWEST = 20  # images on a side, below which samples are not measured unless that was asked for


def measure_samples(
    wardrobe: Wardrobe,
    extractors: Sequence[Extractor],
    images: ImageSet,
    part: ImageSet,
    z: Float[np.ndarray, "m d"],
    n: int,
    prior: Prior | None = None,
    temperature: float = 1.0,
    seed: int = 0,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Compare n samples, reconstructions and training images with held-out images.

    `part` are the held-out images and z their latents, `images` the data set with the training images. n is at most the
    number of images held out and, for a classifier, not trained on.

    Returns:
        features: name of the first extractor; n: images on each side; drawn_from, temperature, seed; those of
        `compare`, also in `reconstructions` and `floor`; nearest_training as in `Copies.measure`; by_other_features:
        per name of the other extractors, those of `compare`, reconstructions and floor.
    """
    train = images.split("train")
    classifies = any(isinstance(extractor, Classifier) for extractor in extractors)
    unseen = np.flatnonzero(held_back(len(train))) if classifies else np.arange(len(train))
    if (n := min(n, len(part), len(unseen))) < 2:
        raise ArmoireError(f"samples of {wardrobe.run} cannot be measured: two held-out images or more are needed")
    random = np.random.default_rng(0)
    rows, others = (np.sort(random.permutation(count)[:n]) for count in (len(part), len(unseen)))
    prior = prior or wardrobe.prior()
    sampled = wardrobe.decode(prior.sample(n, np.random.default_rng(seed), temperature))
    reconstructed = wardrobe.decode(z[rows])

    def compared(extractor: Extractor) -> dict[str, Any]:
        real = extractor.extract_set(part, rows, "held-out images", progress)
        floor = extractor.extract_set(train, unseen[others], "training images", progress)
        return {
            **compare(extractor.extract(sampled, "samples", progress), real),
            "reconstructions": compare(extractor.extract(reconstructed, "reconstructions", progress), real),
            "floor": compare(floor, real),
        }

    return {
        "features": extractors[0].name,
        "n": n,
        "drawn_from": prior.name,
        "temperature": temperature,
        "seed": seed,
        **compared(extractors[0]),
        "nearest_training": Copies(train.images, np.asarray(part.images)[rows], reconstructed).measure(sampled),
        "by_other_features": {extractor.name: compared(extractor) for extractor in extractors[1:]},
    }


def compare(made: Float[np.ndarray, "n f"], real: Float[np.ndarray, "n f"]) -> dict[str, float]:
    """All distances between two sets of features: fd, kd, kd_standard_error and those of `precision_recall`."""
    kd, error = kernel_distance(made, real)
    distances = {"fd": frechet_distance(made, real), "kd": kd, "kd_standard_error": error}
    return distances | precision_recall(made, real)


class _Features(nn.Module):
    """The identity, where torchmetrics expects an extractor: its inputs are features already."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features


def frechet_distance(a: Float[np.ndarray, "n f"], b: Float[np.ndarray, "m f"]) -> float:
    """|mu_a - mu_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^1/2) of two sets of features (Heusel et al. 2017, eq. 6)."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    distance = FrechetInceptionDistance(_Features(a.shape[1])).set_dtype(torch.float64)
    distance.update(torch.from_numpy(a).double(), real=False)
    distance.update(torch.from_numpy(b).double(), real=True)
    return float(distance.compute())


def kernel_distance(a: Float[np.ndarray, "n f"], b: Float[np.ndarray, "n f"]) -> tuple[float, float]:
    """Unbiased squared maximum mean discrepancy with the kernel (x y / f + 1)^3, and its standard error.

    Binkowski et al. 2018, arXiv:1801.01401. Mean over blocks of 1,000 images on each side, each image in one block, and
    the standard error of that mean.
    """
    from torchmetrics.image.kid import poly_mmd

    n = min(len(a), len(b))
    count = max(2, n // BLOCK) if n >= 4 else 1
    x, y = (torch.from_numpy(features[:n]).double() for features in (a, b))
    # Images stored next to each other are often alike, so each block is spread over the whole set.
    values = [float(poly_mmd(x[k::count][: n // count], y[k::count][: n // count])) for k in range(count)]
    return float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(count)) if count > 1 else math.inf


def precision_recall(made: Float[np.ndarray, "n f"], real: Float[np.ndarray, "m f"], k: int = K) -> dict[str, float]:
    """Precision, recall, density and coverage.

    A neighbourhood is the ball around an image that reaches to the k-th nearest image of its own set. precision: share
    of samples in some real neighbourhood; recall: share of real images in some sample's neighbourhood (Kynkaanniemi et
    al. 2019, arXiv:1904.06991). density: mean number of real neighbourhoods that hold a sample, divided by k; coverage:
    share of real neighbourhoods that hold a sample (Naeem et al. 2020, arXiv:2002.09797).
    """
    radius_real, radius_made = _radii(real, k), _radii(made, k)
    counts = np.zeros(len(made))
    covered = np.empty(len(real), bool)
    recalled = np.empty(len(real), bool)
    for start in range(0, len(real), ROWS):
        part = slice(start, start + ROWS)
        distances = _squared_distances(real[part], made)
        within: Bool[np.ndarray, "r n"] = distances <= radius_real[part, None]
        counts += within.sum(axis=0)
        covered[part] = within.any(axis=1)
        recalled[part] = (distances <= radius_made[None]).any(axis=1)
    return {
        "precision": float((counts > 0).mean()),
        "recall": float(recalled.mean()),
        "density": float(counts.mean() / k),
        "coverage": float(covered.mean()),
    }


def _radii(features: np.ndarray, k: int) -> np.ndarray:
    """Squared distance of each image to its k-th nearest neighbour in the set, without itself."""
    k = min(k, len(features) - 1)
    parts = (_squared_distances(features[i : i + ROWS], features) for i in range(0, len(features), ROWS))
    return np.concatenate([np.partition(distances, k, axis=1)[:, k] for distances in parts])


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    # In float32 the difference of squares would be rounding error for features far from the origin.
    a, b = a.astype(np.float64), b.astype(np.float64)
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None]
    return np.maximum(squares - 2 * a @ b.T, 0)


def _requested(context: Context) -> bool:
    return context.options.samples is not None or context.options.features is not None


def _applies(context: Context) -> bool:
    return context.split != "train" and (_requested(context) or context.has_attributes)


def _compute(context: Context) -> dict[str, Any] | None:
    """Samples with the features asked for; by default with the classifier's, if there are images enough."""
    wardrobe, options, requested = context.wardrobe, context.options, _requested(context)
    data = context.images if "train" in context.images.splits else context.classifier_data
    if data is None:
        raise ArmoireError(f"samples cannot be compared without the training images of {wardrobe.run}")
    if not requested and min(len(context.part), data.splits["train"]) < FEWEST:
        return None
    default = (installed_features() or ["efficientnet-lite0"]) if requested else ["classifier"]
    names = named_features(options.features) if options.features else default
    device = wardrobe.model.device
    return measure_samples(
        wardrobe,
        [make_extractor(name, context.classifier_data, device, context.progress) for name in names],
        data,
        context.part,
        context.latents.mean,
        options.samples or SAMPLES,
        context.prior,
        options.temperature,
        progress=context.progress,
    )


MEASURE = Measure(_compute, _applies)
