"""95 % intervals by bootstrap over images (Efron 1979)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped

REPLICATES = 1000
MAX_VALUES = 2_000_000  # drawn at once
Interval = dict[str, float]


def interval(values: Shaped[np.ndarray, " n"], seed: int = 0) -> Interval:
    """The mean over images and its 95 % bootstrap interval, from one value per image.

    Returns:
        value, low, high.
    """
    values = np.asarray(values, np.float64)
    random = np.random.default_rng(seed)
    at_once = max(1, MAX_VALUES // len(values))
    means = np.concatenate(
        [
            values[random.integers(0, len(values), (min(at_once, REPLICATES - k), len(values)))].mean(axis=1)
            for k in range(0, REPLICATES, at_once)
        ]
    )
    low, high = np.quantile(means, [0.025, 0.975])
    return {"value": float(values.mean()), "low": float(low), "high": float(high)}
