"""The aggregate posterior q(z) = 1/N sum_n q(z|x_n), compared with the prior that samples are drawn from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Float

from armoire.priors import Prior
from armoire.wardrobe import Latents
from armoire.wardrobe.neighbours import nearest

DRAWS = 10_000  # from the prior
MISMATCH_DRAWS = 1000
AT_ONCE = 100  # draws compared with all posteriors at a time
ACTIVE_RATE = 0.01  # nats, mean rate of a dimension in use
QUANTILE = 0.99  # of the distances from held-out to training latents


def aggregate_statistics(train: Latents, held_out: Latents, prior: Prior, seed: int = 0) -> dict[str, Any]:
    """Statistics of the aggregate posterior, part of `latent` in an evaluation.

    Args:
        train: the posteriors of the training images.
        held_out: those of the held-out images.
        prior: that samples are drawn from.
        seed: of the draws.

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
    from scipy.special import logsumexp

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
