"""Approximate nearest neighbours in a large set of latents: one HNSW graph (arXiv:1603.09320), built by usearch.

The graph contains the standardised latents in half precision, or in float32 where rounding would mix up neighbours.
What it finds is sorted by exact distances. Its recall is measured while it is built, with images that it does not
contain yet. It is stored in the cache under the SHA-256 of the latents, never in a run: usearch trusts the bytes that
it loads, and runs are shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Int

from armoire.extras import install_command
from armoire.io.artifacts import Artifacts, TensorFormat
from armoire.io.files import cache_folder, sha256
from armoire.progress import SILENT, Progress, Task
from armoire.wardrobe.neighbours import Neighbours, nearest, sort_by_distance

if TYPE_CHECKING:
    from usearch.index import Index

FOLDER = "neighbours"  # of the cache
EXPANSIONS = (64, 96, 128, 192, 256, 384, 512)  # ef of a search: the first of sufficient recall is used
SUFFICIENT_RECALL = 0.96
LARGE, SUFFICIENT_RECALL_OF_LARGE = 500_000, 0.88  # keeps a query among a million within milliseconds
K, QUERIES = 10, 200  # of the measured recall
PRECISE = 0.99  # share of the neighbours that survive rounding to half precision
OVERSAMPLING = 2  # candidates from the graph per neighbour requested
MOST = 100  # neighbours requested from the graph; more are searched exactly
WORTH_IT = 80_000_000  # n (d + ROW_COST), from which exact search takes over 0.1 s on two cores
ROW_COST = 20  # cost of a row regardless of its length, in latent dimensions
BLOCK = 8192  # rows added between two progress updates


@dataclass(eq=False)
class NeighbourIndex:
    """A graph over n latents, and the latents."""

    latents: Float[np.ndarray, "n d"]
    graph: Index  # of (latents - mean) / scale; its keys are their rows
    mean: Float[np.ndarray, " d"]
    scale: float  # standard deviation over all dimensions
    recall: float = 0.0  # share of the 10 nearest neighbours found, over held-out queries

    def search(self, z: Float[np.ndarray, "m d"], k: int, among: Bool[np.ndarray, " n"] | None = None) -> Neighbours:
        """The k nearest of all rows, or of those in `among`, with the measured recall.

        Search is exact where the graph finds too few rows, or would be asked for over 100.
        """
        n = len(self.latents)
        eligible = n if among is None else int(among.sum())
        k = min(k, eligible)
        # With a share p of the rows eligible, k / p candidates contain k of them on average; twice that is seldom less.
        requested = k if eligible == n else 2 * k * n // max(1, eligible)
        if 0 < k <= requested <= MOST and len(z):
            near = [self._candidates(query, OVERSAMPLING * requested, among) for query in self._standardise(z)]
            if min(map(len, near)) >= k:
                found = [sort_by_distance(self.latents, z[i : i + 1], rows[None]) for i, rows in enumerate(near)]
                rows, distances = (
                    np.concatenate([part[:, :k] for part in parts]) for parts in zip(*found, strict=True)
                )
                return Neighbours(rows, distances, "index", self.recall)
        return nearest(self.latents, z, k, among)

    def add(self, rows: Int[np.ndarray, " r"], task: Task) -> None:
        """Add rows of the latents to the graph."""
        for start in range(0, len(rows), BLOCK):
            part = rows[start : start + BLOCK]
            self.graph.add(part, self._standardise(self.latents[part]))
            task.advance(len(part))

    def encode(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The content of its file."""
        import torch

        tensors = {"graph": torch.frombuffer(bytearray(self.graph.save() or b""), dtype=torch.uint8)}
        settings = {"expansion_search": self.graph.expansion_search, "scale": self.scale, "recall": self.recall}
        return tensors | {"mean": torch.from_numpy(self.mean)}, settings

    @classmethod
    def decode(cls, content: tuple[dict[str, Any], dict[str, Any]], latents: np.ndarray) -> NeighbourIndex:
        """The index from the content of its file; ValueError if that is no graph of these latents' shape."""
        from usearch.index import Index

        tensors, settings = content
        graph = Index.restore(tensors["graph"].numpy().tobytes(), enable_key_lookups=False)
        if graph is None or (len(graph), graph.ndim) != latents.shape:
            raise ValueError(f"it contains no graph of {latents.shape} latents")
        graph.expansion_search = settings["expansion_search"]
        return cls(latents, graph, tensors["mean"].numpy(), settings["scale"], settings["recall"])

    def _standardise(self, z: np.ndarray) -> np.ndarray:
        return ((z - self.mean) / self.scale).astype(np.float32)

    def _candidates(self, query: np.ndarray, count: int, among: np.ndarray | None) -> np.ndarray:
        rows = self.graph.search(query, count).keys.astype(np.int64)
        return rows if among is None else rows[among[rows]]


def load_index(latents: Float[np.ndarray, "n d"], progress: Progress = SILENT) -> NeighbourIndex | None:
    """The cached index of a large set, built when first needed; None for a smaller set, and without usearch."""
    n, d = latents.shape
    if n * (d + ROW_COST) < WORTH_IT:
        return None
    if find_spec("usearch") is None:
        how = f"armoire[neighbours] makes it quicker: {install_command('neighbours')}"
        progress.note(f"every distance to {n:,} images is computed; {how}")
        return None
    digest = sha256(repr(latents.shape).encode(), np.ascontiguousarray(latents, np.float32).data)
    file = TensorFormat(
        "armoire-neighbours-2", NeighbourIndex.encode, lambda content: NeighbourIndex.decode(content, latents)
    )
    cache = Artifacts(cache_folder() / FOLDER, lambda: {"latents_sha256": digest})
    return cache.get(f"{digest[:32]}.safetensors", file, lambda: build_index(latents, progress), progress=progress)


def build_index(latents: Float[np.ndarray, "n d"], progress: Progress = SILENT, seed: int = 0) -> NeighbourIndex:
    """Build an index and measure its recall with images drawn by the seed; minutes for a million latents of 200."""
    from usearch.index import Index

    n, d = latents.shape
    queries = np.sort(np.random.default_rng(seed).choice(n, min(QUERIES, n // 10), replace=False))
    truth = _nearest_others(latents, queries, K)
    mean = latents.mean(axis=0)
    scale = max(float(latents[:: max(1, n // 10_000)].std()), 1e-12)
    half = ((latents - mean) / scale).astype(np.float16).astype(np.float32)
    precise = recall(_nearest_others(half, queries, OVERSAMPLING * K), truth) >= PRECISE
    graph = Index(ndim=d, metric="l2sq", dtype="f16" if precise else "f32", enable_key_lookups=False)
    index = NeighbourIndex(latents, graph, mean, scale)
    with progress.task("building an index of neighbours", n, "images", rate=True) as task:
        index.add(np.setdiff1d(np.arange(n), queries), task)
        for graph.expansion_search in EXPANSIONS:
            index.recall = round(recall(index.search(latents[queries], K).rows, truth), 4)
            if index.recall >= (SUFFICIENT_RECALL if n < LARGE else SUFFICIENT_RECALL_OF_LARGE):
                break
        index.add(queries, task)
    return index


def recall(found: Int[np.ndarray, "m j"], truth: Int[np.ndarray, "m k"]) -> float:
    """The share of the true neighbours that was found, averaged over queries."""
    return float(np.mean([np.isin(true, rows).mean() for rows, true in zip(found, truth, strict=True)]))


def _nearest_others(latents: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """The k nearest neighbours of some rows, (m, k), excluding all of these rows."""
    found = nearest(latents, latents[queries], min(k + len(queries), len(latents))).rows
    return np.stack([row[~np.isin(row, queries)][:k] for row in found])
