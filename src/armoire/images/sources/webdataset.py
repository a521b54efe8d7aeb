"""Tar archives as WebDataset writes them: files of one stem are one sample, an image with its `cls` and `json`.

    000001.jpg  000001.cls  000001.json     class 0 to n; an object of columns

A tar of images alone is read as a folder is. Nothing is unpacked to disk.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from armoire.errors import ArmoireError
from armoire.images.columns import (
    Columns,
    held_out_or_none,
    read_columns,
    scalar_columns,
    split_named,
    splits_and_labels,
)
from armoire.images.decode import OpenFile, RejectedImageError
from armoire.images.fit import Decode, read_fitted
from armoire.images.listing import FileListing, check_size, is_hidden, open_bytes
from armoire.images.sources.source import Request, Source, SourceKind, packed

if TYPE_CHECKING:
    import pyarrow as pa

ENDING = ".tar"
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
IMAGE_ENDINGS = {"jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff"}
LARGEST_ANNOTATION = 1 << 20  # bytes of a sample's cls or json


@dataclass
class Sample:
    """One image of an archive.

    Attributes:
        name: of the image, "" while none was found.
        offset: of its bytes in the archive.
        size: in bytes.
        values: from its `cls` and `json`.
    """

    archive: Path
    name: str = ""
    offset: int = 0
    size: int = 0
    values: dict[str, Any] = field(default_factory=dict)


def _recognizes(path: Path, names: Sequence[str]) -> bool:
    if path.is_file() and path.name.lower().endswith(COMPRESSED):
        raise ArmoireError(f"{path} is compressed, and images already are; unpack it to a .tar or a folder")
    return bool(names) and all(name.lower().endswith(ENDING) for name in names)


def _read(request: Request, listing: FileListing) -> Source:
    root = request.path.parent if request.path.is_file() else request.path
    samples = [sample for name in listing.names for sample in _samples(root / name, request.progress.note)]
    if not samples:
        raise ArmoireError(f"no images in {root}; give tar archives of JPEG, PNG, WEBP, BMP, GIF or TIFF files")
    return Source([sample.name for sample in samples], partial(_pictures, samples), _columns(samples, root))


WEBDATASET = SourceKind("a file or folder of WebDataset tars", packed(_read), _recognizes)


def _pictures(samples: Sequence[Sample], start: int) -> Iterator[Decode]:
    return (partial(read_fitted, partial(_open, sample)) for sample in samples[start:])


def _open(sample: Sample) -> OpenFile:
    check_size(sample.size)
    with sample.archive.open("rb") as file:
        file.seek(sample.offset)
        content = file.read(sample.size)
    if len(content) < sample.size:
        raise RejectedImageError(f"cut off: only {len(content):,} of {sample.size:,} bytes exist")
    return open_bytes(content)


def _columns(samples: Sequence[Sample], root: Path) -> Columns:
    columns = read_columns(_table(samples), {}, len(samples))
    splits, labels = splits_and_labels([sample.name for sample in samples])
    named = held_out_or_none([split_named(s.archive.relative_to(root).with_suffix("").parts) for s in samples])
    return columns.fill_missing(named if any(named) else splits, labels)


def _table(samples: Sequence[Sample]) -> pa.Table:
    import pyarrow as pa

    columns: dict[str, pa.Array] = {}
    for name in dict.fromkeys(name for sample in samples for name in sample.values):
        cells = [sample.values.get(name) for sample in samples]
        try:
            columns[name] = pa.array(cells)
        except (pa.ArrowException, OverflowError):  # values of several types
            columns[name] = pa.array([None if cell is None else str(cell) for cell in cells])
    return scalar_columns(pa.table(columns))


def _samples(path: Path, note: Callable[[str], None]) -> Iterator[Sample]:
    """The samples of an archive that have an image, in the order of their first files."""
    samples: dict[str, Sample] = {}
    try:
        with tarfile.open(path, "r:") as archive, path.open("rb") as file:
            while (member := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # else it stores every member
                name = member.name.removeprefix("./")
                # Links are not followed, and nothing is ever written to a member's path.
                if member.isreg() and not member.issparse() and not is_hidden(name):
                    _add(samples, path, name, member, file)
    except (tarfile.TarError, OSError, ValueError, EOFError, OverflowError) as error:
        if not samples:
            raise ArmoireError(
                f"{path} is not a tar archive ({error}); give one, or a folder or zip of images"
            ) from None
        note(f"{path.name} is damaged after {len(samples):,} samples ({error}); the rest is ignored")
    return (sample for sample in samples.values() if sample.name)


def _add(samples: dict[str, Sample], path: Path, name: str, member: tarfile.TarInfo, file: BinaryIO) -> None:
    folder, last = PurePosixPath(name).parent.as_posix(), PurePosixPath(name).name
    stem, _, ending = last.partition(".")
    ending = ending.lower()
    sample = samples.setdefault(f"{folder}/{stem}", Sample(path))
    if ending in IMAGE_ENDINGS or (not sample.name and ending.rpartition(".")[2] in IMAGE_ENDINGS):
        sample.name, sample.offset, sample.size = name, member.offset_data, member.size
    elif ending in ("cls", "json") and member.size <= LARGEST_ANNOTATION:
        file.seek(member.offset_data)
        sample.values |= _values(ending, file.read(member.size))


def _values(ending: str, content: bytes) -> dict[str, Any]:
    try:
        text = content.decode().strip()
        if ending == "cls":
            return {"label": int(text) if re.fullmatch(r"-?\d{1,9}", text) else text}
        values = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
