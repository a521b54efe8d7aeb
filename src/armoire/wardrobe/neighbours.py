"""Which real images lie nearest to a place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, Real

PLACES = 1024  # searched for at a time, and
ROWS = 8192  # compared with them at a time: what is computed between them stays in a processor's cache


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The k nearest of m places.

    Attributes:
        rows: int64 (m, k), rows of the latents that were searched, nearest first.
        distances: float32 (m, k), Euclidean, in units of the latent space; exact, however they were found.
        search: `exact`, every distance was computed, or `index`.
        recall: which share of the 10 nearest such a search finds, as measured when its index was built.
    """

    rows: Int[np.ndarray, "m k"]
    distances: Float[np.ndarray, "m k"]
    search: Literal["exact", "index"] = "exact"
    recall: float = 1.0


def nearest(latents: Real[np.ndarray, "n d"], z: Float[np.ndarray, "m d"], k: int) -> Neighbours:
    """Exact search: every distance is computed. Of equally near images, the first comes first."""
    k = min(k, len(latents))
    if k < 1 or len(z) == 0:
        return Neighbours(np.empty((len(z), max(k, 0)), np.int64), np.empty((len(z), max(k, 0)), np.float32))
    # About their middle: far from the origin, the differences of large squares are all rounding.
    middle = latents.mean(axis=0).astype(np.float32)
    found = [_nearest(latents, z[start : start + PLACES], k, middle) for start in range(0, len(z), PLACES)]
    rows, distances = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Neighbours(rows, distances)


def nearest_among(
    latents: Float[np.ndarray, "n d"], z: Float[np.ndarray, "m d"], k: int, among: Bool[np.ndarray, " n"] | None
) -> Neighbours:
    """The same where only some rows count; `among` says which, None that all do."""
    if among is None:
        return nearest(latents, z, k)
    rows = np.flatnonzero(among)
    if len(rows) == 0:
        return nearest(latents[:0], z, k)
    # A split's rows follow each other, and then nothing is copied.
    together = rows[-1] - rows[0] + 1 == len(rows)
    found = nearest(latents[rows[0] : rows[-1] + 1] if together else latents[rows], z, k)
    return replace(found, rows=rows[found.rows])


def _nearest(latents: np.ndarray, z: np.ndarray, k: int, middle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and distances, from the best so far and those of the next rows."""
    places = z - middle
    rows = np.empty((len(z), 0), np.int64)
    scores = np.empty((len(z), 0), np.float32)
    for start in range(0, len(latents), ROWS):
        centred = latents[start : start + ROWS] - middle
        part = np.einsum("nd,nd->n", centred, centred) - 2 * places @ centred.T
        near = _smallest(part, k)
        rows = np.concatenate([rows, near + start], axis=1)
        scores = np.concatenate([scores, np.take_along_axis(part, near, axis=1)], axis=1)
        best = _smallest(scores, k)
        rows, scores = np.take_along_axis(rows, best, axis=1), np.take_along_axis(scores, best, axis=1)
    return in_order(latents, z, rows)


def _smallest(scores: np.ndarray, k: int) -> np.ndarray:
    """Columns of the k smallest of each row, in no order; all where there are no more."""
    if scores.shape[1] <= k:
        return np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    return np.argpartition(scores, k - 1, axis=1)[:, :k]


def in_order(
    latents: Real[np.ndarray, "n d"], z: Float[np.ndarray, "m d"], rows: Int[np.ndarray, "m k"]
) -> tuple[Int[np.ndarray, "m k"], Float[np.ndarray, "m k"]]:
    """Rows found near each place, nearest first and of equals the first row first, and their exact distances."""
    rows = np.sort(rows, axis=1)
    distances = np.linalg.norm(latents[rows] - z[:, None], axis=2).astype(np.float32)
    order = np.argsort(distances, axis=1, kind="stable")
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(distances, order, axis=1)
