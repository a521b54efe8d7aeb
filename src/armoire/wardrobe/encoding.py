"""Encode sets of any size: divided into shards, each made exactly once whatever dies meanwhile.

FOLDER/
    manifest.json        what is encoded by what, and how many shards there are; `complete` at the end
    shards/NNNNNN.parquet  id, row, mean, log_var
    rejected.csv         name and reason of every picture that could not be read
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from io import StringIO
from itertools import accumulate
from pathlib import Path
from typing import Literal

from armoire.errors import ArmoireError, did_you_mean
from armoire.extras import needs
from armoire.images.shards import ShardedSource, shard_files, shard_store
from armoire.images.sources import list_images
from armoire.images.sources.parquet import is_parquet, shard_parquet
from armoire.io.files import make_folder, read_json, sha256, write_text
from armoire.wardrobe.shards import DTYPES, WORKERS_A_GPU, Job, Made, ShardTask, read_shard
from armoire.wardrobe.wardrobe import RunLike, Wardrobe
from armoire.wardrobe.workers import make_locally

FORMAT = "armoire-encoding-1"
SHARD_SIZE = 10_000
ENGINES = ("local", "ray")
FOOTERS_AT_ONCE = 16

Engine = Literal["local", "ray"]


@dataclass(frozen=True)
class Encoding:
    """What came of it.

    Attributes:
        folder: where the shards lie.
        shards: how many there are.
        images: how many rows they have.
        rejected: how many pictures could not be read; they are named in rejected.csv.
    """

    folder: Path
    shards: int
    images: int
    rejected: int


def encode_shards(
    wardrobe: RunLike,
    data: str | Path,
    out: str | Path,
    engine: str = "local",
    workers: int | None = None,
    shard_size: int = SHARD_SIZE,
    column: str | None = None,
    id_column: str | None = None,
    dtype: str = "float32",
) -> Encoding:
    """Encode a source of any size to a folder of Parquet shards; one that was stopped goes on.

    Args:
        wardrobe: the run, opened or as `Wardrobe.open` takes it. Its images need not be at hand.
        data: a folder or zip of images, a Parquet file or a folder of them, or what `load_images` takes.
        out: the folder; new, empty, or of the same encoding.
        engine: `local`, processes of this machine, or `ray`, a Ray cluster or a Ray of its own.
        workers: how many at once; by default one a core, or 4 a GPU.
        shard_size: images to a shard.
        column: the Parquet column that holds the images.
        id_column: the Parquet column that names them.
        dtype: `float32` or `float16`.

    Raises:
        ArmoireError: something given does not fit, or `out` holds something else.
    """
    _check(engine, workers, shard_size, dtype)
    wardrobe, out = Wardrobe.open(wardrobe), Path(out)
    division = divide(wardrobe, data, shard_size, column, id_column)
    starts = accumulate(map(len, division.shards), initial=0)
    shards = [ShardTask(k, first, part) for k, (first, part) in enumerate(zip(starts, division.shards, strict=False))]
    device = wardrobe.model.device.type
    here, threads = _share(workers, device)
    run = wardrobe.run.path.resolve()
    model = wardrobe.run.model_sha256()
    facts: dict[str, object] = {
        "format": FORMAT,
        "model_sha256": model,
        "source": division.source,
        "listing": division.digest,
        "images": len(division),
        "shards": len(shards),
        "shard_size": shard_size,
        "columns": [column, id_column],
        "dtype": dtype,
        "latent": wardrobe.recipe.latent,
        "posterior": wardrobe.recipe.posterior,
    }
    key = sha256(json.dumps(facts, sort_keys=True).encode())
    job = Job(str(run), str(out.resolve()), key, model, wardrobe.fit, dtype, device, threads)
    about = facts | {"key": key, "run": str(run), "armoire_version": metadata.version("armoire")}
    _claim(out, about)
    missing = [shard for shard, made in zip(shards, _read_all(job, shards), strict=True) if made is None]
    done = len(division) - sum(len(shard.part) for shard in missing)
    if done and missing:
        wardrobe.progress.note(f"going on with {out}: {done:,} of {len(division):,} images are done")
    if missing:
        with wardrobe.progress.task("encoding", len(division), "images", done=done, rate=True, into=out) as task:
            if engine == "ray":
                from armoire.wardrobe.encoding_ray import make_with_ray

                make_with_ray(job, missing, workers, task)
            else:
                make_locally(job, missing, here, task)
    return _finish(job, shards, out, about)


def divide(
    wardrobe: Wardrobe, data: str | Path, size: int, column: str | None = None, id_column: str | None = None
) -> ShardedSource:
    """A source in parts of up to `size` pictures; a named data set, such as fashion-mnist, is packed first."""
    path = Path(data).expanduser()
    if is_parquet(path):
        return shard_parquet(path, size, column, id_column)
    if column or id_column:
        raise ArmoireError(f"{data} is no Parquet file and no folder of them: --column and --id-column do not apply")
    listing = list_images(str(data))
    return shard_store(wardrobe.load(data), size) if listing is None else shard_files(path, listing, size)


def _check(engine: str, workers: int | None, shard_size: int, dtype: str) -> None:
    for name, value, known in (("engine", engine, ENGINES), ("dtype", dtype, DTYPES)):
        if value not in known:
            raise ArmoireError(f"no {name} '{value}'; {did_you_mean(value, known)}")
    if workers is not None and workers < 1:
        raise ArmoireError(f"--workers should be 1 or more, not {workers}")
    if shard_size < 1:
        raise ArmoireError(f"--shard-size should be 1 or more, not {shard_size}")
    if engine == "ray":
        with needs("--engine ray", "ray"):
            import ray.data  # noqa: F401  # type: ignore[import-not-found]


def _share(workers: int | None, device: str) -> tuple[int, int]:
    """How many workers this machine should have, and how many threads each of them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if device == "cpu":
        return workers or cores, 1
    workers = workers or min(cores, WORKERS_A_GPU)
    return workers, max(1, cores // workers)


def _claim(out: Path, about: dict[str, object]) -> None:
    """Begin or go on in a folder: never over anything else."""
    path = out / "manifest.json"
    if not path.exists():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ArmoireError(f"{out} is there already and holds no encoding; choose a new --out")
        make_folder(out / "shards")
        write_text(path, json.dumps(about | {"complete": False}, indent=1))
        return
    try:
        found = read_json(path)
        differing = [name for name, value in about.items() if name in FACTS and found.get(name) != value]
    except (OSError, ValueError, AttributeError) as error:
        raise ArmoireError(f"{path} is damaged ({error}); choose a new --out") from None
    if differing:
        raise ArmoireError(f"{out} was encoded with another {FACTS[differing[0]]}; choose a new --out, or delete it")


#: What makes two encodings different, by its name in the manifest and as people say it.
FACTS = {
    "format": "version of armoire",
    "model_sha256": "run, or one trained further",
    "source": "source",
    "listing": "state of the source, which has changed since",
    "shard_size": "--shard-size",
    "columns": "--column or --id-column",
    "dtype": "--dtype",
    "key": "setting",
}


def _read_all(job: Job, shards: list[ShardTask]) -> Iterator[Made | None]:
    with ThreadPoolExecutor(FOOTERS_AT_ONCE) as pool:
        yield from pool.map(lambda shard: read_shard(job, shard), shards)


def _finish(job: Job, shards: list[ShardTask], out: Path, about: dict[str, object]) -> Encoding:
    """Count everything once more, from the files themselves, and name what was rejected."""
    images, text = 0, StringIO(newline="")
    rejected = csv.writer(text, lineterminator="\n")
    rejected.writerow(("name", "reason"))
    count = 0
    for shard, made in zip(shards, _read_all(job, shards), strict=True):
        if made is None:
            where = job.path(shard.number)
            raise ArmoireError(f"{where} is missing or damaged after all were made; is the disk failing? Run it again")
        images += made.rows
        count += len(made.rejected)
        rejected.writerows(made.rejected)
    write_text(out / "rejected.csv", text.getvalue())
    write_text(
        out / "manifest.json", json.dumps(about | {"encoded": images, "rejected": count, "complete": True}, indent=1)
    )
    for left in (out / "shards").glob(".*.part.parquet"):  # of workers that were killed
        with contextlib.suppress(OSError):
            left.unlink()
    return Encoding(out, len(shards), images, count)
