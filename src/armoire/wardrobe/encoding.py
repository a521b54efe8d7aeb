"""Encode sets of any size in shards, each written exactly once, whatever is killed meanwhile.

FOLDER/
    manifest.json          what is encoded by what, and the number of shards; `complete` at the end
    shards/NNNNNN.parquet  id, row, mean, log_var
    rejected.csv           name and reason of every image that could not be read
"""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib import metadata
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from armoire.errors import ArmoireError, did_you_mean
from armoire.extras import needs
from armoire.images.columns import FREE, ColumnChoice
from armoire.images.source import Request
from armoire.images.sources import open_source
from armoire.io.files import make_folder, read_json, sha256, write_text
from armoire.io.workers import DEATHS, WorkerDiedError, cores, run_tasks
from armoire.progress import Task
from armoire.wardrobe.shards import DTYPES, WORKERS_A_GPU, Job, Shard, ShardTask, encode_shard, read_counts, read_shard
from armoire.wardrobe.wardrobe import RunLike, Wardrobe

FORMAT = "armoire-encoding-2"
SHARD_SIZE = 10_000
ENGINES = ("local", "ray")
FOOTER_THREADS = 16


@dataclass(frozen=True)
class Encoding:
    """An encoding that is complete."""

    folder: Path  # of the shards
    shards: int  # their number
    images: int  # their number of rows
    rejected: int  # number of images that could not be read; rejected.csv names them


def encode_shards(
    wardrobe: RunLike,
    data: str | Path,
    out: str | Path,
    *,
    engine: str = "local",
    workers: int | None = None,
    shard_size: int = SHARD_SIZE,
    dtype: str = "float32",
    choice: ColumnChoice = FREE,
) -> Encoding:
    """Encode a source of any size to a folder of Parquet shards; an interrupted encoding resumes.

    Args:
        wardrobe: the run, opened or as `Wardrobe.open` takes it. Its images need not be available.
        data: what `load_images` takes.
        out: the folder; new, empty, or of the same encoding.
        engine: `local`, processes of this machine, or `ray`, a Ray cluster or one started for the encoding.
        workers: number of processes; by default one per core, or 4 per GPU.
        shard_size: images per shard.
        dtype: `float32` or `float16`.
        choice: which columns of the data hold the images and their names, where that is not to be guessed.

    Raises:
        ArmoireError: an argument does not fit, or `out` holds something else.
    """
    _check(engine, workers, shard_size, dtype)
    wardrobe, out = Wardrobe.open(wardrobe), Path(out).expanduser()
    fit = wardrobe.fit
    request = Request(str(data), fit.size, fit.how, fit.background_hex, fit.channels, choice, wardrobe.progress)
    source = open_source(request)
    spans = [(first, min(first + shard_size, len(source))) for first in range(0, len(source), shard_size)]
    shards = [ShardTask(k, first, source.part(first, stop)) for k, (first, stop) in enumerate(spans)]
    device = wardrobe.model.device.type
    processes, threads = _share(workers, device)
    about: dict[str, object] = {
        "format": FORMAT,
        "model_sha256": wardrobe.run.model_sha256(),
        "source": source.origin,
        "listing": source.digest,
        "images": len(source),
        "shards": len(shards),
        "shard_size": shard_size,
        "columns": asdict(choice) | {"attributes": list(choice.attributes or ())},
        "dtype": dtype,
        "latent": wardrobe.recipe.dimensions,
        "posterior": wardrobe.recipe.posterior,
    }
    key = sha256(json.dumps(about, sort_keys=True).encode())
    run = str(wardrobe.run.path.resolve())
    job = Job(run, str(out.resolve()), key, wardrobe.run.model_sha256(), fit, dtype, device, threads)
    about |= {"key": key, "run": run, "armoire_version": metadata.version("armoire")}
    _claim(out, about)
    missing = [task for task, shard in zip(shards, _read_all(job, shards), strict=True) if shard is None]
    done = len(source) - sum(len(task.images) for task in missing)
    if done and missing:
        wardrobe.progress.note(f"resuming {out}: {done:,} of {len(source):,} images are done")
    if missing:
        with wardrobe.progress.task("encoding", len(source), "images", done=done, rate=True, into=out) as task:
            if engine == "ray":
                from armoire.wardrobe.encoding_ray import encode_with_ray

                encode_with_ray(job, missing, workers, task)
            else:
                encode_locally(job, missing, processes, task)
    return _finish(job, shards, out, about)


def encode_locally(job: Job, shards: Sequence[ShardTask], workers: int, task: Task) -> None:
    """Encode shards in processes of this machine; ArmoireError where one shard killed several of them."""
    reported = {shard.number: 0 for shard in shards}

    def report(number: int, done: int) -> None:
        if done > reported[number]:  # a worker that died is followed by one that begins again
            task.advance(done - reported[number])
            reported[number] = done

    def look() -> None:
        for number, done in enumerate(read_counts(counts).tolist()):
            if number in reported:
                report(number, done)

    try:
        with TemporaryDirectory(prefix="armoire-", ignore_cleanup_errors=True) as folder:
            counts = str(Path(folder, "counts"))
            Path(counts).touch()
            tasks = ((job, shard, counts) for shard in shards)
            for position, _ in run_tasks(encode_shard, tasks, min(workers, len(shards)), look):
                report(shards[position].number, len(shards[position].images))
    except WorkerDiedError as error:
        shard = shards[error.position]
        last = shard.first + len(shard.images)
        raise ArmoireError(
            f"{DEATHS} workers died over shard {shard.number}, images {shard.first:,} to {last:,}; give fewer "
            "--workers if memory is short, or take the image that kills them out of the data"
        ) from None
    except OSError as error:  # of a disk or network
        raise ArmoireError(f"the encoding stopped: {error}; run it again to resume it") from None


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
    """The number of workers on this machine, and of threads of each."""
    if device == "cpu":
        return workers or cores(), 1
    workers = workers or min(cores(), WORKERS_A_GPU)
    return workers, max(1, cores() // workers)


def _claim(out: Path, about: dict[str, object]) -> None:
    """Begin or resume in a folder that holds nothing else."""
    path = out / "manifest.json"
    if not path.exists():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ArmoireError(f"{out} exists already and holds no encoding; choose a new --out")
        make_folder(out / "shards")
        write_text(path, json.dumps(about | {"complete": False}, indent=1))
        return
    try:
        found = read_json(path)
        differing = [name for name, value in about.items() if name in SETTINGS and found.get(name) != value]
    except (OSError, ValueError, AttributeError) as error:
        raise ArmoireError(f"{path} is damaged ({error}); choose a new --out") from None
    if differing:
        raise ArmoireError(f"{out} was encoded with another {SETTINGS[differing[0]]}; choose a new --out, or delete it")


#: What makes two encodings different, by its name in the manifest and in messages.
SETTINGS = {
    "format": "version of armoire",
    "model_sha256": "run, or one trained further",
    "source": "source",
    "listing": "state of the source, which has changed since",
    "shard_size": "--shard-size",
    "columns": "--image-column or --name-column",
    "dtype": "--dtype",
    "key": "setting",
}


def _read_all(job: Job, shards: list[ShardTask]) -> Iterator[Shard | None]:
    with ThreadPoolExecutor(FOOTER_THREADS) as pool:
        yield from pool.map(lambda task: read_shard(job, task), shards)


def _finish(job: Job, shards: list[ShardTask], out: Path, about: dict[str, object]) -> Encoding:
    """Count again from the files themselves, and write the names of rejected images."""
    images, count, text = 0, 0, StringIO(newline="")
    rejected = csv.writer(text, lineterminator="\n")
    rejected.writerow(("name", "reason"))
    for task, shard in zip(shards, _read_all(job, shards), strict=True):
        if shard is None:
            path = job.path(task.number)
            raise ArmoireError(
                f"{path} is missing or damaged after all were written; is the disk failing? Run it again"
            )
        images += shard.rows
        count += len(shard.rejected)
        rejected.writerows(shard.rejected)
    write_text(out / "rejected.csv", text.getvalue())
    counts = {"encoded": images, "rejected": count, "complete": True}
    write_text(out / "manifest.json", json.dumps(about | counts, indent=1))
    for part in (out / "shards").glob(".*.part.parquet"):  # of workers that were killed
        with contextlib.suppress(OSError):
            part.unlink()
    return Encoding(out, len(shards), images, count)
