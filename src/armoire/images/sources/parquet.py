"""Pictures in Parquet files: a column of encoded bytes, plain or as Hugging Face's datasets keep them, or of paths."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from armoire.errors import ArmoireError, did_you_mean
from armoire.images.columns import is_text
from armoire.images.decode import OpenFile, RejectedImageError
from armoire.images.fit import Decode
from armoire.images.listing import LARGEST_FILE, list_folder, name_below, open_file
from armoire.images.shards import PASSING, Shard, ShardedSource, decoder
from armoire.io.files import sha256

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SUFFIX = ".parquet"
USUAL = ("image", "img", "jpg", "png", "bytes")
PATHS = (*USUAL, "file_name", "filename", "file", "path", "image_path", "filepath", "image_file")
READ_AT_ONCE = 200  # rows
FOOTERS_AT_ONCE = 16  # what is waited for is the network, where the files lie in one


@dataclass(frozen=True)
class Piece:
    """Rows `start` to `stop` of one file, counted in the file; they begin in row group `group`, whose first row is
    `first`, and end in row group `last`.
    """

    file: str
    group: int
    last: int
    first: int
    start: int
    stop: int


@dataclass(frozen=True)
class ParquetShard:
    """Some rows of Parquet files.

    Attributes:
        root: the folder that the files' names, which ids begin with, are told from.
        column: holds the pictures, as binary or as a struct {bytes, path}.
        id_column: names them; None takes the path of the struct where there is one, else FILE#ROW.
    """

    root: str
    pieces: tuple[Piece, ...]
    column: str
    id_column: str | None

    def __len__(self) -> int:
        return sum(piece.stop - piece.start for piece in self.pieces)

    def pictures(self) -> Iterator[tuple[str, Decode]]:
        """See Shard."""
        for piece in self.pieces:
            yield from self._of(piece)

    def _of(self, piece: Piece) -> Iterator[tuple[str, Decode]]:
        import pyarrow as pa

        row = piece.start
        try:
            for batch in self._batches(piece):
                for name, cell in self._cells(batch):
                    yield name or f"{piece.file}#{row}", decoder(lambda cell=cell: open_cell(cell, Path(self.root)))
                    row += 1
        except (OSError, ValueError, pa.ArrowException) as error:  # ValueError of text that is none
            if isinstance(error, OSError) and (error.errno in PASSING or isinstance(error, FileNotFoundError)):
                raise
            reason = f"damaged in {piece.file}: {' '.join(str(error).split())}"
            for lost in range(row, piece.stop):
                yield f"{piece.file}#{lost}", lambda _fit: _reject(reason)

    def _batches(self, piece: Piece) -> Iterator[pa.RecordBatch]:
        import pyarrow.parquet as pq

        columns = [self.column, *([self.id_column] if self.id_column else [])]
        begin = piece.first
        with pq.ParquetFile(Path(self.root) / piece.file) as file:
            groups = list(range(piece.group, piece.last + 1))
            for batch in file.iter_batches(READ_AT_ONCE, row_groups=groups, columns=columns):
                low, high = max(piece.start - begin, 0), min(piece.stop - begin, len(batch))
                if low < high:
                    yield batch.slice(low, high - low)
                begin += len(batch)
                if begin >= piece.stop:
                    return

    def _cells(self, batch: pa.RecordBatch) -> Iterator[tuple[str | None, Any]]:
        cells = batch.column(self.column).to_pylist()
        names = batch.column(self.id_column).to_pylist() if self.id_column else [name_in(cell) for cell in cells]
        for name, cell in zip(names, cells, strict=True):
            yield None if name is None else name_below(str(name), Path(self.root)), cell


def is_parquet(path: Path) -> bool:
    """Whether a source is a Parquet file, or a folder that holds such files and no pictures."""
    if path.is_file():
        return path.suffix.lower() == SUFFIX
    return path.is_dir() and bool(names := list_folder(path).names) and all(n.lower().endswith(SUFFIX) for n in names)


def shard_parquet(path: Path, size: int, column: str | None = None, id_column: str | None = None) -> ShardedSource:
    """The rows of one or many Parquet files, up to `size` to a part; row groups stay whole unless they are larger.

    Args:
        path: a .parquet file, or a folder of them.
        size: rows to a part.
        column: the one with the pictures; found where only one can be it.
        id_column: the one with their names; `id` where there is one, else see ParquetShard.

    Raises:
        ArmoireError: a file is damaged, or there is no such column.
    """
    whole = path.resolve()
    root = whole.parent if whole.is_file() else whole
    files = sorted([whole.name] if whole.is_file() else list_folder(whole).names)
    with ThreadPoolExecutor(FOOTERS_AT_ONCE) as pool:
        footers = list(pool.map(lambda name: read_footer(root / name), files))
    column = column or image_column(path, footers[0].schema)
    if id_column is None and "id" in footers[0].schema.names and column != "id":
        id_column = "id"
    for name, footer in zip(files, footers, strict=True):
        for wanted in filter(None, (column, id_column)):
            if wanted not in footer.schema.names:
                raise ArmoireError(f"no column '{wanted}' in {name}; {did_you_mean(wanted, footer.schema.names)}")
        if not _may_hold_images(footer.schema.field(column).type):
            raise ArmoireError(f"column '{column}' of {name} holds no images; give another with --column")
    groups = [(name, rows) for name, footer in zip(files, footers, strict=True) for rows in [footer.rows]]
    parts: list[Shard] = [ParquetShard(str(root), pieces, column, id_column) for pieces in _pieces(groups, size)]
    if not parts:
        raise ArmoireError(f"no rows in {path}; give Parquet files with images")
    digest = sha256("\n".join(f"{n}\0{f.stamp}" for n, f in zip(files, footers, strict=True)).encode())
    return ShardedSource(str(whole), digest, parts)


@dataclass(frozen=True)
class Footer:
    """What a Parquet file says of itself.

    Attributes:
        schema: its columns.
        rows: of each row group, how many.
        stamp: changes when the file does.
    """

    schema: Any
    rows: tuple[int, ...]
    stamp: str


def read_footer(path: Path) -> Footer:
    """What a Parquet file says of itself.

    Raises:
        ArmoireError: it is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            rows = tuple(file.metadata.row_group(i).num_rows for i in range(file.num_row_groups))
            schema = file.schema_arrow
            check_names(schema)
        facts = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise ArmoireError(f"{path} cannot be read as Parquet ({reason}); mend it or take it away") from None
    return Footer(schema, rows, f"{facts.st_size}\0{facts.st_mtime_ns}\0{rows}")


def check_names(fields: Iterable[pa.Field]) -> None:
    """See to it that the names of columns, and of fields in them, are text: a ValueError where they are not."""
    for field in fields:
        assert field.name is not None
        check_names(field.type.field(k) for k in range(field.type.num_fields))


def _pieces(groups: Sequence[tuple[str, Sequence[int]]], size: int) -> Iterator[tuple[Piece, ...]]:
    """Row groups of each file to parts: whole groups while they fit, one that is too large in spans of its own."""
    current: list[Piece] = []
    held = 0
    for file, counts in groups:
        first = 0
        for group, rows in enumerate(counts):
            if held and held + rows > size:
                yield tuple(current)
                current, held = [], 0
            for start in range(first, first + rows, size):
                stop = min(start + size, first + rows)
                if rows > size:
                    yield (Piece(file, group, group, first, start, stop),)
                elif current and current[-1].file == file:
                    before = current.pop()
                    current.append(Piece(file, before.group, group, before.first, before.start, stop))
                else:
                    current.append(Piece(file, group, group, first, start, stop))
            held += rows if rows <= size else 0
            first += rows
    if current:
        yield tuple(current)


def image_column(path: Path, schema: pa.Schema) -> str:
    """The column that holds the pictures: encoded, or else their paths.

    Raises:
        ArmoireError: there is none, or several may be it.
    """
    known = [name for name in schema.names if _holds_bytes(schema.field(name).type)]
    usual = [name for name in USUAL if name in known]
    if len(known) == 1 or usual:
        return (usual or known)[0]
    if known:
        raise ArmoireError(f"several columns of {path} may hold images ({', '.join(known)}); choose one with --column")
    if paths := [name for name in PATHS if name in schema.names and is_text(schema.field(name).type)]:
        return paths[0]
    raise ArmoireError(
        f"no column of {path} holds images (binary, a struct with bytes, or paths in a column such as file_name); "
        "give files that have one"
    )


def _may_hold_images(kind: pa.DataType) -> bool:
    return _holds_bytes(kind) or is_text(kind)


def _holds_bytes(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    if types.is_struct(kind):
        return any(field.name == "bytes" and _holds_bytes(field.type) for field in kind)
    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)


def name_in(cell: Any) -> str | None:
    """The name that a cell itself gives its picture: its path."""
    return cell.get("path") if isinstance(cell, dict) else cell if isinstance(cell, str) else None


def open_cell(cell: Any, folder: Path) -> OpenFile:
    """Open the picture of a cell: bytes, a struct {bytes, path}, or the path of a file below the table's folder."""
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    path = name_in(cell)
    if path and not isinstance(content, bytes):
        # A stranger's table may not fetch what lies elsewhere on this disk.
        file = Path(os.path.normpath(folder / path))
        if not file.is_relative_to(folder):
            raise RejectedImageError(f"its file lies outside of {folder}")
        return open_file(file)
    if not content:
        raise RejectedImageError("no image" if content is None else "empty file")
    if len(content) > LARGEST_FILE:
        raise RejectedImageError(f"{len(content):,} bytes are more than {LARGEST_FILE:,}")
    return BytesIO(content)


def _reject(reason: str) -> np.ndarray:
    raise RejectedImageError(reason)
