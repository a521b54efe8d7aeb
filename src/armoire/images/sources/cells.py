"""The images in the cells of a table: encoded bytes, a struct {bytes, path}, or the path of a file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from armoire.errors import ArmoireError
from armoire.images.columns import is_text
from armoire.images.decode import OpenFile, RejectedImageError
from armoire.images.listing import open_bytes, open_file

if TYPE_CHECKING:
    import pyarrow as pa

BYTES_COLUMNS = ("image", "img", "jpg", "png", "bytes")
PATH_COLUMNS = (*BYTES_COLUMNS, "file_name", "filename", "file", "path", "image_path", "filepath", "image_file")


def image_column(path: Path, schema: pa.Schema) -> str:
    """The column of encoded images, else the one of their paths.

    Raises:
        ArmoireError: there is none, or several are possible.
    """
    encoded = [name for name in schema.names if _holds_bytes(schema.field(name).type)]
    common = [name for name in BYTES_COLUMNS if name in encoded]
    if len(encoded) == 1 or common:
        return (common or encoded)[0]
    if encoded:
        raise ArmoireError(
            f"several columns of {path} may hold images ({', '.join(encoded)}); choose one with --column"
        )
    if paths := [name for name in PATH_COLUMNS if name in schema.names and is_text(schema.field(name).type)]:
        return paths[0]
    raise ArmoireError(
        f"no column of {path} holds images (binary, a struct with bytes, or paths in a column such as file_name); "
        "give files that have one"
    )


def may_hold_images(kind: pa.DataType) -> bool:
    """Whether a column of a type can be a column of images."""
    return _holds_bytes(kind) or is_text(kind)


def _holds_bytes(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    if types.is_struct(kind):
        return any(field.name == "bytes" and _holds_bytes(field.type) for field in kind)
    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)


def path_field(schema: pa.Schema, column: str) -> str:
    """The column, or field `column.path`, of the images' paths; "" where there is none."""
    import pyarrow as pa

    kind = schema.field(column).type
    if pa.types.is_struct(kind):
        return f"{column}.path" if any(field.name == "path" for field in kind) else ""
    return column if is_text(kind) else ""


def path_in(cell: Any) -> str | None:
    """The path in a cell."""
    return cell.get("path") if isinstance(cell, dict) else cell if isinstance(cell, str) else None


def open_cell(cell: Any, folder: Path) -> OpenFile:
    """Open the image of a cell; a path must be below `folder`."""
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    path = path_in(cell)
    if path and not isinstance(content, bytes):
        # A table is untrusted input: it must not read files elsewhere on this disk.
        file = Path(os.path.normpath(folder / path))
        if not file.is_relative_to(folder):
            raise RejectedImageError(f"its file is outside of {folder}")
        return open_file(file)
    if content is None:
        raise RejectedImageError("no image")
    return open_bytes(content or b"")


def check_names(fields: Iterable[pa.Field]) -> None:
    """ValueError where the name of a column, or of a field in one, is not valid text."""
    for field in fields:
        assert field.name is not None
        check_names(field.type.field(k) for k in range(field.type.num_fields))
