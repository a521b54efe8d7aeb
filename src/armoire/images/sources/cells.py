"""The images in the cells of a table: encoded bytes, a struct {bytes, path}, the path of a file, or base64 text."""

from __future__ import annotations

import base64
import binascii
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.types as types

from armoire.errors import ArmoireError
from armoire.images.column_roles import FREE, ColumnChoice, chosen, plain
from armoire.images.column_values import is_text
from armoire.images.decode import OpenFile, RejectedImageError
from armoire.images.listing import open_bytes, open_file

BYTES_COLUMNS = ("image", "img", "jpg", "png", "bytes")
PATH_COLUMNS = (
    *BYTES_COLUMNS, "file_name", "filename", "file", "path", "image_path", "img_path", "filepath", "file_path",
    "image_file", "image_name",
)  # fmt: skip
#: The first bytes of JPEG, PNG, GIF, WEBP, BMP and TIFF files as base64, with or without the head of a data URL.
BASE64 = re.compile(r"\s*(data:image/[\w.+-]+;base64,)?(/9j/|iVBORw0KGgo|R0lGOD|UklGR|Qk[0-9A-Za-z+/]|SUkqA|TU0AK)")
SHORTEST_BASE64 = 80  # characters; shorter text is a path


@dataclass(frozen=True)
class Damaged:
    """A cell that cannot be read, and why."""

    reason: str


class SeveralColumnsError(ArmoireError):
    """More than one column may hold the images."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        names = ", ".join(columns)
        super().__init__(f"several columns of {path} may hold images ({names}); choose one with --image-column")


def image_column(path: Path, schema: pa.Schema, choice: ColumnChoice = FREE) -> str:
    """The chosen column of images, else the only one of encoded images, else the one of their paths.

    ArmoireError where there is none, or several are possible.
    """
    if choice.image:
        name = chosen(choice.image, schema.names, "--image-column")
        kind = schema.field(name).type
        if not _holds_bytes(kind) and not is_text(kind):
            raise ArmoireError(f"column '{name}' of {path} holds {kind}, no images or paths")
        return name
    encoded = [name for name in schema.names if _holds_bytes(schema.field(name).type)]
    common = [name for name in BYTES_COLUMNS if name in encoded]
    texts = {plain(name): name for name in reversed(schema.names) if is_text(schema.field(name).type)}
    paths = [texts[name] for name in PATH_COLUMNS if name in texts]
    # An image's own column is called so; a mask next to paths of images is no image.
    if common or (len(encoded) == 1 and not (set(paths) & {texts.get(name) for name in BYTES_COLUMNS})):
        return (common or encoded)[0]
    if encoded:
        raise SeveralColumnsError(path, [*encoded, *paths])
    if paths:
        return paths[0]
    raise ArmoireError(
        f"no column of {path} holds images (binary, a struct with bytes, or paths in a column such as file_name); "
        "choose one with --image-column"
    )


def _holds_bytes(kind: pa.DataType) -> bool:
    if types.is_struct(kind):
        return any(field.name == "bytes" and _holds_bytes(field.type) for field in kind)
    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)


def path_field(schema: pa.Schema, column: str) -> str:
    """The column, or field `column.path`, of the images' paths; "" where there is none."""
    kind = schema.field(column).type
    if pa.types.is_struct(kind):
        return f"{column}.path" if any(field.name == "path" for field in kind) else ""
    return column if is_text(kind) else ""


def path_in(cell: Any) -> str | None:
    """The path in a cell, with forward slashes."""
    path = cell.get("path") if isinstance(cell, dict) else cell
    return path.strip().replace("\\", "/") if isinstance(path, str) and not is_base64(path) else None


def is_base64(text: str) -> bool:
    """Whether text is an image in base64."""
    return len(text) >= SHORTEST_BASE64 and BASE64.match(text) is not None


def open_cell(cell: Any, folder: Path) -> OpenFile:
    """Open the image of a cell; a path must be below `folder`."""
    if isinstance(cell, Damaged):
        raise RejectedImageError(cell.reason)
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    if isinstance(content, bytes):
        return open_bytes(content)
    if isinstance(content, str) and is_base64(content):
        return open_bytes(_decoded(content))
    path = path_in(cell)
    if not path:
        raise RejectedImageError("no image")
    return open_file(_below(path, folder))


def names_file(path: str, folder: str) -> bool:
    """Whether a path in a cell is that of a file below `folder`."""
    try:
        return bool(path) and _below(path, Path(folder)).is_file()
    except RejectedImageError:
        return False


def _below(path: str, folder: Path) -> Path:
    """The file that a path names, or the end of a path of another machine."""
    # A table is untrusted input: it must not read files elsewhere on this disk.
    file = Path(os.path.normpath(folder / path))
    parts = [part for part in PurePosixPath(path).parts if part not in ("/", ".", "..")]
    ends = (folder.joinpath(*parts[start:]) for start in range(len(parts)))
    inside = [file] if file.is_relative_to(folder) else []
    if found := next(filter(None, map(_in_either_form, (*inside, *ends))), None):
        return found
    if not inside:
        raise RejectedImageError(f"its file is outside of {folder}")
    return file


def _in_either_form(file: Path) -> Path | None:
    """A file whose name has composed letters, or decomposed ones as macOS writes them."""
    forms = [file, *(Path(unicodedata.normalize(form, str(file))) for form in ("NFC", "NFD"))]
    return next((path for path in forms if path.is_file()), None)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.strip().partition("base64,")[2] or text, validate=False)
    except binascii.Error as error:
        raise RejectedImageError(f"damaged base64: {error}") from None


def check_names(fields: Iterable[pa.Field]) -> None:
    """ValueError where the name of a column, or of a field in one, is not valid text."""
    for field in fields:
        assert field.name is not None
        check_names(field.type.field(k) for k in range(field.type.num_fields))
