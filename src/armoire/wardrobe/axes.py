"""Principal components of latents: the directions of largest variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, eq=False)
class PrincipalAxes:
    """The first k principal components of n latents (Pearson 1901)."""

    mean: Float[np.ndarray, " d"]  # float32 (d,), of the latents
    vectors: Float[np.ndarray, "k d"]  # float32 (k, d), orthonormal, largest variance first
    scales: Float[np.ndarray, " k"]  # float32 (k,), standard deviation of the latents along each
    shares: Float[np.ndarray, " k"]  # float32 (k,), share of the total variance that each explains

    def project(self, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n k"]:
        """Coordinates along the axes, relative to the mean, in latent units."""
        return ((z.astype(np.float64) - self.mean) @ self.vectors.T).astype(np.float32)


def principal_axes(embeddings: Float[np.ndarray, "n d"], k: int) -> PrincipalAxes:
    """The first min(k, d) principal components of n latents.

    The sign of a component is arbitrary; here its largest weight is positive, so that figures agree across machines.
    """
    d = embeddings.shape[1]
    mean = embeddings.mean(axis=0, dtype=np.float64)
    centred = embeddings.astype(np.float64) - mean
    values, vectors = np.linalg.eigh(centred.T @ centred / len(embeddings))
    order = np.argsort(values, kind="stable")[::-1][: min(k, d)]
    values, axes = np.maximum(values, 0), vectors.T[order]
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    shares = values[order] / max(float(values.sum()), 1e-12)
    parts = (mean, axes, np.sqrt(values[order]), shares)
    return PrincipalAxes(*(part.astype(np.float32) for part in parts))
