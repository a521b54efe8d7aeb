"""Shards: the latents of consecutive pictures as one Parquet file, made by a worker that has loaded the model once.

A shard's name, rows and bytes depend on the run, the source and the settings alone. So it does not matter who makes
it, or how often: it is written beside and renamed, and one made twice takes the place of its equal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from armoire.errors import ArmoireError
from armoire.images.decode import RejectedImageError
from armoire.images.fit import Fit, no_warnings
from armoire.images.shards import Decode, Shard
from armoire.io.files import atomic_path
from armoire.model import to_unit
from armoire.training import Run
from armoire.training.averages import EVALUATION_BATCH
from armoire.training.machine import keep_memory, pick_device

if TYPE_CHECKING:
    import pyarrow as pa

DTYPES = ("float32", "float16")
WORKERS_A_GPU = 4  # so that some decode while one encodes


@dataclass(frozen=True)
class ShardTask:
    """Pictures `first` and following of a source, and the number of the file that their latents go to."""

    number: int
    first: int
    part: Shard


@dataclass(frozen=True)
class Job:
    """What every worker has to know; small, and made of plain values, so that it can be sent to one.

    Attributes:
        run: the run's folder.
        folder: where shards go.
        key: of run, source and settings; it is written into every shard.
        model_sha256: of the weights, which may not change under way.
        fit: how pictures are fitted.
        dtype: float32 or float16, of the latents.
        device: cpu, cuda or mps.
        threads: that one worker decodes and, on a CPU, encodes with.
    """

    run: str
    folder: str
    key: str
    model_sha256: str
    fit: Fit
    dtype: str = "float32"
    device: str = "cpu"
    threads: int = 1

    def path(self, number: int) -> Path:
        """Where a shard lies."""
        return Path(self.folder) / "shards" / f"{number:06d}.parquet"


@dataclass(frozen=True)
class Made:
    """What is in a shard: how many rows, and (id, reason) of each picture that could not be read."""

    rows: int
    rejected: tuple[tuple[str, str], ...] = ()


class ShardEncoder:
    """A worker: loads the model once, then makes shard after shard."""

    def __init__(self, job: Job) -> None:
        """Load the run's model.

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
    def __call__(self, shard: ShardTask, advance: Callable[[int], None] = lambda _n: None) -> Made:
        """Make one shard, unless it is there; `advance` is told how many pictures are behind it."""
        there = read_shard(self.job, shard)
        if there is not None:
            return there
        ids: list[str] = []
        rows: list[int] = []
        rejected: list[tuple[str, str]] = []
        latents: list[list[np.ndarray]] = [[], []]
        position = shard.first
        with ExitStack() as stack:
            stack.enter_context(no_warnings())
            threads = self.job.threads
            through = stack.enter_context(ThreadPoolExecutor(threads)).map if threads > 1 else map
            for pictures in _batches(shard.part.pictures()):
                pixels = []
                for (name, _), row, found in zip(
                    pictures, range(position, position + len(pictures)), through(self._decode, pictures), strict=True
                ):
                    if isinstance(found, str):
                        rejected.append((name, found))
                    else:
                        ids.append(name)
                        rows.append(row)
                        pixels.append(found)
                for block, values in zip(latents, self._encode(pixels) if pixels else (), strict=False):
                    block.append(values)
                position += len(pictures)
                advance(len(pictures))
        made = Made(len(ids), tuple(rejected))
        if made.rows + len(rejected) != len(shard.part):
            raise ArmoireError(f"shard {shard.number} has another number of images than it had; has the data changed?")
        self._write(shard, made, ids, rows, latents)
        return made

    def _decode(self, picture: tuple[str, Decode]) -> np.ndarray | str:
        """Pixels, or why there are none."""
        try:
            return picture[1](self.job.fit)
        except RejectedImageError as error:
            return str(error)

    def _encode(self, pixels: Sequence[np.ndarray]) -> list[np.ndarray]:
        x = to_unit(torch.from_numpy(np.stack(pixels)).to(self.model.device))
        posterior = self.model.encode(x)
        found = [posterior.mean, *([] if posterior.log_var is None else [posterior.log_var])]
        return [values.cpu().numpy().astype(self.job.dtype) for values in found]

    def _write(
        self, shard: ShardTask, made: Made, ids: list[str], rows: list[int], latents: list[list[np.ndarray]]
    ) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        a = self.model.architecture
        columns: dict[str, pa.Array] = {"id": pa.array(ids, pa.string()), "row": pa.array(rows, pa.int64())}
        for name, blocks in zip(
            ("mean", "log_var") if self.model.posterior.is_stochastic else ("mean",), latents, strict=False
        ):
            values = np.concatenate(blocks or [np.empty((0, a.latent), self.job.dtype)])
            columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), a.latent)
        facts = {"key": self.job.key, "shard": str(shard.number), "rejected": json.dumps(made.rejected)}
        table = pa.table(columns).replace_schema_metadata(facts)
        with atomic_path(self.job.path(shard.number)) as beside:
            # A dictionary of values that never recur would only cost; the bytes of floats compress when kept apart.
            floats = {f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in columns if name not in ("id", "row")}
            encodings = {"id": "DELTA_BYTE_ARRAY", "row": "DELTA_BINARY_PACKED"} | floats
            pq.write_table(table, beside, compression="zstd", use_dictionary=False, column_encoding=encodings)


def read_shard(job: Job, shard: ShardTask) -> Made | None:
    """What is in a shard, told by its footer; None where it is not there, damaged, or of another job."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        footer = pq.read_metadata(job.path(shard.number))
        facts = footer.metadata or {}
        rejected = tuple((name, reason) for name, reason in json.loads(facts[b"rejected"]))
        own = facts[b"key"].decode() == job.key and facts[b"shard"].decode() == str(shard.number)
    except (OSError, pa.ArrowException, KeyError, ValueError):
        return None
    return Made(footer.num_rows, rejected) if own and footer.num_rows + len(rejected) == len(shard.part) else None


def _batches(pictures: Iterator[tuple[str, Decode]]) -> Iterator[list[tuple[str, Decode]]]:
    while batch := list(islice(pictures, EVALUATION_BATCH)):
        yield batch
