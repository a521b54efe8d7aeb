"""Statistics of the posterior means: distance to N(0, 1), active units and, on a plane, holes and class areas."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from armoire.measure.aggregate_posterior import DRAWS, aggregate_statistics
from armoire.measure.measure import Context, Measure
from armoire.priors import Prior

ACTIVE_VARIANCE = 0.01
HOLE = 0.1  # in standard deviations of the embeddings
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


def _compute(context: Context) -> dict[str, Any]:
    means, labels, classes = context.latents.mean, context.part.labels, context.images.info.classes
    train = context.wardrobe.latents.split("train")
    return {
        **latent_statistics(means, labels, classes, context.prior),
        **aggregate_statistics(train, context.latents, context.prior),
    }


MEASURE = Measure(_compute)


def in_holes(
    z: Float[np.ndarray, "m 2"], embeddings: Float[np.ndarray, "n 2"], distance: float
) -> Bool[np.ndarray, " m"]:
    """Which latents are farther than `distance` from every embedding."""
    from scipy.spatial import KDTree

    gaps, _ = KDTree(embeddings).query(z)
    return np.asarray(gaps) > distance


def ks_distances(embeddings: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " d"]:
    """Kolmogorov-Smirnov distance of each dimension to N(0, 1): the largest gap between the two CDFs, 0 to 1."""
    from scipy.special import ndtr

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
    from scipy.special import ndtr

    low, high = embeddings.min(axis=0), embeddings.max(axis=0)
    found: dict[str, Any] = {"box": [low.tolist(), high.tolist()]}
    gaps, nearest = nearest_over(embeddings, low, high)
    found["empty"] = float((gaps > distance).mean())
    labelled = labels >= 0
    if not classes or not labelled.any():
        return found
    data_share = np.bincount(labels[labelled], minlength=len(classes)) / labelled.sum()
    found["data_share"] = _by_class(classes, data_share)
    p = ndtr(embeddings.astype(np.float64))
    for prefix, points, corners in (("", embeddings, (low, high)), ("p_", p, (np.zeros(2), np.ones(2)))):
        _, nearest = nearest_over(points[labelled], *corners)
        share = np.bincount(labels[labelled][nearest], minlength=len(classes)) / len(nearest)
        found[f"{prefix}area_share"] = _by_class(classes, share)
        found[f"{prefix}area_mismatch"] = float(np.abs(share - data_share).sum() / 2)
    return found


def nearest_over(
    points: Float[np.ndarray, "n 2"], low: Float[np.ndarray, " 2"], high: Float[np.ndarray, " 2"]
) -> tuple[Float[np.ndarray, " r"], Int[np.ndarray, " r"]]:
    """Distance to, and row of, the nearest of `points` for each point of a regular raster over a box; r = 256 * 256."""
    from scipy.spatial import KDTree

    axes = [np.linspace(a, b, RASTER, endpoint=False) + (b - a) / RASTER / 2 for a, b in zip(low, high, strict=True)]
    raster = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    distances, rows = KDTree(points).query(raster)
    return np.asarray(distances), np.asarray(rows)


def _by_class(classes: tuple[str, ...], values: np.ndarray) -> dict[str, float]:
    return {name: float(value) for name, value in zip(classes, values, strict=True)}
