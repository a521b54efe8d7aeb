"""Which real images lie nearest to a place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

CHUNK = 1024


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The k nearest of m places.

    Attributes:
        rows: int64 (m, k), rows of the latents that were searched, nearest first.
        distances: float32 (m, k), Euclidean, in units of the latent space.
    """

    rows: Int[np.ndarray, "m k"]
    distances: Float[np.ndarray, "m k"]


def nearest(latents: Float[np.ndarray, "n d"], z: Float[np.ndarray, "m d"], k: int) -> Neighbours:
    """Exact search: every distance is computed."""
    k = min(k, len(latents))
    # About their middle: far from the origin, the differences of large squares are all rounding.
    middle = latents.mean(axis=0)
    centred = latents - middle
    squares = np.einsum("nd,nd->n", centred, centred)
    rows, distances = [], []
    for start in range(0, len(z), CHUNK):
        part = z[start : start + CHUNK]
        scores = squares - 2 * (part - middle) @ centred.T
        near = np.argpartition(scores, k - 1, axis=1)[:, :k]
        exact = np.linalg.norm(latents[near] - part[:, None], axis=2)
        order = np.argsort(exact, axis=1, kind="stable")
        rows.append(np.take_along_axis(near, order, axis=1))
        distances.append(np.take_along_axis(exact, order, axis=1))
    return Neighbours(np.concatenate(rows), np.concatenate(distances).astype(np.float32))
