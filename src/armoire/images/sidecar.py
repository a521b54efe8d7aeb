"""Tables next to image files: CSV, TSV or JSON lines with one row per image and a column that names its file.

A file is named by its path relative to the table, its file name alone, or its name without ending, where that is
unambiguous. `metadata.csv` and `metadata.jsonl` of Hugging Face's imagefolder are such tables.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from armoire.images.columns import Columns, read_columns, scalar_columns
from armoire.images.decode import RejectedImageError
from armoire.images.listing import FileListing
from armoire.io.files import sha256

if TYPE_CHECKING:
    import pyarrow as pa

ENDINGS = {".csv", ".tsv", ".jsonl"}
NAME_COLUMNS = ("file_name", "filename", "file", "path", "image", "image_id", "image_path", "id", "name")  # in order
LARGEST = 1 << 30  # bytes


@dataclass(frozen=True)
class Sidecar:
    """One table in the order of the images.

    Attributes:
        name: of its file.
        table: one row per image, null where the file has no row for it, without the column of names.
        unmatched: number of rows that name no image, or one that an earlier row names.
    """

    name: str
    table: pa.Table
    unmatched: int


def digest_with_tables(listing: FileListing) -> str:
    """A digest that changes when an image, or a table next to the images, is added, removed or rewritten."""
    stamps = [f"{name}\0{listing.sidecars[name]}\0".encode() for name in _tables(listing)]
    return sha256(listing.digest.encode(), *stamps) if stamps else listing.digest


def read_sidecars(listing: FileListing, note: Callable[[str], None]) -> tuple[Columns, tuple[str, ...]]:
    """The columns of all tables next to the images, and the names of the tables that could be used."""
    sidecars = [found for name in _tables(listing) if (found := _read(listing, name, note)) is not None]
    for sidecar in sidecars:
        if sidecar.unmatched:
            note(f"{sidecar.name}: {sidecar.unmatched:,} rows name no image, or one that an earlier row names")
    columns = read_columns(_coalesce([sidecar.table for sidecar in sidecars]), {}, len(listing.names))
    return columns, tuple(sidecar.name for sidecar in sidecars)


def _tables(listing: FileListing) -> list[str]:
    return sorted(name for name in listing.sidecars if PurePosixPath(name).suffix.lower() in ENDINGS)


def _read(listing: FileListing, name: str, note: Callable[[str], None]) -> Sidecar | None:
    import pyarrow as pa

    try:
        with listing.open(name) as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError(f"more than {LARGEST:,} bytes")
        table = _parse(content, PurePosixPath(name).suffix.lower())
    except (OSError, ValueError, RejectedImageError, csv.Error, pa.ArrowException) as error:
        note(f"{name} is ignored: it cannot be read as a table ({' '.join(str(error).split())})")
        return None
    positions = _positions(listing.names, str(PurePosixPath(name).parent))
    for column in sorted(table.column_names, key=lambda column: column.lower() not in NAME_COLUMNS):
        matches = [positions.get(text, -1) if (text := _text(cell)) else -1 for cell in table[column].to_pylist()]
        if 2 * sum(position >= 0 for position in matches) >= max(1, len(matches)):
            return _align(name, table.drop_columns([column]), matches, len(listing.names))
    note(f"{name} is ignored: no column of it names the images")
    return None


def _align(name: str, table: pa.Table, matches: Sequence[int], n: int) -> Sidecar:
    import pyarrow as pa

    rows = np.full(n, -1)
    for row, position in reversed(list(enumerate(matches))):  # the first of several rows counts
        if position >= 0:
            rows[position] = row
    used = int((rows >= 0).sum())
    return Sidecar(name, table.take(pa.array(rows, mask=rows < 0)), len(matches) - used)


def _positions(names: Sequence[str], folder: str) -> Mapping[str, int]:
    """Index of each image by every unambiguous name of it; -1 for an ambiguous one."""
    prefix = "" if folder == "." else f"{folder}/"
    positions: dict[str, int] = {}
    for shorten in (
        lambda name: name.removeprefix(prefix),
        lambda name: name,
        lambda name: PurePosixPath(name).name,
        lambda name: PurePosixPath(name).stem,
    ):
        shortened: dict[str, int] = {}
        for row, name in enumerate(names):
            short = shorten(name)
            shortened[short] = -1 if short in shortened else row
        positions = shortened | positions
    return positions


def _text(cell: object) -> str:
    return "" if cell is None else str(cell).strip().replace("\\", "/").removeprefix("./")


def _parse(content: bytes, ending: str) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv
    from pyarrow import json as arrow_json

    if ending == ".jsonl":
        return scalar_columns(arrow_json.read_json(BytesIO(content)))
    head = content.decode("utf-8-sig").partition("\n")[0].rstrip("\r")
    delimiter = "\t" if ending == ".tsv" else max(",;\t", key=head.count)
    names = next(csv.reader([head], delimiter=delimiter))
    if len(set(names)) < len(names):
        raise ValueError("two of its columns have the same name")
    return arrow_csv.read_csv(
        BytesIO(content),
        parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        # As text, because 007.png may be written 007.
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True
        ),
    )


def _coalesce(tables: Sequence[pa.Table]) -> pa.Table:
    """All columns; where several tables have one, the first non-null value counts."""
    import pyarrow as pa
    from pyarrow.compute import call_function

    columns: dict[str, pa.ChunkedArray] = {}
    for table in tables:
        for name in table.column_names:
            column = table[name]
            if name in columns:
                first = columns[name]
                if first.type != column.type:
                    first, column = first.cast(pa.string()), column.cast(pa.string())
                column = call_function("coalesce", [first, column])
            columns[name] = column
    return pa.table(columns)
