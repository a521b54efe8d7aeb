"""95 % intervals of means, of ratios of means and of shares."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Shaped

REPLICATES, MAX_VALUES = 1000, 2_000_000  # bootstrap resamples of an interval, and values drawn at once
Interval = dict[str, float]


def interval(values: Shaped[np.ndarray, " n"], seed: int = 0) -> Interval:
    """value, low, high: the mean over images and its 95 % bootstrap interval (Efron 1979), from one value per image."""
    values = np.asarray(values, np.float64)
    means = [values[rows].mean(axis=1) for rows in _resamples(len(values), seed)]
    return _ends(float(values.mean()), np.concatenate(means))


def ratio_interval(a: Shaped[np.ndarray, " n"], b: Shaped[np.ndarray, " n"], seed: int = 0) -> Interval:
    """value, low, high: the ratio of two means over the same images, and its 95 % bootstrap interval."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    least = np.finfo(np.float64).tiny
    ratios = [a[rows].mean(axis=1) / np.maximum(b[rows].mean(axis=1), least) for rows in _resamples(len(a), seed)]
    return _ends(float(a.mean() / max(b.mean(), least)), np.concatenate(ratios))


def share_interval(found: Bool[np.ndarray, " n"]) -> Interval:
    """value, low, high: the share that is true and its 95 % interval (Wilson 1927), of some width at 0 and 1 too."""
    from scipy.stats import binomtest

    share = binomtest(int(np.sum(found)), len(found)).proportion_ci(0.95, method="wilson")
    return {"value": float(np.mean(found)), "low": float(share.low), "high": float(share.high)}


def _resamples(n: int, seed: int) -> Iterator[np.ndarray]:
    random, at_once = np.random.default_rng(seed), max(1, MAX_VALUES // n)
    for k in range(0, REPLICATES, at_once):
        yield random.integers(0, n, (min(at_once, REPLICATES - k), n))


def _ends(value: float, resampled: np.ndarray) -> Interval:
    low, high = np.quantile(resampled, [0.025, 0.975])
    return {"value": value, "low": float(low), "high": float(high)}
