"""Shards: columns computed from consecutive images as one Parquet file, written by a worker.

What is computed is a `Computation`: the latents of a run, or the description of images that a survey compares. A
shard's name, rows and bytes depend on the computation and the source alone. So it does not matter which worker writes
it, or how often: it is written under another name and renamed, and a second one replaces its equal.
"""

from __future__ import annotations

import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Int

from armoire.errors import ArmoireError
from armoire.images.decode import RejectedImageError
from armoire.images.fit import Decode, no_warnings
from armoire.images.source import Source
from armoire.io.files import atomic_path
from armoire.training.averages import EVALUATION_BATCH
from armoire.training.machine import keep_memory, pick_device

COUNT = np.dtype("<i8")
WORKERS_A_GPU = 4  # so that some decode while one encodes


class Processor(ABC):
    """What a worker has loaded, and uses for image after image."""

    @abstractmethod
    def decode(self, image: Decode) -> Any:
        """One image, decoded in one of several threads; raises RejectedImageError."""

    @abstractmethod
    def columns(self, images: Sequence[Any]) -> dict[str, pa.Array]:
        """A row of each column for each decoded image of a batch, which may be empty."""


class Computation(ABC):
    """What to compute from images, in plain values that can be sent to another machine."""

    @abstractmethod
    def load(self, device: torch.device) -> Processor:
        """Load what a worker needs; ArmoireError where it is missing or has changed."""


@dataclass(frozen=True)
class ShardTask:
    """The images of one shard."""

    number: int  # of the shard, and of its file
    first: int  # position of its first image in the data set
    images: Source  # its images alone


@dataclass(frozen=True)
class Job:
    """What every worker needs to know, in plain values that can be sent to another machine."""

    folder: str  # of the shards
    key: str  # of computation, source and settings; it is written into every shard
    computation: Computation
    device: str = "cpu"  # cpu, cuda or mps
    threads: int = 1  # with which one worker decodes and, on a CPU, computes

    def path(self, number: int) -> Path:
        """The file of a shard."""
        return Path(self.folder) / "shards" / f"{number:06d}.parquet"


@dataclass(frozen=True)
class Shard:
    """The content of a shard: its number of rows, and (id, reason) of each image that could not be read."""

    rows: int
    rejected: tuple[tuple[str, str], ...] = ()


@dataclass
class _Rows:
    """The rows of a shard that is being computed."""

    ids: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    columns: list[pa.Table] = field(default_factory=list)


class ShardWriter:
    """Loads what a computation needs once, then writes shard after shard."""

    def __init__(self, job: Job) -> None:
        """Load it; raises what `Computation.load` does."""
        torch.set_num_threads(job.threads)
        keep_memory()
        self.job = job
        self.processor = job.computation.load(pick_device(job.device))

    @torch.no_grad()
    def __call__(self, task: ShardTask, report: Callable[[int], None] = lambda _: None) -> Shard:
        """Write one shard, unless it exists; `report` takes the number of its images done, after each batch."""
        existing = read_shard(self.job, task)
        if existing is not None:
            return existing
        found = _Rows()
        images = zip(task.images.ids, task.images.read(0, len(task.images)), strict=True)
        with ExitStack() as stack:
            stack.enter_context(no_warnings())
            threads = self.job.threads
            parallel = stack.enter_context(ThreadPoolExecutor(threads)).map if threads > 1 else map
            position = task.first
            while batch := list(islice(images, EVALUATION_BATCH)):
                decoded = list(parallel(self._decode, (decode for _, decode in batch)))
                self._compute([name for name, _ in batch], position, decoded, found)
                position += len(batch)
                report(position - task.first)
        shard = Shard(len(found.ids), tuple(found.rejected))
        if shard.rows + len(shard.rejected) != len(task.images):
            raise ArmoireError(f"shard {task.number} has another number of images than it had; has the data changed?")
        self._write(task, shard, found)
        return shard

    def _decode(self, decode: Decode) -> Any:
        """The decoded image, or the reason why there is none."""
        try:
            return self.processor.decode(decode)
        except RejectedImageError as error:
            return str(error)

    def _compute(self, ids: Sequence[str], first: int, decoded: Sequence[Any], found: _Rows) -> None:
        """Append the rows of a batch."""
        images = []
        for row, (name, image) in enumerate(zip(ids, decoded, strict=True), first):
            if isinstance(image, str):
                found.rejected.append((name, image))
            else:
                found.ids.append(name)
                found.rows.append(row)
                images.append(image)
        found.columns.append(pa.table(self.processor.columns(images)))

    def _write(self, task: ShardTask, shard: Shard, found: _Rows) -> None:
        computed = pa.concat_tables(found.columns or [pa.table(self.processor.columns([]))]).combine_chunks()
        table = pa.table({"id": pa.array(found.ids, pa.string()), "row": pa.array(found.rows, pa.int64())})
        for name in computed.column_names:
            table = table.append_column(name, computed[name])
        metadata = {"key": self.job.key, "shard": str(task.number), "rejected": json.dumps(shard.rejected)}
        # A dictionary of values that never recur would only cost; the bytes of floats compress when split by place.
        floats = {f"{f.name}.list.element": "BYTE_STREAM_SPLIT" for f in computed.schema if _is_of_floats(f.type)}
        encodings = {"id": "DELTA_BYTE_ARRAY", "row": "DELTA_BINARY_PACKED"} | floats
        with atomic_path(self.job.path(task.number)) as temporary:
            pq.write_table(
                table.replace_schema_metadata(metadata),
                temporary,
                compression="zstd",
                use_dictionary=False,
                column_encoding=encodings,
            )


def as_lists(values: np.ndarray) -> pa.Array:
    """A matrix as a column of lists, one a row."""
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def _is_of_floats(kind: pa.DataType) -> bool:
    return pa.types.is_fixed_size_list(kind) and pa.types.is_floating(kind.value_type)


@lru_cache(maxsize=1)
def _writer(job: Job) -> ShardWriter:
    return ShardWriter(job)


def write_shard(task: tuple[Job, ShardTask, str]) -> Shard:
    """Write one shard in this process, which loads what it needs with its first shard.

    The last item is the file of counts, which has 8 bytes a shard: `read_counts` returns how far each is.
    """
    job, shard, counts = task

    def report(done: int) -> None:
        with contextlib.suppress(OSError), Path(counts).open("r+b") as file:  # a lost count does no harm
            file.seek(COUNT.itemsize * shard.number)
            file.write(COUNT.type(done).tobytes())

    return _writer(job)(shard, report)


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
