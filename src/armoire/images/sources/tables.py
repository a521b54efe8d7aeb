"""Parquet and Arrow files with a row per image: encoded bytes, structs {bytes, path}, or paths below the folder."""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from armoire.errors import ArmoireError
from armoire.images.column_roles import Role, chosen
from armoire.images.column_values import is_text
from armoire.images.columns import FREE, ColumnChoice, Columns, read_columns
from armoire.images.fit import Decode, read_fitted
from armoire.images.image_names import ImageNames
from armoire.images.layout import read_layout
from armoire.images.listing import FileListing, Ignored, has_image_ending
from armoire.images.sidecar_files import folder_of
from armoire.images.source import Request, Source, SourceKind
from armoire.images.sources.cells import (
    BYTES_COLUMNS,
    SeveralColumnsError,
    image_column,
    names_file,
    open_cell,
    path_in,
)
from armoire.images.sources.list_columns import is_list_of_words, split_lists
from armoire.images.sources.table_files import (
    ARROW,
    PARQUET,
    ArrowFile,
    ParquetFile,
    TableFile,
    is_scalar,
    is_scalar_or_struct,
    scalar_columns,
)
from armoire.images.split_words import split_word

ROW = "#row"
CACHE_PREFIX = "cache-"  # of files that datasets writes next to its data
HEAD = 20  # rows that are looked at
FOOTER_THREADS = 16  # on a network file system the footers' latency dominates


class TableSource(Source):
    """Rows of one or many tables.

    Attributes:
        files: the tables.
        column: of the images.
        id_column: of their names; "" for the images' paths, else FILE#ROW.
        start: the first row, counted over all files.
        stop: the row after the last.
    """

    def __init__(self, request: Request, files: Sequence[TableFile], column: str) -> None:
        self.name, self.origin, self.digest = request.name, request.source, request.files.digest
        self.files, self.column, self.choice = files, column, request.choice
        self.id_column = _id_column(files, column, request.choice.name)
        self.start, self.stop = 0, sum(file.rows for file in files)
        self._listing: FileListing | None = request.files

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def ignored(self) -> Sequence[Ignored]:
        return self._ignored

    @cached_property
    def _ignored(self) -> Sequence[Ignored]:
        """The files that are neither tables nor named by them."""
        if self._listing is None:
            return ()
        rest = {*self._listing.names, *self._listing.sidecars} - {file.name for file in self.files}
        if names := [name for name in self._listing.names if has_image_ending(name)]:
            images = ImageNames(names, self._listing.root_name)
            paths = (path for file in self.files for path in file.ids(self.column, "", 0, file.rows))
            rest -= {names[i] for path in paths if (i := images.find(path).position) >= 0}
        return [*self._listing.ignored, *(Ignored(name, "not a table of images") for name in sorted(rest))]

    def list_ids(self) -> Sequence[str]:
        spans = self._spans(0, len(self))
        return [name for file, low, high in spans for name in file.ids(self.column, self.id_column, low, high)]

    def describe(self) -> Columns:
        others = (self.column, self.id_column)
        classes = {name: names for file in self.files for name, names in _class_labels(file).items()}
        table, unused, notes = split_lists(_join(self.files, others, classes), classes)
        columns = read_columns(table, classes, len(self), self.choice)
        schema = self.files[0].schema
        unused = {f.name: f"values of type {f.type}" for f in schema if _is_left_out(f, others, classes)} | unused
        roles = (Role(name, "ignored", reason=reason) for name, reason in unused.items())
        columns = replace(columns, roles=(*columns.roles, *roles), notes=(*notes, *columns.notes))
        # `label=cat/train-0.parquet`: folders, and names of files that state a split, are read as folders are.
        paths = [path for file in self.files for path in [_path(file.name)] * file.rows]
        return columns.fill_missing(read_layout(paths, self.choice))

    def read(self, start: int, stop: int) -> Iterator[Decode]:
        for file, low, high in self._spans(start, stop):
            for cell in file.cells(self.column, low, high):
                yield _decoder(cell, file.cell_folder)

    def part(self, start: int, stop: int) -> Source:
        part = copy.copy(self)
        part.start, part.stop, part._listing = self.start + start, self.start + stop, None
        for cached in ("ids", "columns", "_ignored"):
            vars(part).pop(cached, None)
        return part

    def chunks(self, start: int, size: int) -> Iterator[Source]:
        """By value: reading a chunk from within a row group would read the group's beginning again for each."""
        cells = (
            (cell, file.cell_folder)
            for file, low, high in self._spans(start, len(self))
            for cell in file.cells(self.column, low, high)
        )
        while rows := list(islice(cells, size)):
            yield CellRows(self, start, rows)
            start += len(rows)

    def sample(self, n: int) -> list[Decode]:
        return list(self.read(0, min(n, len(self))))  # others would have to be searched for in their row groups

    def _spans(self, start: int, stop: int) -> Iterator[tuple[TableFile, int, int]]:
        """The files that hold images `start` to `stop`, and the rows of each."""
        first = -self.start
        for file in self.files:
            low, high = max(start - first, 0), min(stop - first, file.rows)
            if low < high:
                yield file, low, high
            first += file.rows


class CellRows(Source):
    """Rows of tables, each as its cell and the folder of its file, which are sent to another process by value."""

    def __init__(self, source: Source, start: int, rows: Sequence[tuple[Any, str]]) -> None:
        self.name, self.origin, self.digest = source.name, source.origin, source.digest
        self.ids, self.rows = source.ids[start : start + len(rows)], rows

    def list_ids(self) -> Sequence[str]:
        return self.ids

    def read(self, start: int, stop: int) -> Iterator[Decode]:
        return (_decoder(cell, root) for cell, root in self.rows[start:stop])

    def part(self, start: int, stop: int) -> Source:
        return CellRows(self, start, self.rows[start:stop])


def _decoder(cell: Any, root: str) -> Decode:
    return partial(read_fitted, partial(open_cell, cell, Path(root)))


def _path(name: str) -> str:
    """The folders of a table, and its name if that states a split, as those of an image."""
    stem = PurePosixPath(name).with_suffix("")
    return f"{stem}/x" if split_word(stem.name) else name


def _recognizes(_where: Path, listing: FileListing) -> bool:
    tables = [name for name in listing.names if name.lower().endswith((PARQUET, *ARROW))]
    if not tables or not any(has_image_ending(name) for name in listing.names):
        return bool(tables)
    try:
        return bool(_image_column(_file(listing, tables[0]).check(), FREE))
    except SeveralColumnsError:
        return True  # which asks for the column
    except ArmoireError:
        return False  # images with a table that does not name them


def _image_column(file: TableFile, choice: ColumnChoice) -> str:
    """The column of images, else the only one whose cells name image files.

    ArmoireError where there is none, or several are possible.
    """
    texts = [field.name for field in file.schema if is_text(field.type)]

    def paths(name: str) -> Iterator[str]:
        return (path_in(cell) or "" for cell in file.cells(name, 0, HEAD))

    try:
        column = image_column(file.path, file.schema, choice)
    except ArmoireError:
        named = [name for name in texts if any(map(has_image_ending, paths(name)))]
        if choice.image or len(named) != 1:
            raise
        return named[0]
    # An image's own column is called so; a mask may be next to paths of images.
    if not choice.image and column not in (*texts, *BYTES_COLUMNS):
        images = [name for name in texts if any(has_image_ending(x) and names_file(x, file.root) for x in paths(name))]
        if images:
            raise SeveralColumnsError(file.path, [column, *images])
    return column


def _file(listing: FileListing, name: str) -> TableFile:
    return (ParquetFile if name.lower().endswith(PARQUET) else ArrowFile)(str(listing.path), name)


def _open(request: Request) -> Source:
    listing = request.files
    names = [n for n in listing.names if n.lower().endswith((PARQUET, *ARROW)) and not _is_cache(n)]
    if not names:
        raise ArmoireError(f"no images in {listing.path}; give Parquet or Arrow files of images")
    with ThreadPoolExecutor(FOOTER_THREADS) as pool:
        files = list(pool.map(TableFile.check, [_file(listing, name) for name in names]))
    column = _image_column(files[0], request.choice)
    for file in files:
        if len(set(file.schema.names)) < len(file.schema.names):
            raise ArmoireError(f"two columns of {file.name} have the same name; rename one of them")
        if column not in file.schema.names:
            raise ArmoireError(f"{file.name} has no column '{column}', which holds the images in {files[0].name}")
    if names := [name for name in listing.names if has_image_ending(name)]:
        images = ImageNames(names, listing.root_name)
        files = [_with_folder(file, column, images) for file in files]
    return TableSource(request, files, column)


TABLES = SourceKind("a file or folder of Parquet or Arrow tables", _open, _recognizes)


def _with_folder(file: TableFile, column: str, images: ImageNames) -> TableFile:
    """A table with the folder that its first paths are relative to, where they do not name files as they are."""
    cells = [cell for cell in file.cells(column, 0, HEAD) if not (isinstance(cell, dict) and cell.get("bytes"))]
    paths = [path for cell in cells if (path := path_in(cell))]
    if not any(names_file(path, file.root) for path in paths):
        for path in paths:
            position = images.find(path, folder_of(file.name)).position
            folder, end, _ = images.names[position].rpartition(f"/{path}") if position >= 0 else ("", "", "")
            if end:
                return replace(file, folder=folder)
    return file


def _is_cache(name: str) -> bool:
    return PurePosixPath(name).name.startswith(CACHE_PREFIX)


def _id_column(files: Sequence[TableFile], column: str, wanted: str) -> str:
    schema = files[0].schema
    if wanted:
        return chosen(wanted, schema.names, f"--name-column in {files[0].name}")
    return "id" if "id" in schema.names and column != "id" and is_scalar(schema.field("id").type) else ""


def _is_left_out(field: pa.Field, others: Collection[str], classes: Collection[str]) -> bool:
    """Whether a column is neither among `others`, nor of scalars, structs of scalars or lists of words."""
    is_readable = is_scalar_or_struct(field.type) or is_list_of_words(field.type, field.name in classes)
    return field.name not in others and not is_readable


def _join(files: Sequence[TableFile], others: Sequence[str], classes: Collection[str]) -> pa.Table:
    """The columns of scalars, of structs of scalars and of lists of words, of all files."""
    tables = []
    for file in files:
        names = [f.name for f in file.schema if f.name not in others and not _is_left_out(f, others, classes)]
        table = scalar_columns(file.columns(names))
        # A table without columns has no rows, hence the column of row numbers.
        tables.append(table.append_column(ROW, pa.array(range(file.rows))))
    try:
        return pa.concat_tables(tables, promote_options="permissive").drop_columns([ROW])
    except pa.ArrowException as error:
        raise ArmoireError(
            f"the columns of {files[0].name} and the other files do not fit together ({error})"
        ) from None


def _class_labels(file: TableFile) -> dict[str, Sequence[str]]:
    """The class names of ClassLabel columns, and of lists of them, from the metadata of Hugging Face's datasets."""
    try:
        features = json.loads((file.schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {
            name: [str(one) for one in feature["names"]]
            for name, feature in ((name, _inner(feature)) for name, feature in features.items())
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and isinstance(feature["names"], list)
        }
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _inner(feature: Any) -> Any:
    """What a list of features holds, in the ways that versions of datasets write it; other features unchanged."""
    if isinstance(feature, list) and len(feature) == 1:
        return feature[0]
    return feature.get("feature", feature) if isinstance(feature, dict) else feature
