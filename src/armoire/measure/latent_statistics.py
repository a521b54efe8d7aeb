"""The shape of the cloud of embeddings: is it what the prior promises, and does it have holes?"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from armoire.priors import Prior

ACTIVE_VARIANCE = 0.01
HOLE = 0.1  # in units of the cloud's spread
DRAWS = 10_000
RASTER = 256  # points along each side of the box at which areas are measured


def latent_statistics(
    embeddings: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], classes: tuple[str, ...], prior: Prior
) -> dict[str, Any]:
    """What `evaluate` says of the posterior means of n images.

    Returns:
        dimensions; active_units: dimensions whose mean varies by more than 0.01 (section 4 of arXiv:1509.00519);
        ks_max, ks_mean: Kolmogorov-Smirnov distance to N(0, 1), per dimension; centre: mean of the cloud; spread:
        root mean square deviation from it, averaged over dimensions; drawn_from: the prior's name. For two dimensions
        also hole_distance: a tenth of the spread; drawn_in_holes: share of 10,000 draws from `prior`, where this model
        is drawn from, that lie farther than hole_distance from every embedding; and `areas` (S13). In more dimensions
        everything lies far from everything, and a fixed distance would say nothing.
    """
    ks = ks_distances(embeddings)
    spread = float(np.sqrt(embeddings.var(axis=0).mean()))
    statistics: dict[str, Any] = {
        "dimensions": embeddings.shape[1],
        "active_units": int((embeddings.var(axis=0) > ACTIVE_VARIANCE).sum()),
        "ks_max": float(ks.max()),
        "ks_mean": float(ks.mean()),
        "centre": [round(float(value), 6) for value in embeddings.mean(axis=0)],
        "spread": spread,
        "drawn_from": prior.name,
    }
    if embeddings.shape[1] == 2:
        statistics["hole_distance"] = HOLE * spread
        draws = prior.sample(DRAWS, np.random.default_rng(0))
        statistics["drawn_in_holes"] = float(in_holes(draws, embeddings, HOLE * spread).mean())
        statistics["areas"] = areas(embeddings, labels, classes, HOLE * spread)
    return statistics


def in_holes(
    places: Float[np.ndarray, "m 2"], embeddings: Float[np.ndarray, "n 2"], distance: float
) -> Bool[np.ndarray, " m"]:
    """Which places lie farther than `distance` from every embedding."""
    from scipy.spatial import KDTree

    gaps, _ = KDTree(embeddings).query(places)
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
    """How the bounding box of 2-D embeddings is shared out, on a raster of 256 x 256 points (S13).

    Returns:
        box: its corners; empty: share of it farther than `distance` from every embedding; area_share: share of it that
        is nearest to an embedding of each class; data_share: share of the labelled images in each class;
        area_mismatch: total variation distance between the two, 0 (every class has its due) to 1; p_area_share and
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
    """Distance to, and row of, the point nearest to each place of a regular raster over a box; r = 256 * 256."""
    from scipy.spatial import KDTree

    axes = [np.linspace(a, b, RASTER, endpoint=False) + (b - a) / RASTER / 2 for a, b in zip(low, high, strict=True)]
    raster = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    distances, rows = KDTree(points).query(raster)
    return np.asarray(distances), np.asarray(rows)


def _by_class(classes: tuple[str, ...], values: np.ndarray) -> dict[str, float]:
    return {name: float(value) for name, value in zip(classes, values, strict=True)}
