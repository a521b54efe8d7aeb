"""Tables that lie beside pictures: CSV, TSV or JSON lines, a row a picture, of which one column names its file.

A file may be named as it lies below the table's folder, by its last part alone, or without its ending, where that is
clear. The folders `metadata.csv` and `metadata.jsonl` of Hugging Face's imagefolder are of this kind.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from armoire.images.columns import Columns, read_columns, single_values
from armoire.images.decode import RejectedImageError
from armoire.images.listing import FileListing
from armoire.io.files import sha256

if TYPE_CHECKING:
    import pyarrow as pa

ENDINGS = {".csv", ".tsv", ".jsonl"}
NAMES = ("file_name", "filename", "file", "path", "image", "image_id", "image_path", "id", "name")  # looked at first
LARGEST = 1 << 30  # bytes


@dataclass(frozen=True)
class Table:
    """One table, put in the pictures' order.

    Attributes:
        name: of its file.
        facts: a row a picture, of nulls where it says nothing, without the column of names.
        strays: how many of its rows name no picture, or one that a row before has named.
    """

    name: str
    facts: pa.Table
    strays: int


def digest_with_tables(listing: FileListing) -> str:
    """What changes when a picture comes, goes or is rewritten, or a table beside them."""
    stamps = [f"{name}\0{listing.beside[name]}\0".encode() for name in tables_of(listing)]
    return sha256(listing.digest.encode(), *stamps) if stamps else listing.digest


def tables_of(listing: FileListing) -> list[str]:
    """The files that may be such tables."""
    return sorted(name for name in listing.beside if PurePosixPath(name).suffix.lower() in ENDINGS)


def read_beside(listing: FileListing, note: Callable[[str], None]) -> tuple[Columns, tuple[str, ...]]:
    """What the tables beside pictures say of them, and the names of those that say anything."""
    tables = [table for name in tables_of(listing) if (table := _table(listing, name, note)) is not None]
    for table in tables:
        if table.strays:
            note(
                f"{table.name}: {table.strays:,} of its rows name no picture that is there, or one that is named before"
            )
    known = read_columns(_joined([table.facts for table in tables]), {}, len(listing.names))
    return known, tuple(table.name for table in tables)


def _table(listing: FileListing, name: str, note: Callable[[str], None]) -> Table | None:
    import pyarrow as pa

    try:
        with listing.open(name) as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError(f"more than {LARGEST:,} bytes")
        table = _parse(content, PurePosixPath(name).suffix.lower())
    except (OSError, ValueError, RejectedImageError, csv.Error, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        note(f"{name} is left out: it cannot be read as a table ({reason})")
        return None
    places = _places(listing.names, str(PurePosixPath(name).parent))
    order = sorted(table.column_names, key=lambda column: column.lower() not in NAMES)
    for column in order:
        found = [places.get(text, -1) if (text := _text(cell)) else -1 for cell in table[column].to_pylist()]
        if 2 * sum(row >= 0 for row in found) >= max(1, len(found)):
            return _aligned(name, table.drop_columns([column]), found, len(listing.names))
    note(f"{name} is left out: no column of it names the pictures")
    return None


def _aligned(name: str, table: pa.Table, found: Sequence[int], n: int) -> Table:
    import pyarrow as pa

    rows = np.full(n, -1)
    for row, place in reversed(list(enumerate(found))):  # of several rows the first one counts
        if place >= 0:
            rows[place] = row
    used = int((rows >= 0).sum())
    return Table(name, table.take(pa.array(rows, mask=rows < 0)), len(found) - used)


def _places(names: Sequence[str], folder: str) -> Mapping[str, int]:
    """Where each picture is listed, by every name that is its own."""
    places: dict[str, int] = {}
    for short in (_below(folder), lambda name: name, lambda name: PurePosixPath(name).name, _stem):
        mine: dict[str, int] = {}
        for row, name in enumerate(names):
            told = short(name)
            mine[told] = -1 if told in mine else row
        places = mine | places
    return places


def _below(folder: str) -> Callable[[str], str]:
    return lambda name: name if folder == "." else name.removeprefix(f"{folder}/")


def _stem(name: str) -> str:
    return PurePosixPath(name).stem


def _text(cell: object) -> str:
    return "" if cell is None else str(cell).strip().replace("\\", "/").removeprefix("./")


def _parse(content: bytes, ending: str) -> pa.Table:
    """A table of text, or of what JSON holds."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv
    from pyarrow import json as arrow_json

    if ending == ".jsonl":
        return single_values(arrow_json.read_json(BytesIO(content)))
    head = content.decode("utf-8-sig").partition("\n")[0].rstrip("\r")
    delimiter = "\t" if ending == ".tsv" else max(",;\t", key=head.count)
    names = next(csv.reader([head], delimiter=delimiter))
    if len(set(names)) < len(names):
        raise ValueError("two of its columns have one name")
    return arrow_csv.read_csv(
        BytesIO(content),
        parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        # As text, for 007.png may be written 007.
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True
        ),
    )


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    """All columns; of one that several tables have, the first that says something of a picture is believed."""
    import pyarrow as pa
    from pyarrow.compute import call_function

    columns: dict[str, pa.ChunkedArray] = {}
    for table in tables:
        for name in table.column_names:
            if name in columns:
                one, two = columns[name], table[name]
                if one.type != two.type:
                    one, two = one.cast(pa.string()), two.cast(pa.string())
                columns[name] = call_function("coalesce", [one, two])
            else:
                columns[name] = table[name]
    return pa.table(columns)
