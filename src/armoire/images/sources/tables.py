"""Tables of images: Parquet and Arrow files, and the folders that Hugging Face's datasets saves.

One column holds the images, encoded or as paths of files below the folder; columns.py interprets the others. Files
whose names or folders say train, valid or test are divided accordingly.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from armoire.errors import ArmoireError
from armoire.images.columns import (
    Columns,
    is_scalar,
    is_scalar_or_struct,
    read_columns,
    scalar_columns,
    split_named,
)
from armoire.images.decode import OpenFile
from armoire.images.fit import Decode, read_fitted
from armoire.images.listing import FileListing
from armoire.images.sources.cells import check_names, image_column, open_cell, path_field, path_in
from armoire.images.sources.parquet import BATCH, ENDING, ParquetShard, RowRange, read_footer
from armoire.images.sources.source import Request, Source, SourceKind, packed

if TYPE_CHECKING:
    import pyarrow as pa

ENDINGS = (ENDING, ".arrow", ".feather")
ROW = "#row"
CACHE_PREFIX = "cache-"  # of files that datasets writes next to its data


def _recognizes(_path: Path, names: Sequence[str]) -> bool:
    return bool(names) and all(name.lower().endswith(ENDINGS) for name in names)


def _read(request: Request, listing: FileListing) -> Source:
    root = request.path.parent if request.path.is_file() else request.path
    names = [name for name in listing.names if not PurePosixPath(name).name.startswith(CACHE_PREFIX)]
    if not names:
        raise ArmoireError(f"no images in {root}; give Parquet or Arrow files of images")
    tables = [ParquetTable(root, n) if n.lower().endswith(ENDING) else ArrowTable(root, n) for n in names]
    column = image_column(root, tables[0].schema)
    for table in tables:
        if len(set(table.schema.names)) < len(table.schema.names):
            raise ArmoireError(f"two columns of {table.name} have the same name; rename one of them")
        if column not in table.schema.names:
            raise ArmoireError(f"{table.name} has no column '{column}', which holds the images in {tables[0].name}")
    scalars = [table.scalars(column) for table in tables]
    ids = list(chain.from_iterable(table.ids(column) for table in tables))
    return Source(ids, partial(_pictures, tables, column), _columns(tables, scalars))


TABLES = SourceKind("a file or folder of Parquet or Arrow tables", packed(_read), _recognizes)


def _pictures(tables: Sequence[Table], column: str, start: int) -> Iterator[Decode]:
    first = 0
    for table in tables:
        if start < first + table.rows:
            yield from table.pictures(column, max(0, start - first))
        first += table.rows


def _columns(tables: Sequence[Table], scalars: Sequence[pa.Table]) -> Columns:
    import pyarrow as pa

    try:
        # A table without columns has no rows, hence the column of row numbers.
        numbered = [table.append_column(ROW, pa.array(range(len(table)))) for table in scalars]
        joined = pa.concat_tables(numbered, promote_options="permissive").drop_columns([ROW])
    except pa.ArrowException as error:
        raise ArmoireError(
            f"the columns of {tables[0].name} and the other files do not fit together ({error})"
        ) from None
    classes: dict[str, Sequence[str]] = {}
    for table in tables:
        classes |= table.classes
    columns = read_columns(joined, classes, sum(table.rows for table in tables))
    named = [split_named(PurePosixPath(table.name).with_suffix("").parts) for table in tables]
    splits = [split for split, table in zip(named, tables, strict=True) for _ in range(table.rows)]
    return columns.fill_missing(splits, columns.labels)


class Table:
    """One file with a row per image.

    Attributes:
        root: the folder that `name` is relative to, and that holds all files named in cells.
    """

    def __init__(self, root: Path, name: str, schema: pa.Schema, rows: int) -> None:
        self.root, self.name, self.schema, self.rows = root, name, schema, rows

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Columns by name; `x.y` is the field y of a struct x, returned as a struct of that field."""
        raise NotImplementedError

    def pictures(self, column: str, start: int) -> Iterator[Decode]:
        """The images of a column from row `start` on."""
        raise NotImplementedError

    @property
    def classes(self) -> dict[str, Sequence[str]]:
        """The class names of ClassLabel columns, from the schema metadata of Hugging Face's datasets."""
        try:
            metadata = json.loads((self.schema.metadata or {})[b"huggingface"])
            return _class_labels(metadata["info"]["features"])
        except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
            return {}

    def ids(self, column: str) -> list[str]:
        """One id per row: the column `id`, else the image's path, else FILE#ROW."""
        names: list[Any] = [None] * self.rows
        if "id" in self.schema.names and column != "id" and is_scalar(self.schema.field("id").type):
            names = self.columns(["id"])["id"].to_pylist()
        elif paths := path_field(self.schema, column):
            names = [path_in(cell) for cell in self.columns([paths])[column].to_pylist()]
        return [f"{self.name}#{row}" if name is None else str(name) for row, name in enumerate(names)]

    def scalars(self, column: str) -> pa.Table:
        """The columns of scalars and structs of scalars, without images and ids."""
        names = [f.name for f in self.schema if f.name not in (column, "id") and is_scalar_or_struct(f.type)]
        return scalar_columns(self.columns(names))


class ParquetTable(Table):
    """A Parquet file."""

    def __init__(self, root: Path, name: str) -> None:
        self.footer = read_footer(root / name)
        super().__init__(root, name, self.footer.schema, sum(self.footer.rows))

    def columns(self, names: Sequence[str]) -> pa.Table:
        import pyarrow.parquet as pq

        path = self.root / self.name
        with _errors(path, "Parquet"), pq.ParquetFile(path) as file:
            table = file.read(list(names))
            table.validate(full=True)  # its text is valid UTF-8
            if names and len(table) != self.rows:
                raise ValueError(f"its footer states {self.rows:,} rows, and it has {len(table):,}")
            return table

    def pictures(self, column: str, start: int) -> Iterator[Decode]:
        ranges, first = [], 0
        for group, rows in enumerate(self.footer.rows):
            if start < first + rows:
                ranges.append(RowRange(self.name, group, group, first, max(start, first), first + rows))
            first += rows
        with _errors(self.root / self.name, "Parquet"):
            for _, decode in ParquetShard(str(self.root), tuple(ranges), column, None).pictures():
                yield decode


class ArrowTable(Table):
    """An Arrow file or stream, memory-mapped."""

    def __init__(self, root: Path, name: str) -> None:
        import pyarrow as pa

        with _errors(root / name, "Arrow"):
            file = pa.memory_map(str(root / name))
            try:
                self.table = pa.ipc.open_file(file).read_all()
            except pa.ArrowInvalid:
                file.seek(0)
                self.table = pa.ipc.open_stream(file).read_all()
            # Its offsets are untrusted input.
            self.table.validate(full=True)
            check_names(self.table.schema)
        super().__init__(root, name, self.table.schema, self.table.num_rows)

    def columns(self, names: Sequence[str]) -> pa.Table:
        return self.table.select([name.partition(".")[0] if name not in self.schema.names else name for name in names])

    def pictures(self, column: str, start: int) -> Iterator[Decode]:
        for batch in self.table.select([column]).slice(start).to_batches(BATCH):
            for cell in batch.column(0):
                yield partial(read_fitted, partial(_open, cell, self.root))


def _open(cell: pa.Scalar, root: Path) -> OpenFile:
    return open_cell(cell.as_py(), root)


@contextlib.contextmanager
def _errors(path: Path, kind: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (OSError, ValueError, MemoryError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise ArmoireError(f"{path} cannot be read as {kind} ({reason}); repair or remove it") from None


def _class_labels(features: Any) -> dict[str, Sequence[str]]:
    return {
        name: [str(one) for one in feature["names"]]
        for name, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and isinstance(feature.get("names"), list)
    }
