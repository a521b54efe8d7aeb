"""Tables with pictures in them: Parquet and Arrow files, and the folders that Hugging Face's datasets saves.

A table has a column of pictures, encoded or as paths of files below its folder; what its other columns say of them,
known.py reads. Files whose names or folders say train, valid or test are so divided.
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
    is_single,
    is_text,
    may_be_fact,
    read_columns,
    single_values,
    split_named,
)
from armoire.images.decode import OpenFile
from armoire.images.fit import Decode, read_fitted
from armoire.images.sources.parquet import (
    ParquetShard,
    Piece,
    check_names,
    image_column,
    name_in,
    open_cell,
    read_footer,
)
from armoire.images.sources.source import Source

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET, ARROW = (".parquet",), (".arrow", ".feather")
ENDINGS = (*PARQUET, *ARROW)
READ_AT_ONCE = 200  # rows
ROW = "#row"
CACHED = "cache-"  # of datasets, beside what it saved


def is_table(name: str) -> bool:
    """Whether a file is such a table, by its name."""
    return name.lower().endswith(ENDINGS)


def are_tables(names: Sequence[str]) -> bool:
    """Whether the files of a folder are such tables, and nothing else."""
    return bool(names) and all(map(is_table, names))


def read_rows(root: Path, names: Sequence[str]) -> Source:
    """The pictures of one or many tables.

    Args:
        root: the folder that the files' names are told from.
        names: of the files.

    Raises:
        ArmoireError: a file is damaged, or holds no pictures.
    """
    names = [name for name in names if not PurePosixPath(name).name.startswith(CACHED)]
    if not names:
        raise ArmoireError(f"no images in {root}; give Parquet or Arrow files that hold them")
    tables = [_table(root, name) for name in names]
    column = image_column(root, tables[0].schema)
    for table in tables:
        if len(set(table.schema.names)) < len(table.schema.names):
            raise ArmoireError(f"two columns of {table.name} have one name; rename one of them")
        if column not in table.schema.names:
            raise ArmoireError(f"{table.name} has no column '{column}', which holds the images in {tables[0].name}")
    facts = [table.facts(column) for table in tables]
    return Source(
        list(chain.from_iterable(table.ids(column) for table in tables)),
        partial(_pictures, tables, column),
        _known(tables, facts),
    )


def _pictures(tables: Sequence[Table], column: str, start: int) -> Iterator[Decode]:
    first = 0
    for table in tables:
        if start < first + table.rows:
            yield from table.pictures(column, max(0, start - first))
        first += table.rows


def _known(tables: Sequence[Table], facts: Sequence[pa.Table]) -> Columns:
    import pyarrow as pa

    try:
        # Without columns a table would forget how many rows it has.
        numbered = [table.append_column(ROW, pa.array(range(len(table)))) for table in facts]
        joined = pa.concat_tables(numbered, promote_options="permissive").drop_columns([ROW])
    except pa.ArrowException as error:
        raise ArmoireError(
            f"the columns of {tables[0].name} and the other files do not fit together ({error})"
        ) from None
    classes: dict[str, Sequence[str]] = {}
    for table in tables:
        classes |= table.classes
    known = read_columns(joined, classes, sum(table.rows for table in tables))
    named = [split_named(PurePosixPath(table.name).with_suffix("").parts) for table in tables]
    splits = [split for split, table in zip(named, tables, strict=True) for _ in range(table.rows)]
    return known.where_silent(splits, known.labels)


def _table(root: Path, name: str) -> Table:
    return ParquetTable(root, name) if name.lower().endswith(PARQUET) else ArrowTable(root, name)


class Table:
    """One file, a row a picture.

    Attributes:
        root: the folder that names are told from, and below which files named in cells have to lie.
        name: of the file.
        schema: its columns.
        rows: how many there are.
    """

    def __init__(self, root: Path, name: str, schema: pa.Schema, rows: int) -> None:
        """A file that has been looked at."""
        self.root, self.name, self.schema, self.rows = root, name, schema, rows

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.root / self.name

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Some of its columns; `x.y` is the field y of a column x, which comes as a struct of that field alone."""
        raise NotImplementedError

    def pictures(self, column: str, start: int) -> Iterator[Decode]:
        """The pictures of a column from one row on."""
        raise NotImplementedError

    @property
    def classes(self) -> dict[str, Sequence[str]]:
        """The names of classes, as Hugging Face's datasets keep them, of the columns that hold their numbers."""
        try:
            told = json.loads((self.schema.metadata or {})[b"huggingface"])
            return classes_in(told["info"]["features"])
        except (KeyError, ValueError, TypeError, RecursionError):
            return {}

    def ids(self, column: str) -> list[str]:
        """A name for each row: that in a column `id`, else its picture's path, else FILE#ROW."""
        names: list[Any] = [None] * self.rows
        if "id" in self.schema.names and column != "id" and is_single(self.schema.field("id").type):
            names = self.columns(["id"])["id"].to_pylist()
        elif wanted := _path_in(self.schema, column):
            names = [name_in(cell) for cell in self.columns([wanted])[column].to_pylist()]
        return [f"{self.name}#{row}" if name is None else str(name) for row, name in enumerate(names)]

    def facts(self, column: str) -> pa.Table:
        """The columns that may say something of the pictures: those of single values, and structs of such."""
        return single_values(
            self.columns([f.name for f in self.schema if f.name not in (column, "id") and may_be_fact(f.type)])
        )


class ParquetTable(Table):
    """A Parquet file."""

    def __init__(self, root: Path, name: str) -> None:
        """Look at its footer."""
        self.groups = read_footer(root / name)
        super().__init__(root, name, self.groups.schema, sum(self.groups.rows))

    def columns(self, names: Sequence[str]) -> pa.Table:
        """See Table."""
        import pyarrow.parquet as pq

        with _told(self.path, "Parquet"), pq.ParquetFile(self.path) as file:
            table = file.read(list(names))
            table.validate(full=True)  # that its text is text
            if names and len(table) != self.rows:
                raise ValueError(f"its footer tells of {self.rows:,} rows, and it has {len(table):,}")
            return table

    def pictures(self, column: str, start: int) -> Iterator[Decode]:
        """See Table."""
        pieces, first = [], 0
        for group, rows in enumerate(self.groups.rows):
            if start < first + rows:
                pieces.append(Piece(self.name, group, group, first, max(start, first), first + rows))
            first += rows
        with _told(self.path, "Parquet"):
            for _, decode in ParquetShard(str(self.root), tuple(pieces), column, None).pictures():
                yield decode


class ArrowTable(Table):
    """An Arrow file, or the stream of one, as datasets saves them."""

    def __init__(self, root: Path, name: str) -> None:
        """Map it; nothing is read."""
        import pyarrow as pa

        with _told(root / name, "Arrow"):
            file = pa.memory_map(str(root / name))
            try:
                self.table = pa.ipc.open_file(file).read_all()
            except pa.ArrowInvalid:
                file.seek(0)
                self.table = pa.ipc.open_stream(file).read_all()
            # What it says of where its values begin is a stranger's word.
            self.table.validate(full=True)
            check_names(self.table.schema)
        super().__init__(root, name, self.table.schema, self.table.num_rows)

    def columns(self, names: Sequence[str]) -> pa.Table:
        """See Table."""
        return self.table.select([name.partition(".")[0] if name not in self.schema.names else name for name in names])

    def pictures(self, column: str, start: int) -> Iterator[Decode]:
        """See Table."""
        for batch in self.table.select([column]).slice(start).to_batches(READ_AT_ONCE):
            for cell in batch.column(0):
                yield partial(read_fitted, partial(_open, cell, self.root))


def _open(cell: pa.Scalar, root: Path) -> OpenFile:
    return open_cell(cell.as_py(), root)


@contextlib.contextmanager
def _told(path: Path, kind: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (OSError, ValueError, MemoryError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise ArmoireError(f"{path} cannot be read as {kind} ({reason}); mend it or take it away") from None


def classes_in(features: Any) -> dict[str, Sequence[str]]:
    """The names of classes of each ClassLabel among Hugging Face's features."""
    return {
        name: [str(one) for one in feature["names"]]
        for name, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and isinstance(feature.get("names"), list)
    }


def _path_in(schema: pa.Schema, column: str) -> str:
    """What to read for the paths of pictures alone: a field beside their bytes, or the column itself; "" for none."""
    import pyarrow as pa

    kind = schema.field(column).type
    if pa.types.is_struct(kind):
        return f"{column}.path" if any(field.name == "path" for field in kind) else ""
    return column if is_text(kind) else ""
