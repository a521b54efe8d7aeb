"""The principal axes of a cloud of embeddings: the directions along which images differ most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, eq=False)
class PrincipalAxes:
    """The first k principal components of n embeddings (Pearson 1901).

    Attributes:
        mean: float32 (d,), the middle of the cloud.
        vectors: float32 (k, d), of unit length and at right angles, most variance first.
        scales: float32 (k,), standard deviation of the embeddings along each.
        shares: float32 (k,), share of the whole variance that each explains.
    """

    mean: Float[np.ndarray, " d"]
    vectors: Float[np.ndarray, "k d"]
    scales: Float[np.ndarray, " k"]
    shares: Float[np.ndarray, " k"]

    def project(self, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n k"]:
        """Where places lie along the axes, in latent units from the middle."""
        return ((z.astype(np.float64) - self.mean) @ self.vectors.T).astype(np.float32)


def principal_axes(embeddings: Float[np.ndarray, "n d"], k: int) -> PrincipalAxes:
    """The first k of n embeddings, or as many as there are dimensions.

    An axis has two ends, and either may be the positive one; here its largest weight is positive, so that a figure does
    not flip from one machine to the next.
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
