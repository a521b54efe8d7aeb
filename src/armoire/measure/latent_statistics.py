"""Statistics of the posterior means (distance to N(0, 1), active units, areas) and of the aggregate posterior.

The aggregate posterior is q(z) = 1/N sum_n q(z|x_n), compared with the prior that samples are drawn from.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree
from scipy.special import logsumexp, ndtr

from armoire.measure.measure import Context, Measure
from armoire.priors import Prior
from armoire.wardrobe import Latents
from armoire.wardrobe.neighbours import nearest

ACTIVE_VARIANCE = 0.01
HOLE = 0.1  # in standard deviations of the embeddings
DRAWS = 10_000  # from the prior
MISMATCH_DRAWS = 1000
AT_ONCE = 100  # draws compared with all posteriors at a time
ACTIVE_RATE = 0.01  # nats, mean rate of a dimension in use
QUANTILE = 0.99  # of the distances from held-out to training latents
RASTER = 256  # points along each side of the box over which areas are measured


def latent_statistics(
    embeddings: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], classes: tuple[str, ...], prior: Prior
) -> dict[str, Any]:
    """Statistics of the posterior means of n images, part of `latent` in an evaluation.

    Returns:
        dimensions; active_units: dimensions whose mean varies by more than 0.01 (section 4 of arXiv:1509.00519);
        ks_max, ks_mean: Kolmogorov-Smirnov distance to N(0, 1), per dimension; centre: the mean; spread: the root of
        the variance averaged over dimensions; drawn_from: the prior's name. For two dimensions also hole_distance:
        a tenth of the spread; drawn_in_holes: share of 10,000 draws from `prior` farther than hole_distance from every
        embedding; and `areas` (S13). In more dimensions all distances are alike, and a fixed one would say nothing.
    """
    ks = ks_distances(embeddings)
    deviation = standard_deviation(embeddings)
    statistics: dict[str, Any] = {
        "dimensions": embeddings.shape[1],
        "active_units": int((embeddings.var(axis=0) > ACTIVE_VARIANCE).sum()),
        "ks_max": float(ks.max()),
        "ks_mean": float(ks.mean()),
        "centre": [round(float(value), 6) for value in embeddings.mean(axis=0)],
        "spread": deviation,
        "drawn_from": prior.name,
    }
    if embeddings.shape[1] == 2:
        statistics["hole_distance"] = HOLE * deviation
        draws = prior.sample(DRAWS, np.random.default_rng(0))
        statistics["drawn_in_holes"] = float(in_holes(draws, embeddings, HOLE * deviation).mean())
        statistics["areas"] = areas(embeddings, labels, classes, HOLE * deviation)
    return statistics


def standard_deviation(embeddings: Float[np.ndarray, "n d"]) -> float:
    """Root of the variance averaged over dimensions."""
    return float(np.sqrt(embeddings.var(axis=0).mean()))


def in_holes(
    z: Float[np.ndarray, "m 2"], embeddings: Float[np.ndarray, "n 2"], distance: float
) -> Bool[np.ndarray, " m"]:
    """Which latents are farther than `distance` from every embedding."""
    gaps, _ = KDTree(embeddings).query(z)
    return np.asarray(gaps) > distance


def ks_distances(embeddings: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " d"]:
    """Kolmogorov-Smirnov distance of each dimension to N(0, 1): the largest gap between the two CDFs, 0 to 1."""
    n = len(embeddings)
    cdf = ndtr(np.sort(embeddings.astype(np.float64), axis=0))
    steps = np.arange(n + 1)[:, None] / n
    return np.maximum(np.abs(cdf - steps[:-1]), np.abs(cdf - steps[1:])).max(axis=0)


def areas(
    embeddings: Float[np.ndarray, "n 2"], labels: Int[np.ndarray, " n"], classes: tuple[str, ...], distance: float
) -> dict[str, Any]:
    """Shares of the bounding box of 2-D embeddings: empty, and per class; on a raster of 256 x 256 points (S13).

    Returns:
        box: its corners; empty: share of it farther than `distance` from every embedding; area_share: share of it whose
        nearest embedding has each class; data_share: share of the labelled images in each class;
        area_mismatch: total variation distance between the two, 0 (equal) to 1; p_area_share and
        p_area_mismatch: the same over the unit square of p = Phi(z), where N(0, I) is uniform (S15).
    """
    low, high = embeddings.min(axis=0), embeddings.max(axis=0)
    found: dict[str, Any] = {"box": [low.tolist(), high.tolist()]}
    gaps, _ = nearest_over(embeddings, low, high)
    found["empty"] = float((gaps > distance).mean())
    labelled = labels >= 0
    if not classes or not labelled.any():
        return found
    data_share = np.bincount(labels[labelled], minlength=len(classes)) / labelled.sum()
    found["data_share"] = _by_class(classes, data_share)
    p = ndtr(embeddings.astype(np.float64))
    for prefix, points, corners in (("", embeddings, (low, high)), ("p_", p, (np.zeros(2), np.ones(2)))):
        _, rows = nearest_over(points[labelled], *corners)
        share = np.bincount(labels[labelled][rows], minlength=len(classes)) / len(rows)
        found[f"{prefix}area_share"] = _by_class(classes, share)
        found[f"{prefix}area_mismatch"] = float(np.abs(share - data_share).sum() / 2)
    return found


def nearest_over(
    points: Float[np.ndarray, "n 2"], low: Float[np.ndarray, " 2"], high: Float[np.ndarray, " 2"]
) -> tuple[Float[np.ndarray, " r"], Int[np.ndarray, " r"]]:
    """Distance to, and row of, the nearest of `points` for each point of a regular raster over a box; r = 256 * 256."""
    axes = [np.linspace(a, b, RASTER, endpoint=False) + (b - a) / RASTER / 2 for a, b in zip(low, high, strict=True)]
    raster = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    distances, rows = KDTree(points).query(raster)
    return np.asarray(distances), np.asarray(rows)


def aggregate_statistics(train: Latents, held_out: Latents, prior: Prior, seed: int = 0) -> dict[str, Any]:
    """Statistics of the aggregate posterior, part of `latent` in an evaluation.

    Returns:
        rate_by_dimension_nats: KL(q(z_k|x) || N(0, 1)), averaged over held-out images (None for an autoencoder);
        correlation_max: the largest correlation of two dimensions' means, 0 to 1; mismatch_nats: KL(q(z) || N(0, I)) of
        the aggregate posterior (None for an autoencoder), see `mismatch`; holes: share of 10,000 draws from the prior
        farther from every training latent than 99 % of the held-out latents are.
    """
    random = np.random.default_rng(seed)
    by_dimension = rate_by_dimension(held_out)
    return {
        "rate_by_dimension_nats": None if by_dimension is None else [round(float(rate), 6) for rate in by_dimension],
        "correlation_max": correlation(held_out.mean),
        "mismatch_nats": mismatch(train, random),
        "holes": holes(
            sample_posteriors(train, random), sample_posteriors(held_out, random), prior.sample(DRAWS, random)
        ),
    }


def sample_posteriors(latents: Latents, random: np.random.Generator) -> Float[np.ndarray, "n d"]:
    """One z ~ q(z|x) per image, the code itself for an autoencoder."""
    if latents.log_var is None:
        return latents.mean
    noise = random.standard_normal(latents.mean.shape, dtype=np.float32)
    return latents.mean + np.exp(latents.log_var / 2) * noise


def rate_by_dimension(latents: Latents) -> Float[np.ndarray, " d"] | None:
    """Mean KL(q(z_k|x) || N(0, 1)) of each dimension in nats, which add up to the rate; None for an autoencoder."""
    if latents.log_var is None:
        return None
    mean, log_var = latents.mean.astype(np.float64), latents.log_var.astype(np.float64)
    return -0.5 * (1 + log_var - mean**2 - np.exp(log_var)).mean(axis=0)


def correlation(means: Float[np.ndarray, "n d"]) -> float:
    """The largest absolute correlation between two dimensions; 0 where only one varies."""
    varying = means[:, means.std(axis=0) > 1e-6].astype(np.float64)
    if varying.shape[1] < 2 or len(varying) < 3:
        return 0.0
    together = np.abs(np.corrcoef(varying, rowvar=False))
    np.fill_diagonal(together, 0)
    return float(together.max())


def mismatch(latents: Latents, random: np.random.Generator) -> float | None:
    """KL(q(z) || N(0, I)) in nats, q(z) = 1/N sum_n q(z|x_n); None for an autoencoder.

    Estimated with 1,000 draws from q(z). The rate is this plus the mutual information of z and the image (Hoffman and
    Johnson 2016, "ELBO surgery"). Where the posteriors of N images do not overlap at all it is the rate minus log N.
    """
    if latents.log_var is None:
        return None
    mean, log_var = latents.mean.astype(np.float64), latents.log_var.astype(np.float64)
    n, d = mean.shape
    rows = random.integers(0, n, MISMATCH_DRAWS)
    z = mean[rows] + np.exp(log_var[rows] / 2) * random.standard_normal((MISMATCH_DRAWS, d))
    precision = np.exp(-log_var)
    # sum_k (z - m)^2 / v as matrix products; the terms without z are summed once.
    constant = (log_var + mean**2 * precision).sum(axis=1)
    logs = [
        np.asarray(logsumexp(-0.5 * (part**2 @ precision.T - 2 * part @ (mean * precision).T + constant), axis=1))
        for part in np.array_split(z, -(-len(z) // AT_ONCE))
    ]
    # The constants of the two normal densities, d/2 log 2 pi, cancel.
    return float((np.concatenate(logs) - math.log(n) + 0.5 * (z**2).sum(axis=1)).mean())


def holes(
    train: Float[np.ndarray, "n d"], held_out: Float[np.ndarray, "m d"], draws: Float[np.ndarray, "k d"]
) -> float:
    """Share of draws farther from every training latent than 99 % of the held-out latents are."""
    threshold = np.quantile(nearest(train, held_out, 1).distances, QUANTILE)
    return float((nearest(train, draws, 1).distances > threshold).mean())


def _compute(context: Context) -> dict[str, Any]:
    latents, classes = context.latents, context.images.info.classes
    train = context.wardrobe.latents.split("train")
    return {
        **latent_statistics(latents.mean, context.part.labels, classes, context.prior),
        **aggregate_statistics(train, latents, context.prior),
    }


MEASURE = Measure(_compute)


def _by_class(classes: tuple[str, ...], values: np.ndarray) -> dict[str, float]:
    return {name: float(value) for name, value in zip(classes, values, strict=True)}
