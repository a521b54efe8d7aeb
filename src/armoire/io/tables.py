"""Parquet tables with a checksum of the whole file in their footer, verified before anything parses them.

They are written without compression and dictionaries, so that a table is never larger in memory than its file allows.
"""

from __future__ import annotations

import mmap
import stat
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from armoire.errors import first_line
from armoire.io.files import atomic_path, sha256

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

LARGEST_TEXT, MOST_ENTRIES = 1 << 24, 1 << 20  # of a footer's texts in bytes, and of its lists
DIGEST, NO_DIGEST = b"armoire_sha256", b"0" * 64
# In memory, by Parquet's type, without the text itself, which takes as much in the file.
BITS = {"BOOLEAN": 1, "INT32": 32, "INT64": 64, "FLOAT": 32, "DOUBLE": 64, "BYTE_ARRAY": 32}
SMALL = 1 << 26  # bytes that any table may take
MOST_PER_BYTE = 16  # a row's id and split alone are 14 bytes: enough for some fifty attributes without any value
# The bytes of the entry in the footer: Thrift's compact protocol puts a field's type and a length before the value.
ENTRY = DIGEST + b"\x18\x40"


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table as Parquet with its checksum in the footer, atomically."""
    import pyarrow.parquet as pq

    metadata = (table.schema.metadata or {}) | {DIGEST: NO_DIGEST}
    with atomic_path(path) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="none", use_dictionary=False)
        checksum_table(temporary)


def checksum_table(path: Path) -> None:
    """Write its checksum into a file whose schema has an entry for it."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        at = _offset(content)
        content[at : at + 64] = _digest(content, at)


def read_table(path: Path) -> pa.Table:
    """Read a table with the metadata of its schema; ValueError where it is damaged, or not of `write_table`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is no regular file")
    if not status.st_size:
        raise ValueError("it is empty")
    # First of all: some changed bytes make pyarrow's C++ abort the process instead of raising an exception.
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = _offset(content)
        if content[at : at + 64] != _digest(content, at):
            raise ValueError("its bytes are not those that were written")
    try:
        with pq.ParquetFile(
            path, thrift_string_size_limit=LARGEST_TEXT, thrift_container_size_limit=MOST_ENTRIES
        ) as file:
            _check(file.metadata, status.st_size)
            table = file.read(use_threads=False)
    except (pa.ArrowException, OSError, OverflowError) as error:
        raise ValueError(first_line(error)) from None
    metadata = table.schema.metadata or {}
    return table.replace_schema_metadata({name: value for name, value in metadata.items() if name != DIGEST})


def _offset(content: mmap.mmap) -> int:
    """The offset of the checksum, after the last occurrence of its entry: the footer is at the end of the file."""
    at = content.rfind(ENTRY)
    if at < 0 or at + len(ENTRY) + 64 > len(content):
        raise ValueError("armoire did not write it")
    return at + len(ENTRY)


def _digest(content: mmap.mmap, at: int) -> bytes:
    """SHA-256 of the file in which the checksum itself is zeros."""
    with memoryview(content) as view:
        return sha256(view[:at], NO_DIGEST, view[at + 64 :]).encode()


def _check(footer: pq.FileMetaData, size: int) -> None:
    """Raise ValueError for a table larger in memory than its file explains; missing values take none of the file."""
    bits = 0
    for group, column in product(range(footer.num_row_groups), range(footer.num_columns)):
        chunk = footer.row_group(group).column(column)
        if chunk.compression != "UNCOMPRESSED" or chunk.has_dictionary_page:
            raise ValueError("it is compressed, which armoire's own tables are not")
        if chunk.physical_type not in BITS:
            raise ValueError(f"it has values of type {chunk.physical_type}, which armoire's own tables have not")
        bits += chunk.num_values * BITS[chunk.physical_type]
    if bits // 8 > max(SMALL, size * MOST_PER_BYTE):
        raise ValueError(f"{footer.num_rows:,} rows do not fit into its {size:,} bytes")
