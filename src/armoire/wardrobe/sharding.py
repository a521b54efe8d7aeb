"""Compute from images of any number in shards, each written exactly once, whatever is killed meanwhile.

FOLDER/
    manifest.json          what is computed from what, and the number of shards; `complete` at the end
    shards/NNNNNN.parquet  id, row, and the columns of the computation
    rejected.csv           name and reason of every image that could not be read
"""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib import metadata
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from armoire.errors import ArmoireError, did_you_mean
from armoire.extras import needs
from armoire.images.columns import FREE, ColumnChoice
from armoire.images.source import Source
from armoire.io.files import make_folder, read_json, sha256, write_text
from armoire.io.workers import DEATHS, WorkerDiedError, cores, run_tasks
from armoire.progress import Progress, Task
from armoire.wardrobe.shards import (
    WORKERS_A_GPU,
    Computation,
    Job,
    Shard,
    ShardTask,
    read_counts,
    read_shard,
    write_shard,
)

SHARD_SIZE = 10_000
ENGINES = ("local", "ray")
FOOTER_THREADS = 16
#: What makes two computations different, by its name in the manifest and in messages.
SETTINGS = {
    "format": "version of armoire",
    "model_sha256": "run, or one trained further",
    "features": "kind of features",
    "source": "source",
    "listing": "state of the source, which has changed since",
    "shard_size": "--shard-size",
    "columns": "--image-column or --name-column",
    "dtype": "--dtype",
    "key": "setting",
}


@dataclass(frozen=True)
class Sharded:
    """A computation that is complete."""

    folder: Path  # of the shards
    shards: int  # their number
    images: int  # their number of rows
    rejected: int  # number of images that could not be read; rejected.csv names them

    @property
    def files(self) -> list[Path]:
        """The files of the shards, in the order of the images."""
        return sorted((self.folder / "shards").glob("[0-9]*.parquet"))


@dataclass(frozen=True)
class Engine:
    """Where a computation runs.

    Raises:
        ArmoireError: a setting does not fit, or Ray is not installed.
    """

    name: str = "local"  # processes of this machine, or ray: a Ray cluster or one started for the computation
    workers: int | None = None  # number of processes; by default one per core, or 4 per GPU
    shard_size: int = SHARD_SIZE  # images per shard

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise ArmoireError(f"no engine '{self.name}'; {did_you_mean(self.name, ENGINES)}")
        if self.workers is not None and self.workers < 1:
            raise ArmoireError(f"--workers should be 1 or more, not {self.workers}")
        if self.shard_size < 1:
            raise ArmoireError(f"--shard-size should be 1 or more, not {self.shard_size}")
        if self.name == "ray":
            with needs("--engine ray", "ray"):
                import ray.data  # noqa: F401  # type: ignore[import-not-found]

    def share(self, device: str) -> tuple[int, int]:
        """The number of workers on this machine, and of threads of each."""
        if device == "cpu":
            return self.workers or cores(), 1
        workers = self.workers or min(cores(), WORKERS_A_GPU)
        return workers, max(1, cores() // workers)


@dataclass(frozen=True)
class Work:
    """A computation over a source, and how its progress is reported."""

    computation: Computation
    source: Source
    title: str  # of the progress, such as `encoding`
    about: Mapping[str, object]  # what distinguishes it from others in the manifest, by the names of `SETTINGS`
    choice: ColumnChoice = FREE
    device: str = "cpu"
    provenance: Mapping[str, object] = field(default_factory=dict)  # what else to write into the manifest


def compute_shards(work: Work, out: Path, engine: Engine, progress: Progress) -> Sharded:
    """Compute the missing shards of a folder that is new, empty, or of the same computation.

    Raises:
        ArmoireError: `out` holds something else, or a disk, worker or cluster fails.
    """
    source, size = work.source, engine.shard_size
    spans = [(first, min(first + size, len(source))) for first in range(0, len(source), size)]
    shards = [ShardTask(k, first, source.part(first, stop)) for k, (first, stop) in enumerate(spans)]
    processes, threads = engine.share(work.device)
    about: dict[str, object] = {
        "source": source.origin,
        "listing": source.digest,
        "images": len(source),
        "shards": len(shards),
        "shard_size": size,
        "columns": asdict(work.choice) | {"attributes": list(work.choice.attributes or ())},
        **work.about,
    }
    key = sha256(json.dumps(about, sort_keys=True).encode())
    job = Job(str(out.resolve()), key, work.computation, work.device, threads)
    about |= {"key": key, **work.provenance, "armoire_version": metadata.version("armoire")}
    _claim(out, about, work.title)
    missing = [task for task, shard in zip(shards, _read_all(job, shards), strict=True) if shard is None]
    done = len(source) - sum(len(task.images) for task in missing)
    if done and missing:
        progress.note(f"resuming {out}: {done:,} of {len(source):,} images are done")
    if missing:
        with progress.task(work.title, len(source), "images", done=done, rate=True, into=out) as task:
            if engine.name == "ray":
                from armoire.wardrobe.sharding_ray import write_with_ray

                write_with_ray(job, missing, engine.workers, task)
            else:
                write_locally(job, missing, processes, task)
    return _finish(job, shards, out, about)


def write_locally(job: Job, shards: Sequence[ShardTask], workers: int, task: Task) -> None:
    """Write shards in processes of this machine; ArmoireError where one shard killed several of them."""
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
            for position, _ in run_tasks(write_shard, tasks, min(workers, len(shards)), look):
                report(shards[position].number, len(shards[position].images))
    except WorkerDiedError as error:
        shard = shards[error.position]
        last = shard.first + len(shard.images)
        raise ArmoireError(
            f"{DEATHS} workers died over shard {shard.number}, images {shard.first:,} to {last:,}; give fewer "
            "--workers if memory is short, or take the image that kills them out of the data"
        ) from None
    except OSError as error:  # of a disk or network
        raise ArmoireError(f"the computation stopped: {error}; run it again to resume it") from None


def _claim(out: Path, about: Mapping[str, object], title: str) -> None:
    """Begin or resume in a folder that holds nothing else."""
    path = out / "manifest.json"
    if not path.exists():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ArmoireError(f"{out} exists already and holds no {title}; choose a new --out")
        make_folder(out / "shards")
        write_text(path, json.dumps({**about, "complete": False}, indent=1))
        return
    try:
        found = read_json(path)
        differing = [name for name, value in about.items() if name in SETTINGS and found.get(name) != value]
    except (OSError, ValueError, AttributeError) as error:
        raise ArmoireError(f"{path} is damaged ({error}); choose a new --out") from None
    if differing:
        raise ArmoireError(f"{out} was begun with another {SETTINGS[differing[0]]}; choose a new --out, or delete it")


def _read_all(job: Job, shards: list[ShardTask]) -> Iterator[Shard | None]:
    with ThreadPoolExecutor(FOOTER_THREADS) as pool:
        yield from pool.map(lambda task: read_shard(job, task), shards)


def _finish(job: Job, shards: list[ShardTask], out: Path, about: dict[str, object]) -> Sharded:
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
    return Sharded(out, len(shards), images, count)
