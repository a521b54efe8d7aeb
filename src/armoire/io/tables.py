"""Parquet tables that armoire keeps for itself, read again without trusting them.

They are written plainly, without compression and dictionaries, so that a table is never larger in memory than its file
allows; and with the file's digest in its footer, so that changed bytes are noticed before anything parses them.
"""

from __future__ import annotations

import hashlib
import mmap
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from armoire.errors import first_line
from armoire.io.files import atomic_path

if TYPE_CHECKING:
    import pyarrow as pa

LARGEST_TEXT, MOST_ENTRIES = 1 << 24, 1 << 20  # of a footer's texts in bytes, and of its lists
DIGEST, NO_DIGEST = b"armoire_sha256", b"0" * 64
# In memory, by Parquet's type, without the text itself: that stands in the file as it is.
BITS = {"BOOLEAN": 1, "INT32": 32, "INT64": 64, "FLOAT": 32, "DOUBLE": 64, "BYTE_ARRAY": 32}
SMALL = 1 << 26  # bytes that any table may take
MOST_PER_BYTE = 16  # a row's id and split alone are 14 bytes: that allows for some fifty attributes, known of no image
# The entry as it stands in the footer: Thrift's compact protocol puts a field's type and a length before the value.
ENTRY = DIGEST + b"\x18\x40"


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table atomically."""
    import pyarrow.parquet as pq

    facts = (table.schema.metadata or {}) | {DIGEST: NO_DIGEST}
    with atomic_path(path) as beside:
        pq.write_table(table.replace_schema_metadata(facts), beside, compression="none", use_dictionary=False)
        checksum_table(beside)


def checksum_table(path: Path) -> None:
    """Put its digest into a file whose schema has an entry for it."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        at = _place(content)
        content[at : at + 64] = _digest(content, at)


def read_table(path: Path) -> pa.Table:
    """Read a table back, and with it the metadata of its schema.

    Raises:
        ValueError: it is damaged, or was not written by `write_table`.
        OSError: it cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    facts = path.stat()
    if not stat.S_ISREG(facts.st_mode):
        raise ValueError("it is no plain file")
    if not facts.st_size:
        raise ValueError("it is empty")
    # First of all: of some changed bytes pyarrow's C++ makes an end of the process, and no exception.
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = _place(content)
        if content[at : at + 64] != _digest(content, at):
            raise ValueError("its bytes are not those that were written")
    try:
        with pq.ParquetFile(
            path, thrift_string_size_limit=LARGEST_TEXT, thrift_container_size_limit=MOST_ENTRIES
        ) as file:
            _check(file.metadata, facts.st_size)
            table = file.read(use_threads=False)
    except (pa.ArrowException, OSError, OverflowError) as error:
        raise ValueError(first_line(error)) from None
    told = table.schema.metadata or {}
    return table.replace_schema_metadata({name: value for name, value in told.items() if name != DIGEST})


def _place(content: mmap.mmap) -> int:
    """Where the digest stands: behind the last thing that looks like its entry, for the footer is the file's end."""
    at = content.rfind(ENTRY)
    if at < 0 or at + len(ENTRY) + 64 > len(content):
        raise ValueError("armoire did not write it")
    return at + len(ENTRY)


def _digest(content: mmap.mmap, at: int) -> bytes:
    """SHA-256 of the file in which the digest itself is zeros."""
    with memoryview(content) as view:
        found = hashlib.sha256(view[:at])
        found.update(NO_DIGEST)
        found.update(view[at + 64 :])
    return found.hexdigest().encode()


def _check(footer: object, size: int) -> None:
    """Check that a table takes no more memory than its file explains; missing values take none of the file."""
    chunks = [
        footer.row_group(group).column(column)  # type: ignore[attr-defined]
        for group in range(footer.num_row_groups)  # type: ignore[attr-defined]
        for column in range(footer.num_columns)  # type: ignore[attr-defined]
    ]
    bits = 0
    for chunk in chunks:
        if chunk.compression != "UNCOMPRESSED" or chunk.has_dictionary_page:
            raise ValueError("it is compressed, which armoire's own tables are not")
        if chunk.physical_type not in BITS:
            raise ValueError(f"it has values of type {chunk.physical_type}, which armoire's own tables have not")
        bits += chunk.num_values * BITS[chunk.physical_type]
    if bits // 8 > max(SMALL, size * MOST_PER_BYTE):
        raise ValueError(f"{footer.num_rows:,} rows do not fit into its {size:,} bytes")  # type: ignore[attr-defined]
