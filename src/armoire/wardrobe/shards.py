"""Shards: the latents of consecutive images as one Parquet file, written by a worker that has loaded the model once.

A shard's name, rows and bytes depend on the run, the source and the settings alone. So it does not matter which worker
writes it, or how often: it is written under another name and renamed, and a second one replaces its equal.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Int

from armoire.errors import ArmoireError
from armoire.images.decode import RejectedImageError
from armoire.images.fit import Decode, Fit, no_warnings
from armoire.images.source import Source
from armoire.io.files import atomic_path
from armoire.model import to_unit
from armoire.training import Run
from armoire.training.averages import EVALUATION_BATCH
from armoire.training.machine import keep_memory, pick_device

COUNT = np.dtype("<i8")
DTYPES = ("float32", "float16")
WORKERS_A_GPU = 4  # so that some decode while one encodes


@dataclass(frozen=True)
class ShardTask:
    """The images of one shard."""

    number: int  # of the shard, and of its file
    first: int  # position of its first image in the data set
    images: Source  # its images alone


@dataclass(frozen=True)
class Job:
    """What every worker needs to know, in plain values that can be sent to another machine."""

    run: str  # the run's folder
    folder: str  # of the shards
    key: str  # of run, source and settings; it is written into every shard
    model_sha256: str  # of the weights, which may not change meanwhile
    fit: Fit  # how images are fitted
    dtype: str = "float32"  # float32 or float16, of the latents
    device: str = "cpu"  # cpu, cuda or mps
    threads: int = 1  # with which one worker decodes and, on a CPU, encodes

    def path(self, number: int) -> Path:
        """The file of a shard."""
        return Path(self.folder) / "shards" / f"{number:06d}.parquet"


@dataclass(frozen=True)
class Shard:
    """The content of a shard: its number of rows, and (id, reason) of each image that could not be read."""

    rows: int
    rejected: tuple[tuple[str, str], ...] = ()


@dataclass
class _Latents:
    """The rows of a shard that is being encoded."""

    ids: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    mean: list[np.ndarray] = field(default_factory=list)
    log_var: list[np.ndarray] = field(default_factory=list)


class ShardEncoder:
    """Loads a run's model once, then encodes shard after shard."""

    def __init__(self, job: Job) -> None:
        """Load the model.

        Raises:
            ArmoireError: the run is damaged, or not the one that the job was begun with.
        """
        torch.set_num_threads(job.threads)
        keep_memory()
        run = Run.open(job.run)
        if run.model_sha256() != job.model_sha256:
            raise ArmoireError(f"{job.run} has changed since the encoding began; encode to another --out")
        self.job = job
        self.model = run.model(pick_device(job.device))

    @torch.no_grad()
    def __call__(self, task: ShardTask, report: Callable[[int], None] = lambda _: None) -> Shard:
        """Encode one shard, unless it exists; `report` takes the number of its images done, after each batch."""
        existing = read_shard(self.job, task)
        if existing is not None:
            return existing
        latents = _Latents()
        images = zip(task.images.ids, task.images.read(0, len(task.images)), strict=True)
        with ExitStack() as stack:
            stack.enter_context(no_warnings())
            threads = self.job.threads
            parallel = stack.enter_context(ThreadPoolExecutor(threads)).map if threads > 1 else map
            position = task.first
            while batch := list(islice(images, EVALUATION_BATCH)):
                decoded = list(parallel(self._decode, (decode for _, decode in batch)))
                self._encode([name for name, _ in batch], position, decoded, latents)
                position += len(batch)
                report(position - task.first)
        shard = Shard(len(latents.ids), tuple(latents.rejected))
        if shard.rows + len(shard.rejected) != len(task.images):
            raise ArmoireError(f"shard {task.number} has another number of images than it had; has the data changed?")
        self._write(task, shard, latents)
        return shard

    def _decode(self, decode: Decode) -> np.ndarray | str:
        """Pixels, or the reason why there are none."""
        try:
            return decode(self.job.fit)
        except RejectedImageError as error:
            return str(error)

    def _encode(self, ids: Sequence[str], first: int, decoded: Sequence[np.ndarray | str], latents: _Latents) -> None:
        """Append the rows of a batch."""
        pixels = []
        for row, (name, found) in enumerate(zip(ids, decoded, strict=True), first):
            if isinstance(found, str):
                latents.rejected.append((name, found))
            else:
                latents.ids.append(name)
                latents.rows.append(row)
                pixels.append(found)
        if not pixels:
            return
        posterior = self.model.encode(to_unit(torch.from_numpy(np.stack(pixels)).to(self.model.device)))
        latents.mean.append(posterior.mean.cpu().numpy().astype(self.job.dtype))
        if posterior.log_var is not None:
            latents.log_var.append(posterior.log_var.cpu().numpy().astype(self.job.dtype))

    def _write(self, task: ShardTask, shard: Shard, latents: _Latents) -> None:

        columns: dict[str, pa.Array] = {
            "id": pa.array(latents.ids, pa.string()),
            "row": pa.array(latents.rows, pa.int64()),
            "mean": self._lists(latents.mean),
        }
        if self.model.posterior.is_stochastic:
            columns["log_var"] = self._lists(latents.log_var)
        metadata = {"key": self.job.key, "shard": str(task.number), "rejected": json.dumps(shard.rejected)}
        table = pa.table(columns).replace_schema_metadata(metadata)
        # A dictionary of values that never recur would only cost; the bytes of floats compress when split by place.
        floats = {f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in columns if name not in ("id", "row")}
        encodings = {"id": "DELTA_BYTE_ARRAY", "row": "DELTA_BINARY_PACKED"} | floats
        with atomic_path(self.job.path(task.number)) as temporary:
            pq.write_table(table, temporary, compression="zstd", use_dictionary=False, column_encoding=encodings)

    def _lists(self, blocks: list[np.ndarray]) -> pa.Array:
        latent = self.model.architecture.latent
        values = np.concatenate(blocks or [np.empty((0, latent), self.job.dtype)])
        return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), latent)


@lru_cache(maxsize=1)
def _encoder(job: Job) -> ShardEncoder:
    return ShardEncoder(job)


def encode_shard(task: tuple[Job, ShardTask, str]) -> Shard:
    """Encode one shard in this process, whose model is loaded with its first shard; `read_counts` tells how far it is.

    The last item is the file of counts, which has 8 bytes a shard.
    """
    job, shard, counts = task

    def report(done: int) -> None:
        with contextlib.suppress(OSError), Path(counts).open("r+b") as file:  # a lost count does no harm
            file.seek(COUNT.itemsize * shard.number)
            file.write(COUNT.type(done).tobytes())

    return _encoder(job)(shard, report)


def read_counts(counts: str) -> Int[np.ndarray, " n"]:
    """The numbers of images done by shard, as far as any were written."""
    return np.fromfile(counts, COUNT)


def read_shard(job: Job, task: ShardTask) -> Shard | None:
    """The content of a shard by its footer; None where the file is missing, damaged, or of another job."""
    try:
        footer = pq.read_metadata(job.path(task.number))
        metadata = footer.metadata or {}
        rejected = tuple((name, reason) for name, reason in json.loads(metadata[b"rejected"]))
        own = metadata[b"key"].decode() == job.key and metadata[b"shard"].decode() == str(task.number)
    except (OSError, pa.ArrowException, KeyError, ValueError):
        return None
    complete = footer.num_rows + len(rejected) == len(task.images)
    return Shard(footer.num_rows, rejected) if own and complete else None
