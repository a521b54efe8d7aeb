"""Speed and recall of nearest-neighbour search: `python benchmarks/neighbours.py --images 1000000`.

Without a run the latents are drawn from a mixture of 100 Gaussians, whose axes and spread are chosen so that they are
about as hard to search as those of faces-vae: what makes a set hard is its intrinsic dimension, estimated here by the
likelihood of the 20 nearest distances (Levina and Bickel, "Maximum likelihood estimation of intrinsic dimension",
NIPS 2004, averaged as MacKay and Ghahramani do). `--run RUN` takes a run's latents instead. A thousand queries are
held out of what is searched. Times of one query are wall clock, the medians with the 5th and 95th percentile.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from results import machine

from armoire.io.tables import read_table
from armoire.wardrobe import index as index_module
from armoire.wardrobe.index import FOLDER, K, load_index, recall
from armoire.wardrobe.latents import Latents
from armoire.wardrobe.neighbours import nearest

QUERIES = 1000


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description="Speed and recall of nearest-neighbour search.")
    parser.add_argument("--run", type=Path, help="a run's folder, whose latents are searched")
    parser.add_argument("--images", type=int, default=100_000, help="how many are drawn where no run is given")
    parser.add_argument("--dimensions", type=int, default=200, help="of those that are drawn")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    random = np.random.default_rng(arguments.seed)
    if arguments.run:
        latents = Latents.from_table(read_table(arguments.run / "latents.parquet")).mean
        latents = latents[random.permutation(len(latents))]
    else:
        latents = mixture(arguments.images + QUERIES, arguments.dimensions, random)
    rows = {
        "machine": f"{machine()}, Python {platform.python_version()}",
        "latents": f"{len(latents) - QUERIES:,} x {latents.shape[1]}, {arguments.run or 'a mixture of 100 Gaussians'}",
    }
    rows |= measured(latents[:-QUERIES], latents[-QUERIES:])
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:{width}}  {value}")


def mixture(n: int, d: int, random: np.random.Generator, components: int = 100) -> np.ndarray:
    """Latents, float32 (n, d): Gaussians of unequal size and shape about centres that share their axes.

    The variances along the axes fall as those of faces-vae's latents do, from 10 with the power -0.62. Of each a tenth
    lies between the components; within one, every axis has its own width (log-normal, 0.45).
    """
    axes = np.sqrt(10 * np.arange(1, d + 1) ** -0.62)
    centres = (random.standard_normal((components, d)) * axes * np.sqrt(0.1)).astype(np.float32)
    widths = np.exp(0.45 * random.standard_normal((components, d)))
    widths = (widths / np.sqrt((widths**2).mean(axis=0)) * axes * np.sqrt(0.9)).astype(np.float32)
    which = random.choice(components, n, p=random.dirichlet(np.ones(components)))
    latents = random.standard_normal((n, d), dtype=np.float32)
    for start in range(0, n, 65_536):
        part = slice(start, start + 65_536)
        latents[part] = latents[part] * widths[which[part]] + centres[which[part]]
    return latents


def measured(latents: np.ndarray, queries: np.ndarray) -> dict[str, str]:
    """Build, store, load and search an index; and search exactly."""
    truth = nearest(latents, queries, 21)
    rows = {"intrinsic dimension (20 nearest)": f"{intrinsic(truth.distances[:, :20]):.0f}"}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ARMOIRE_CACHE"], index_module.WORTH_IT = folder, 0
        for what in ("build and write, s", "load and check, s"):
            began = time.perf_counter()
            index = load_index(latents)
            rows[what] = f"{time.perf_counter() - began:.1f}"
        assert index is not None
        rows["memory, MB, the most, with everything"] = f"{peak():,.0f} ({latents.nbytes / 1e6:,.0f} of it the latents)"
        rows["file, MB"] = f"{sum(f.stat().st_size for f in (Path(folder) / FOLDER).iterdir()) / 1e6:,.0f}"
    graph = index.graph
    rows["graph"] = f"{graph.dtype}, M {graph.connectivity}, ef {graph.expansion_add}, {graph.expansion_search}"
    rows["recall@10, as measured while it was built"] = f"{index.recall:.3f}"
    found, seconds = one_by_one(lambda z: index.search(z, K), queries)
    rows[f"recall@10, {len(queries):,} other queries"] = f"{recall(found, truth.rows[:, :K]):.3f}"
    rows["one query, ms"] = spread(seconds)
    _, seconds = one_by_one(lambda z: nearest(latents, z, K), queries[:30])
    rows["one exact query, ms"] = spread(seconds)
    return rows


def one_by_one(search, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows found for each query, alone, and the seconds it took."""
    found, seconds = [], []
    for query in queries:
        began = time.perf_counter()
        found.append(search(query[None]).rows[0])
        seconds.append(time.perf_counter() - began)
    return np.stack(found), np.array(seconds)


def intrinsic(distances: np.ndarray) -> float:
    """Dimension of the set about the queries, from their distances to their nearest, (m, k)."""
    return float(1 / np.log(distances[:, -1:] / distances[:, :-1]).mean())


def spread(seconds: np.ndarray) -> str:
    """Median and the 5th and 95th percentile, in milliseconds."""
    low, middle, high = 1e3 * np.quantile(seconds, [0.05, 0.5, 0.95])
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def peak() -> float:
    """The most memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    main()
