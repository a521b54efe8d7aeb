"""Exact nearest neighbours: every distance is computed, by scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

QUERIES = 1024  # at a time


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
    latents: Float[np.ndarray, "n d"], z: Float[np.ndarray, "m d"], k: int, among: Bool[np.ndarray, " n"] | None = None
) -> Neighbours:
    """The k nearest of all rows, or of those in `among`, by exact search, sorted by distance, then row."""
    if among is not None and among.any():
        rows = np.flatnonzero(among)
        # The rows of a split are contiguous: a view, not a copy.
        contiguous = rows[-1] - rows[0] + 1 == len(rows)
        found = nearest(latents[rows[0] : rows[-1] + 1] if contiguous else latents[rows], z, k)
        return replace(found, rows=rows[found.rows])
    k = min(k, len(latents)) if among is None else 0
    if k == 0 or len(z) == 0:
        return Neighbours(np.empty((len(z), k), np.int64), np.empty((len(z), k), np.float32))
    from sklearn import config_context
    from sklearn.neighbors import NearestNeighbors

    with config_context(assume_finite=True):
        search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(latents)
        parts = np.array_split(z, -(-len(z) // QUERIES))
        found = [sort_by_distance(latents, part, search.kneighbors(part, return_distance=False)) for part in parts]
    rows, distances = (np.concatenate(each) for each in zip(*found, strict=True))
    return Neighbours(rows, distances)


def sort_by_distance(
    latents: Float[np.ndarray, "n d"], z: Float[np.ndarray, "m d"], rows: Int[np.ndarray, "m k"]
) -> tuple[Int[np.ndarray, "m k"], Float[np.ndarray, "m k"]]:
    """Rows sorted by their exact distance to each latent, then by row, and the distances."""
    rows = np.sort(rows, axis=1)
    distances = np.linalg.norm(latents[rows] - z[:, None], axis=2).astype(np.float32)
    order = np.argsort(distances, axis=1, kind="stable")
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(distances, order, axis=1)
