"""The files next to images that may be tables, and their text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

import pyarrow as pa

from armoire.images.decode import RejectedImageError
from armoire.images.image_names import ImageNames, stem_of
from armoire.images.listing import FileListing
from armoire.images.text_encoding import LOST, decode_text
from armoire.images.text_table import TextTable, read_delimited, read_json

ENDINGS = {".csv", ".tsv", ".jsonl"}
POSSIBLE = {".txt", ".json"}  # not every such file is a table
LARGEST = 1 << 28  # bytes
LARGEST_POSSIBLE = 1 << 25
MOST_POSSIBLE = 100  # text files that are tried


def table_names(listing: FileListing) -> list[str]:
    """The files that may be tables; a text file with the name of an image is its caption."""
    images = {stem_of(name) for name in listing.names}
    endings = {name: PurePosixPath(name).suffix.lower() for name in listing.sidecars}
    possible = [name for name, ending in endings.items() if ending in POSSIBLE and stem_of(name) not in images]
    possible = possible if len(possible) <= MOST_POSSIBLE else []
    return sorted([*filter(is_certainly_table, endings), *possible])


def is_certainly_table(name: str) -> bool:
    """Whether a file is a table by its ending."""
    return PurePosixPath(name).suffix.lower() in ENDINGS


def folder_of(name: str) -> str:
    """The folder of a file, "" for the root."""
    return name.rpartition("/")[0]


def read_table(listing: FileListing, name: str, names: ImageNames, note: Callable[[str], None]) -> TextTable | None:
    """The rows of a file; None, and a note if it should be a table, where it cannot be read as one."""
    ending = PurePosixPath(name).suffix.lower()
    largest = LARGEST if ending in ENDINGS else LARGEST_POSSIBLE
    try:
        with listing.open(name) as file:
            content = file.read(largest + 1)
        if len(content) > largest:
            raise ValueError(f"more than {largest:,} bytes")
        text = decode_text(content, [stem_of(image) for image in names.names if not image.isascii()])
        lost = LOST if text.damaged else ""
        if ending in (".jsonl", ".json"):
            table = read_json(text.text, lines=ending == ".jsonl", lost=lost)
        else:
            table = read_delimited(text.text, blanks=ending == ".txt", lost=lost)
    except (OSError, ValueError, RecursionError, RejectedImageError, pa.ArrowException) as error:
        if ending in ENDINGS:
            note(f"{name} is ignored: it cannot be read as a table ({' '.join(str(error).split())})")
        return None
    if text.damaged:
        note(f"{name} is not UTF-8 in some lines, which are left out; save it as UTF-8")
    if text.encoding:
        note(f"{name} is read as {text.encoding}, with words such as '{text.example}'; if wrong, save it as UTF-8")
    return table
