"""Exact nearest neighbours: every distance is computed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, Real

# A block of distances fits in a processor's cache.
QUERIES = 1024
ROWS = 8192


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The k nearest neighbours of m latents.

    Attributes:
        rows: int64 (m, k), rows of the searched latents, nearest first.
        distances: float32 (m, k), Euclidean, in latent units; exact in either search.
        search: `exact` or `index`.
        recall: share of the 10 nearest that such a search finds, measured when its index was built.
    """

    rows: Int[np.ndarray, "m k"]
    distances: Float[np.ndarray, "m k"]
    search: Literal["exact", "index"] = "exact"
    recall: float = 1.0


def nearest(
    latents: Real[np.ndarray, "n d"], z: Float[np.ndarray, "m d"], k: int, among: Bool[np.ndarray, " n"] | None = None
) -> Neighbours:
    """The k nearest of all rows, or of those in `among`, by exact search; of equal distances, the first row first."""
    if among is not None and among.any():
        rows = np.flatnonzero(among)
        # The rows of a split are contiguous: a view, not a copy.
        contiguous = rows[-1] - rows[0] + 1 == len(rows)
        found = nearest(latents[rows[0] : rows[-1] + 1] if contiguous else latents[rows], z, k)
        return replace(found, rows=rows[found.rows])
    k = min(k, len(latents)) if among is None else 0
    if k == 0 or len(z) == 0:
        return Neighbours(np.empty((len(z), k), np.int64), np.empty((len(z), k), np.float32))
    # Centred: far from the origin, the differences of large squares are all rounding.
    mean = latents.mean(axis=0).astype(np.float32)
    found = [_nearest(latents, z[start : start + QUERIES], k, mean) for start in range(0, len(z), QUERIES)]
    rows, distances = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Neighbours(rows, distances)


def _nearest(latents: np.ndarray, z: np.ndarray, k: int, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and distances, updated block by block."""
    queries = z - mean
    rows = np.empty((len(z), 0), np.int64)
    scores = np.empty((len(z), 0), np.float32)
    for start in range(0, len(latents), ROWS):
        centred = latents[start : start + ROWS] - mean
        part = np.einsum("nd,nd->n", centred, centred) - 2 * queries @ centred.T
        near = _smallest(part, k)
        rows = np.concatenate([rows, near + start], axis=1)
        scores = np.concatenate([scores, np.take_along_axis(part, near, axis=1)], axis=1)
        best = _smallest(scores, k)
        rows, scores = np.take_along_axis(rows, best, axis=1), np.take_along_axis(scores, best, axis=1)
    return sort_by_distance(latents, z, rows)


def _smallest(scores: np.ndarray, k: int) -> np.ndarray:
    """Columns of the k smallest values of each row, unsorted; all columns where there are fewer."""
    if scores.shape[1] <= k:
        return np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    return np.argpartition(scores, k - 1, axis=1)[:, :k]


def sort_by_distance(
    latents: Real[np.ndarray, "n d"], z: Float[np.ndarray, "m d"], rows: Int[np.ndarray, "m k"]
) -> tuple[Int[np.ndarray, "m k"], Float[np.ndarray, "m k"]]:
    """Rows sorted by their exact distance to each latent (of equal ones, the first row first), and the distances."""
    rows = np.sort(rows, axis=1)
    distances = np.linalg.norm(latents[rows] - z[:, None], axis=2).astype(np.float32)
    order = np.argsort(distances, axis=1, kind="stable")
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(distances, order, axis=1)
