"""Files with a row per image: Parquet, read row group by row group, and Arrow, memory-mapped."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from armoire.errors import ArmoireError
from armoire.images.column_values import is_text
from armoire.images.fit import TRANSIENT
from armoire.images.listing import name_below
from armoire.images.sources.cells import Damaged, check_names, path_field, path_in

PARQUET, ARROW = ".parquet", (".arrow", ".feather")
BATCH = 200  # rows read at once


@dataclass(frozen=True)
class TableFile(ABC):
    """One file with a row per image; it can be pickled."""

    kind: ClassVar[str]

    root: str  # the folder that `name` is relative to
    name: str
    folder: str = ""  # below `root`, the one that paths in cells are relative to

    @property
    def path(self) -> Path:
        return Path(self.root, self.name)

    @property
    def cell_folder(self) -> str:
        """The folder that paths in cells are relative to."""
        return str(Path(self.root, self.folder))

    @property
    @abstractmethod
    def schema(self) -> pa.Schema:
        """The columns' names and types."""

    @property
    @abstractmethod
    def rows(self) -> int:
        """Number of rows, without reading them."""

    @abstractmethod
    def columns(self, names: Sequence[str]) -> pa.Table:
        """Columns by name; `x.y` is the field y of a struct x, returned as a struct of that field."""

    @abstractmethod
    def cells(self, column: str, start: int, stop: int) -> Iterator[Any]:
        """The cells `start` to `stop` of a column; those of a damaged part are `Damaged`."""

    def check(self) -> TableFile:
        """The file, once its schema can be read; ArmoireError where it cannot."""
        with table_errors(self.path, self.kind):
            check_names(self.schema)
            _ = self.rows
        return self

    def ids(self, column: str, id_column: str, start: int, stop: int) -> list[str]:
        """The ids of rows: the column of names, else the images' paths, else FILE#ROW."""
        field = id_column or path_field(self.schema, column)
        names: list[Any] = [None] * self.rows
        if field:
            with contextlib.suppress(ArmoireError):  # a damaged part is reported when its images are read
                values = self.columns([field])[field.partition(".")[0]].to_pylist()
                names = values if id_column else [path_in(cell) for cell in values]
        folder = "" if id_column or not self.folder else f"{self.folder}/"
        return [
            f"{self.name}#{row}" if name is None else folder + name_below(str(name), Path(self.cell_folder))
            for row, name in enumerate(names[start:stop], start)
        ]


class ParquetFile(TableFile):
    """A Parquet file; one of its row groups at a time is in memory."""

    kind = "Parquet"

    @cached_property
    def _footer(self) -> tuple[Any, tuple[int, ...]]:
        with pq.ParquetFile(self.path) as file:
            groups = tuple(file.metadata.row_group(i).num_rows for i in range(file.num_row_groups))
            return file.schema_arrow, groups

    @property
    def schema(self) -> pa.Schema:
        return self._footer[0]

    @property
    def rows(self) -> int:
        return sum(self._footer[1])

    def columns(self, names: Sequence[str]) -> pa.Table:
        with table_errors(self.path, "Parquet"), pq.ParquetFile(self.path) as file:
            table = file.read(list(names))
            table.validate(full=True)  # its text is valid UTF-8
            if names and len(table) != self.rows:
                raise ValueError(f"its footer states {self.rows:,} rows, and it has {len(table):,}")
            return table

    def cells(self, column: str, start: int, stop: int) -> Iterator[Any]:
        first = 0
        for group, rows in enumerate(self._footer[1]):
            low, high = max(start, first), min(stop, first + rows)
            if low < high:
                yield from self._group(column, group, low - first, high - first)
            first += rows

    def _group(self, column: str, group: int, start: int, stop: int) -> Iterator[Any]:
        """Cells of a row group; those that follow a damaged one are damaged."""
        row = start
        try:
            begin = 0
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(BATCH, row_groups=[group], columns=[column]):
                    for cell in batch.column(column)[max(row - begin, 0) : max(stop - begin, 0)].to_pylist():
                        yield cell
                        row += 1
                    begin += len(batch)
                    if begin >= stop:
                        return
        except (OSError, ValueError, pa.ArrowException) as error:  # ValueError for invalid UTF-8
            if isinstance(error, OSError) and (error.errno in TRANSIENT or isinstance(error, FileNotFoundError)):
                raise
            reason = f"damaged in {self.name}: {' '.join(str(error).split())}"
            yield from [Damaged(reason)] * (stop - row)


class ArrowFile(TableFile):
    """An Arrow file or stream."""

    kind = "Arrow"

    @cached_property
    def _table(self) -> pa.Table:
        file = pa.memory_map(str(self.path))
        try:
            table = pa.ipc.open_file(file).read_all()
        except pa.ArrowInvalid:
            file.seek(0)
            table = pa.ipc.open_stream(file).read_all()
        table.validate(full=True)  # its offsets are untrusted input
        return table

    def __getstate__(self) -> dict[str, str]:
        return {"root": self.root, "name": self.name}

    @property
    def schema(self) -> pa.Schema:
        return self._table.schema

    @property
    def rows(self) -> int:
        return self._table.num_rows

    def columns(self, names: Sequence[str]) -> pa.Table:
        return self._table.select([n if n in self.schema.names else n.partition(".")[0] for n in names])

    def cells(self, column: str, start: int, stop: int) -> Iterator[Any]:
        for batch in self._table.select([column]).slice(start, stop - start).to_batches(BATCH):
            yield from batch.column(0).to_pylist()


@contextlib.contextmanager
def table_errors(path: Path, kind: str) -> Iterator[None]:
    """Report errors of pyarrow as an ArmoireError."""
    try:
        yield
    except (OSError, ValueError, MemoryError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise ArmoireError(f"{path} cannot be read as {kind} ({reason}); repair or remove it") from None


def scalar_columns(table: pa.Table) -> pa.Table:
    """Columns of scalars, and the fields of structs of scalars such as {"attributes": {"Smiling": true}}."""
    names = [f.name for field in table.schema for f in ([*field.type] if types.is_struct(field.type) else [field])]
    flat = table.flatten() if names else table  # which would not know the number of rows
    return flat.select([names.index(name) for name in dict.fromkeys(names)]).rename_columns([*dict.fromkeys(names)])


def is_scalar_or_struct(kind: pa.DataType) -> bool:
    """Whether a type is a scalar or a struct of scalars."""
    return all(is_scalar(inner.type) for inner in kind) if types.is_struct(kind) else is_scalar(kind)


def is_scalar(kind: pa.DataType) -> bool:
    """Whether a type is text, a number or a boolean."""
    if types.is_dictionary(kind):
        kind = kind.value_type
    return is_text(kind) or types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind)
