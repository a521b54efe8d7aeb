"""Outliers and groups among images, by their features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

REFERENCES = 10_000  # images that all others are compared with, at most
NEAR = 0.01  # share of them whose mean distance is the score: groups of fewer images are outliers
FEWEST_NEAR = 5
BLOCK = 2048  # images at a time
COMPONENTS = 64
SAMPLE = 5000  # images that components and groups are fitted to
GROUPS = range(2, 25)
JUDGED = 2000  # images that the number of groups is chosen by


@dataclass(frozen=True, eq=False)
class Groups:
    """The group of each of n images, from 0, the largest, and the row of each group's exemplar."""

    group: Int[np.ndarray, " n"]
    exemplars: Int[np.ndarray, " g"]


def pixel_features(small: UInt8[np.ndarray, "n s s 3"], seed: int = 0) -> Float[np.ndarray, "n d"]:
    """The first principal components of images, and the norm of what they leave."""
    from sklearn.decomposition import PCA

    def pixels(images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1).astype(np.float32) / 255

    rows = np.random.default_rng(seed).permutation(len(small))[:SAMPLE]
    count = min(COMPONENTS, len(rows), small[0].size)
    fitted = PCA(count, svd_solver="randomized", random_state=seed).fit(pixels(small[rows]))
    found = []
    for start in range(0, len(small), BLOCK):
        block = pixels(small[start : start + BLOCK])
        z = fitted.transform(block)
        left = np.square(block - fitted.mean_).sum(1) - np.square(z).sum(1)
        found.append(np.column_stack([z, np.sqrt(left.clip(0))]))
    return np.concatenate(found).astype(np.float32)


def outlier_scores(
    features: Float[np.ndarray, "n f"], original: Int[np.ndarray, " n"], seed: int = 0
) -> Float[np.ndarray, " n"]:
    """Mean distance to the nearest one per cent of the other images, of at most 10,000 drawn ones.

    A copy is compared with other images than its original, -1 where it is one.
    """
    from sklearn.neighbors import NearestNeighbors

    distinct = np.flatnonzero(original < 0)
    references = np.random.default_rng(seed).permutation(distinct)[:REFERENCES]
    if len(references) < 2:
        return np.zeros(len(features))
    k = min(max(FEWEST_NEAR, round(NEAR * len(references))), len(references) - 1)
    search = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(features[references].astype(np.float32))
    itself = np.where(original < 0, np.arange(len(original)), original)
    scores = []
    for start in range(0, len(features), BLOCK):
        rows = slice(start, start + BLOCK)
        distances, near = search.kneighbors(features[rows].astype(np.float32))
        own = references[near] == itself[rows, None]
        own[~own.any(axis=1), -1] = True  # not among the references: the farthest is one too many
        scores.append(np.where(own, 0, distances).sum(axis=1) / k)
    return np.concatenate(scores)


def percentiles(scores: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The share of images with a lower score, in per cent; 100 (n - 1) / n for the highest."""
    from scipy.stats import rankdata

    return (rankdata(scores, "average") - 1) * 100 / len(scores)


def find_groups(features: Float[np.ndarray, "n f"], original: Int[np.ndarray, " n"], seed: int = 0) -> Groups:
    """Groups by k-means on principal components of features; their number by the silhouette of a sample."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.metrics import silhouette_score

    random = np.random.default_rng(seed)
    sample = random.permutation(np.flatnonzero(original < 0))[:SAMPLE]
    fitted = PCA(min(COMPONENTS, len(sample), features.shape[1]), svd_solver="randomized", random_state=seed)
    z = fitted.fit_transform(features[sample].astype(np.float32))
    judged = random.permutation(len(z))[:JUDGED]
    best, best_score = None, -np.inf
    for k in GROUPS:
        if k >= len(z) // 2:
            break
        means = KMeans(k, n_init=2, random_state=seed).fit(z)  # type: ignore[arg-type]
        found = np.asarray(means.labels_)[judged]
        score = silhouette_score(z[judged], found) if len(np.unique(found)) > 1 else -1.0
        if score > best_score:
            best, best_score = means, score
    blocks = [features[i : i + BLOCK] for i in range(0, len(features), BLOCK)]
    points = np.concatenate([fitted.transform(block.astype(np.float32)) for block in blocks])
    if best is None:
        return _by_size(np.zeros(len(features), np.int64), np.linalg.norm(points, axis=1))
    distances = best.transform(points)
    group = distances.argmin(axis=1)
    return _by_size(group, distances[np.arange(len(group)), group])


def _by_size(group: Int[np.ndarray, " n"], distance: Float[np.ndarray, " n"]) -> Groups:
    """Groups numbered by size; the exemplar is the image nearest to the centre."""
    found, inverse, sizes = np.unique(group, return_inverse=True, return_counts=True)
    number = np.empty(len(found), np.int64)
    number[np.argsort(-sizes, kind="stable")] = np.arange(len(found))
    group = number[inverse]
    nearest = np.lexsort((distance, group))
    return Groups(group, nearest[np.searchsorted(group[nearest], np.arange(len(found)))])
