"""An index over the latents of a large set, so that the nearest are found without computing every distance.

HNSW, a graph of neighbours that is walked towards the place asked for (Malkov and Yashunin, arXiv:1603.09320), as
usearch builds it: four of them, each over every fourth image, so that they are built and searched beside each other,
and each by one thread, which makes it the same every time. They hold the latents as bytes where that is precise enough;
what they find is put in order by exact distances. What they miss is measured when they are built, with images that
they do not hold yet.

neighbours/
    0.usearch .. 3.usearch   the graphs, memory-mapped
    facts.json               what they were made of and how, their digest, and how much of the truth they find
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from importlib import metadata
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int

from armoire.errors import ArmoireError
from armoire.extras import install_command
from armoire.io.files import atomic_folder, cache_folder, read_json, sha256, sha256_of, write_text
from armoire.progress import SILENT, Progress, Task
from armoire.wardrobe.neighbours import Neighbours, in_order, nearest, nearest_among

if TYPE_CHECKING:
    from usearch.index import Index

FOLDER, FACTS = "neighbours", "facts.json"
FORMAT = "armoire-neighbours-1"
GRAPHS = 4  # on any machine, so that equal latents give equal files
CONNECTIVITY, EXPANSION_ADD = 16, 96
EXPANSIONS = (32, 48, 64, 96, 128, 192, 256, 384, 512)  # of a search: the first that finds enough is kept
ENOUGH = 0.96  # recall
# Of very many a search is to stay within some milliseconds, and finds a little less.
MANY, ENOUGH_OF_MANY = 500_000, 0.88
K, QUERIES = 10, 200  # of the recall that is measured
PRECISE = 0.99  # share of the nearest that a search of bytes must find before they do instead of float32
SPARE = 2  # times as many are taken from each graph as are asked for, and put in order by exact distances
MOST = 100  # neighbours that an index is asked for; more are searched exactly
WORTH_IT = 80_000_000  # n (d + ROW_COST), from which exact search takes over 0.1 s on two cores
ROW_COST = 20  # what a row costs whatever its length, in latent dimensions
BLOCK = 8192  # rows added between two reports of progress


@dataclass(frozen=True)
class IndexFacts:
    """What neighbours.json says.

    Attributes:
        format, usearch_version: of the files.
        latents_sha256: of the latents it was built from.
        graphs_sha256: of the graphs' files, one after the other; damaged bytes would lead a search out of its memory.
        dtype: i8 or f32, how the graphs hold the latents.
        step: of i8, the difference of latents that is one byte value.
        connectivity, expansion_add, expansion_search: M, efConstruction and ef of the paper.
        k, queries, recall: of the `k` nearest to `queries` images, held out of the graphs, they found this share.
    """

    format: str
    usearch_version: str
    latents_sha256: str
    graphs_sha256: str
    dtype: str
    step: float
    connectivity: int
    expansion_add: int
    expansion_search: int
    k: int
    queries: int
    recall: float

    @property
    def are_sound(self) -> bool:
        """Whether they are such as this version writes."""
        types = all(type(getattr(self, field.name)).__name__ == field.type for field in fields(self))
        return types and self.format == FORMAT and self.dtype in ("i8", "f32") and self.expansion_search in EXPANSIONS


class NeighbourIndex:
    """Graphs over latents, and the latents.

    Attributes:
        facts: how it was made.
    """

    def __init__(self, latents: Float[np.ndarray, "n d"], graphs: list[Index], facts: IndexFacts) -> None:
        """Prefer `kept_index`, or `build_index` and `open_index`."""
        self.facts = facts
        self._latents = latents
        self._middle = latents.mean(axis=0)
        self._graphs = graphs
        self._threads = ThreadPoolExecutor(min(GRAPHS, os.cpu_count() or 1))
        self._expand(facts.expansion_search)

    def search(self, z: Float[np.ndarray, "m d"], k: int, among: Bool[np.ndarray, " n"] | None = None) -> Neighbours:
        """The k nearest, nearly always; a place for which the graphs give too few is searched for exactly.

        So is every place where more than 100 would have to be asked for.

        Args:
            z: the places.
            k: how many.
            among: which rows count; None: all.
        """
        counting = len(self._latents) if among is None else int(among.sum())
        k = min(k, counting)
        # Where one in two counts, as many again lie between them: twice that is seldom too few.
        asked = k if counting == len(self._latents) else 2 * k * len(self._latents) // max(1, counting)
        if not 0 < k <= asked <= MOST or len(z) == 0:
            return nearest_among(self._latents, z, k, among)
        rows, distances = np.empty((len(z), k), np.int64), np.empty((len(z), k), np.float32)
        for i, candidates in enumerate(self._candidates(z, SPARE * asked)):
            place = z[i : i + 1]
            near = candidates if among is None else candidates[among[candidates]]
            if len(near) < k:
                found = nearest_among(self._latents, place, k, among)
                rows[i], distances[i] = found.rows[0], found.distances[0]
            else:
                ordered, far = in_order(self._latents, place, near[None])
                rows[i], distances[i] = ordered[0, :k], far[0, :k]
        return Neighbours(rows, distances, "index", self.facts.recall)

    def add(self, rows: Int[np.ndarray, " r"], task: Task) -> None:
        """Put rows into the graphs in turn, each by one thread: of several, no two builds would be alike."""
        for start in range(0, len(rows), BLOCK):
            parts = [rows[start : start + BLOCK][i::GRAPHS] for i in range(GRAPHS)]
            list(self._threads.map(self._add, self._graphs, parts))
            task.advance(len(rows[start : start + BLOCK]))

    def measure(self, queries: Int[np.ndarray, " m"], truth: Int[np.ndarray, "m k"]) -> None:
        """Find the least expansion that finds enough for some rows, and remember what it finds."""
        enough = ENOUGH if len(self._latents) < MANY else ENOUGH_OF_MANY
        for expansion in EXPANSIONS:
            self._expand(expansion)
            share = recall(self.search(self._latents[queries], truth.shape[1]).rows, truth)
            self.facts = replace(self.facts, expansion_search=expansion, recall=round(share, 4))
            if share >= enough:
                break

    def write(self, run: Path) -> NeighbourIndex:
        """Write the folder in one step, and open it: what is used is what is kept."""
        with atomic_folder(run / FOLDER) as beside:
            try:
                for path, graph in zip(_files(beside), self._graphs, strict=True):
                    graph.save(path)
            except RuntimeError as error:  # what usearch makes of a full disk
                raise ArmoireError(f"cannot write {run / FOLDER}: {error}; free some space") from error
            facts = replace(self.facts, graphs_sha256=_digest(beside))
            (beside / FACTS).write_text(json.dumps(asdict(facts), indent=1) + "\n", encoding="utf-8")
        write_text(_voucher(facts.graphs_sha256), "")
        return NeighbourIndex(self._latents, _view(run / FOLDER), facts)

    def _add(self, graph: Index, rows: np.ndarray) -> None:
        if len(rows):
            stored = _as_stored(self._latents[rows], self._middle, self.facts.dtype, self.facts.step)
            graph.add(rows, stored, threads=1)

    def _expand(self, expansion: int) -> None:
        for graph in self._graphs:
            graph.expansion_search = expansion

    def _candidates(self, z: np.ndarray, k: int) -> Iterator[np.ndarray]:
        """The rows that the graphs find near each place: k from each, or fewer."""
        stored = _as_stored(z, self._middle, self.facts.dtype, self.facts.step)
        found = list(self._threads.map(lambda graph: _walk(graph, stored, k), self._graphs))
        return map(np.concatenate, zip(*found, strict=True))


def kept_index(run: Path, latents: Float[np.ndarray, "n d"], progress: Progress = SILENT) -> NeighbourIndex | None:
    """The index of a large set, built when it is first asked for; None where exact search will do or has to.

    Args:
        run: the run's folder, in which it is kept.
        latents: all of the run's.
        progress: where to report.
    """
    if not is_worth_it(latents.shape):
        return None
    if find_spec("usearch") is None:
        how = f"armoire[neighbours] makes it quicker: {install_command('neighbours')}"
        progress.note(f"every distance to {len(latents):,} images is computed; {how}")
        return None
    if (kept := open_index(run, latents_digest(latents), latents)) is not None:
        return kept
    if not os.access(run, os.W_OK):
        return None  # to build it takes minutes each time
    built = build_index(latents, progress)
    with contextlib.suppress(ArmoireError):  # of a full disk
        return built.write(run)
    return built


def is_worth_it(shape: tuple[int, ...]) -> bool:
    """Whether to compute every distance to n latents of d dimensions takes longer than a person notices, 0.1 s."""
    n, d = shape
    return n * (d + ROW_COST) >= WORTH_IT


def build_index(latents: Float[np.ndarray, "n d"], progress: Progress = SILENT, seed: int = 0) -> NeighbourIndex:
    """Build an index and measure its recall; the same latents, seed and version of usearch give the same one.

    Args:
        latents: float32, a few dozen or more.
        progress: where to report; a million latents of 200 dimensions take minutes.
        seed: draws the images that the recall is measured with.
    """
    from usearch.index import Index

    queries = np.sort(np.random.default_rng(seed).choice(len(latents), min(QUERIES, len(latents) // 10), replace=False))
    middle = latents.mean(axis=0)
    truth = _nearest_but_itself(latents, queries)
    step = _step(latents, middle)
    dtype = "i8" if _bytes_do(latents, queries, truth, middle, step) else "f32"
    facts = IndexFacts(
        *(FORMAT, metadata.version("usearch"), latents_digest(latents), "", dtype, step),
        *(CONNECTIVITY, EXPANSION_ADD, EXPANSIONS[-1], K, len(queries), 0.0),
    )
    graphs = [
        Index(
            ndim=latents.shape[1],
            metric="l2sq",
            dtype=dtype,
            connectivity=CONNECTIVITY,
            expansion_add=EXPANSION_ADD,
            enable_key_lookups=False,
        )
        for _ in range(GRAPHS)
    ]
    index = NeighbourIndex(latents, graphs, facts)
    with progress.task("building an index of neighbours", len(latents), "images", rate=True) as task:
        index.add(np.setdiff1d(np.arange(len(latents)), queries), task)
        index.measure(queries, truth)
        index.add(queries, task)
    return index


def open_index(run: Path, digest: str, latents: Float[np.ndarray, "n d"]) -> NeighbourIndex | None:
    """The index kept in a run, memory-mapped; None where it is missing, damaged or of other latents.

    Args:
        run: the run's folder.
        digest: `latents_digest` of the latents.
        latents: what it should have been built from.
    """
    folder = run / FOLDER
    try:
        facts = IndexFacts(**read_json(folder / FACTS))
        if not facts.are_sound or facts.latents_sha256 != digest or facts.graphs_sha256 != _digest(folder):
            return None
        if not _voucher(facts.graphs_sha256).exists():
            return None  # built elsewhere: bytes that somebody forged could lead a search out of its memory
        graphs = _view(folder)
    except (OSError, ValueError, TypeError, RuntimeError):
        return None
    if sum(map(len, graphs)) != len(latents) or {graph.ndim for graph in graphs} != {latents.shape[1]}:
        return None
    return NeighbourIndex(latents, graphs, facts)


def latents_digest(latents: Float[np.ndarray, "n d"]) -> str:
    """SHA-256 of the latents and their shape."""
    return sha256(repr((latents.shape, latents.dtype.str)).encode(), np.ascontiguousarray(latents).data)


def recall(found: Int[np.ndarray, "m k"], truth: Int[np.ndarray, "m k"]) -> float:
    """Which share of the truth was found."""
    return float(np.mean([np.isin(true, rows).mean() for rows, true in zip(found, truth, strict=True)]))


def _nearest_but_itself(latents: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """The K nearest to some rows, (m, K), but for these rows, which the graph does not hold yet."""
    found = nearest(latents, latents[queries], min(K + len(queries), len(latents))).rows
    return np.stack([row[~np.isin(row, queries)][:K] for row in found])


def _step(latents: np.ndarray, middle: np.ndarray) -> float:
    """The difference that is one byte value, so that of 10,000 values at most one is cut off."""
    rows = latents[:: max(1, len(latents) // 10_000)] - middle
    return max(float(np.quantile(np.abs(rows), 0.9999)) / 127, float(np.finfo(np.float32).tiny))


def _bytes_do(latents: np.ndarray, queries: np.ndarray, truth: np.ndarray, middle: np.ndarray, step: float) -> bool:
    """Whether bytes tell neighbours apart: those of millions of images in a plane, say, share their bytes."""
    stored = np.empty(latents.shape, np.int8)
    for start in range(0, len(latents), BLOCK):
        stored[start : start + BLOCK] = _as_stored(latents[start : start + BLOCK], middle, "i8", step)
    taken = min(SPARE * K + len(queries), len(latents))
    found = nearest(stored, stored[queries].astype(np.float32), taken).rows
    held = [row[~np.isin(row, queries)][: SPARE * K] for row in found]
    return float(np.mean([np.isin(true, rows).mean() for rows, true in zip(held, truth, strict=True)])) >= PRECISE


def _as_stored(z: np.ndarray, middle: np.ndarray, dtype: str, step: float) -> np.ndarray:
    centred = (z - middle).astype(np.float32)
    return centred if dtype == "f32" else np.clip(np.rint(centred / step), -127, 127).astype(np.int8)


def _walk(graph: Index, z: np.ndarray, k: int) -> list[np.ndarray]:
    """The keys found near each place: k, or fewer."""
    from usearch.index import BatchMatches

    found = graph.search(z, k)
    if isinstance(found, BatchMatches):
        return [keys[:n].astype(np.int64) for keys, n in zip(found.keys, found.counts, strict=True)]
    return [found.keys.astype(np.int64)]


def _voucher(graphs_sha256: str) -> Path:
    """An empty file in the user's cache, which says that graphs of this digest were built for this user."""
    return cache_folder() / FOLDER / graphs_sha256


def _files(folder: Path) -> list[Path]:
    return [folder / f"{i}.usearch" for i in range(GRAPHS)]


def _view(folder: Path) -> list[Index]:
    from usearch.index import Index

    graphs = [Index.restore(path, view=True, enable_key_lookups=False) for path in _files(folder)]
    return [graph for graph in graphs if graph is not None]


def _digest(folder: Path) -> str:
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(path.open("rb")) for path in _files(folder)]
        return sha256_of(chain.from_iterable(iter(partial(file.read, 1 << 20), b"") for file in files))
