"""Parquet files as shards: consecutive rows of one or many files, read row group by row group."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from armoire.errors import ArmoireError, did_you_mean
from armoire.images.decode import RejectedImageError
from armoire.images.fit import Decode
from armoire.images.listing import list_folder, name_below
from armoire.images.shards import TRANSIENT, Shard, ShardedSource, decoder
from armoire.images.sources.cells import check_names, image_column, may_hold_images, open_cell, path_in
from armoire.io.files import sha256

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

ENDING = ".parquet"
BATCH = 200  # rows read at once
FOOTER_THREADS = 16  # on a network file system the footers' latency dominates


@dataclass(frozen=True)
class RowRange:
    """Rows `start` to `stop` of one file, counted from its first row.

    Attributes:
        group: the row group that they begin in.
        last: the row group that they end in.
        first: the first row of `group`.
    """

    file: str
    group: int
    last: int
    first: int
    start: int
    stop: int


@dataclass(frozen=True)
class ParquetShard:
    """Rows of Parquet files.

    Attributes:
        root: the folder that the files' names, which ids begin with, are relative to.
        column: the images, as binary, as a struct {bytes, path} or as paths.
        id_column: the ids; None takes the images' paths where they have any, else FILE#ROW.
    """

    root: str
    ranges: tuple[RowRange, ...]
    column: str
    id_column: str | None

    def __len__(self) -> int:
        return sum(rows.stop - rows.start for rows in self.ranges)

    def pictures(self) -> Iterator[tuple[str, Decode]]:
        for rows in self.ranges:
            yield from self._read(rows)

    def _read(self, rows: RowRange) -> Iterator[tuple[str, Decode]]:
        import pyarrow as pa

        row = rows.start
        try:
            for batch in self._batches(rows):
                for name, cell in self._cells(batch):
                    yield name or f"{rows.file}#{row}", decoder(lambda cell=cell: open_cell(cell, Path(self.root)))
                    row += 1
        except (OSError, ValueError, pa.ArrowException) as error:  # ValueError for invalid UTF-8
            if isinstance(error, OSError) and (error.errno in TRANSIENT or isinstance(error, FileNotFoundError)):
                raise
            reason = f"damaged in {rows.file}: {' '.join(str(error).split())}"
            for lost in range(row, rows.stop):
                yield f"{rows.file}#{lost}", lambda _fit: _reject(reason)

    def _batches(self, rows: RowRange) -> Iterator[pa.RecordBatch]:
        import pyarrow.parquet as pq

        columns = [self.column, *([self.id_column] if self.id_column else [])]
        begin = rows.first
        with pq.ParquetFile(Path(self.root) / rows.file) as file:
            groups = list(range(rows.group, rows.last + 1))
            for batch in file.iter_batches(BATCH, row_groups=groups, columns=columns):
                low, high = max(rows.start - begin, 0), min(rows.stop - begin, len(batch))
                if low < high:
                    yield batch.slice(low, high - low)
                begin += len(batch)
                if begin >= rows.stop:
                    return

    def _cells(self, batch: pa.RecordBatch) -> Iterator[tuple[str | None, Any]]:
        cells = batch.column(self.column).to_pylist()
        names = batch.column(self.id_column).to_pylist() if self.id_column else [path_in(cell) for cell in cells]
        for name, cell in zip(names, cells, strict=True):
            yield None if name is None else name_below(str(name), Path(self.root)), cell


def is_parquet(path: Path) -> bool:
    """Whether a source is a Parquet file, or a folder of such files without images."""
    if path.is_file():
        return path.suffix.lower() == ENDING
    return path.is_dir() and bool(names := list_folder(path).names) and all(n.lower().endswith(ENDING) for n in names)


def shard_parquet(path: Path, size: int, column: str | None = None, id_column: str | None = None) -> ShardedSource:
    """Shards of up to `size` rows of one or many Parquet files; row groups stay whole unless they are larger.

    Args:
        path: a .parquet file, or a folder of them.
        size: rows per shard.
        column: the images; by default the only possible column.
        id_column: their ids; by default `id` where it exists, else see ParquetShard.

    Raises:
        ArmoireError: a file is damaged, or there is no such column.
    """
    absolute = path.resolve()
    root = absolute.parent if absolute.is_file() else absolute
    files = sorted([absolute.name] if absolute.is_file() else list_folder(absolute).names)
    with ThreadPoolExecutor(FOOTER_THREADS) as pool:
        footers = list(pool.map(lambda name: read_footer(root / name), files))
    column = column or image_column(path, footers[0].schema)
    if id_column is None and "id" in footers[0].schema.names and column != "id":
        id_column = "id"
    for name, footer in zip(files, footers, strict=True):
        for wanted in filter(None, (column, id_column)):
            if wanted not in footer.schema.names:
                raise ArmoireError(f"no column '{wanted}' in {name}; {did_you_mean(wanted, footer.schema.names)}")
        if not may_hold_images(footer.schema.field(column).type):
            raise ArmoireError(f"column '{column}' of {name} holds no images; give another with --column")
    groups = [(name, footer.rows) for name, footer in zip(files, footers, strict=True)]
    shards: list[Shard] = [ParquetShard(str(root), ranges, column, id_column) for ranges in _ranges(groups, size)]
    if not shards:
        raise ArmoireError(f"no rows in {path}; give Parquet files with images")
    digest = sha256("\n".join(f"{n}\0{f.stamp}" for n, f in zip(files, footers, strict=True)).encode())
    return ShardedSource(str(absolute), digest, shards)


@dataclass(frozen=True)
class Footer:
    """The footer of a Parquet file: its schema, the rows of each row group, and a stamp that changes with the file."""

    schema: Any
    rows: tuple[int, ...]
    stamp: str


def read_footer(path: Path) -> Footer:
    """Read the footer of a Parquet file; ArmoireError where it is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            rows = tuple(file.metadata.row_group(i).num_rows for i in range(file.num_row_groups))
            schema = file.schema_arrow
            check_names(schema)
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise ArmoireError(f"{path} cannot be read as Parquet ({reason}); repair or remove it") from None
    return Footer(schema, rows, f"{status.st_size}\0{status.st_mtime_ns}\0{rows}")


def _ranges(groups: Sequence[tuple[str, Sequence[int]]], size: int) -> Iterator[tuple[RowRange, ...]]:
    """Row groups of each file to shards: whole groups while they fit, one that is too large in ranges of its own."""
    current: list[RowRange] = []
    total = 0
    for file, counts in groups:
        first = 0
        for group, rows in enumerate(counts):
            if total and total + rows > size:
                yield tuple(current)
                current, total = [], 0
            for start in range(first, first + rows, size):
                stop = min(start + size, first + rows)
                if rows > size:
                    yield (RowRange(file, group, group, first, start, stop),)
                elif current and current[-1].file == file:
                    current[-1] = replace(current[-1], last=group, stop=stop)
                else:
                    current.append(RowRange(file, group, group, first, start, stop))
            total += rows if rows <= size else 0
            first += rows
    if current:
        yield tuple(current)


def _reject(reason: str) -> np.ndarray:
    raise RejectedImageError(reason)
