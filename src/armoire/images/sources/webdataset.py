"""Tar archives as WebDataset writes them: files of one stem are one sample, a picture with `cls` and `json` beside it.

    000001.jpg  000001.cls  000001.json     class 0 to n; an object of facts

A tar of pictures alone is read as a folder is. Nothing is unpacked to disk: pictures are read where they lie.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from armoire.errors import ArmoireError
from armoire.images.columns import Columns, held_out_or_none, read_columns, single_values, split_named
from armoire.images.decode import OpenFile, RejectedImageError
from armoire.images.fit import Decode, read_fitted
from armoire.images.listing import LARGEST_FILE, is_hidden, splits_and_labels
from armoire.images.sources.source import Source

if TYPE_CHECKING:
    import pyarrow as pa

ENDING = ".tar"
PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
PICTURES = {"jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff"}
LARGEST_FACTS = 1 << 20  # bytes of a sample's cls or json


@dataclass
class Sample:
    """One picture of an archive, by where its bytes lie.

    Attributes:
        archive: which of them.
        name: of the picture, "" while none was met.
        offset, size: where it lies, bytes.
        facts: what stands beside it.
    """

    archive: Path
    name: str = ""
    offset: int = 0
    size: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


def is_tar(name: str) -> bool:
    """Whether a file is such an archive, by its name."""
    return name.lower().endswith(ENDING)


def are_tars(names: Sequence[str]) -> bool:
    """Whether the files of a folder are such archives, and nothing else."""
    return bool(names) and all(map(is_tar, names))


def read_tars(root: Path, names: Sequence[str], note: Callable[[str], None]) -> Source:
    """The pictures of one or many archives.

    Args:
        root: the folder that the archives' names are told from.
        names: of the archives.
        note: told of what is damaged.

    Raises:
        ArmoireError: there is no archive of pictures.
    """
    samples = [sample for name in names for sample in _samples(root / name, note)]
    if not samples:
        raise ArmoireError(f"no images in {root}; give tar archives of JPEG, PNG, WEBP, BMP, GIF or TIFF files")
    ids = [sample.name for sample in samples]
    return Source(ids, partial(_pictures, samples), _known(samples, root))


def _pictures(samples: Sequence[Sample], start: int) -> Iterator[Decode]:
    return (partial(read_fitted, partial(_open, sample)) for sample in samples[start:])


def _open(sample: Sample) -> OpenFile:
    if sample.size > LARGEST_FILE:
        raise RejectedImageError(f"{sample.size:,} bytes are more than {LARGEST_FILE:,}")
    with sample.archive.open("rb") as file:
        file.seek(sample.offset)
        content = file.read(sample.size)
    if len(content) < sample.size:
        raise RejectedImageError(f"cut off: {len(content):,} of {sample.size:,} bytes are there")
    if not content:
        raise RejectedImageError("empty file")
    return BytesIO(content)


def _known(samples: Sequence[Sample], root: Path) -> Columns:
    known = read_columns(_table(samples), {}, len(samples))
    splits, labels = splits_and_labels([sample.name for sample in samples])
    named = held_out_or_none([split_named(s.archive.relative_to(root).with_suffix("").parts) for s in samples])
    return known.where_silent(named if any(named) else splits, labels)


def _table(samples: Sequence[Sample]) -> pa.Table:
    import pyarrow as pa

    columns: dict[str, pa.Array] = {}
    for name in dict.fromkeys(name for sample in samples for name in sample.facts):
        cells = [sample.facts.get(name) for sample in samples]
        try:
            columns[name] = pa.array(cells)
        except (pa.ArrowException, OverflowError):  # of more than one kind
            columns[name] = pa.array([None if cell is None else str(cell) for cell in cells])
    return single_values(pa.table(columns))


def _samples(path: Path, note: Callable[[str], None]) -> Iterator[Sample]:
    """The samples of an archive that have a picture, in the order of their first files."""
    samples: dict[str, Sample] = {}
    try:
        with tarfile.open(path, "r:") as archive, path.open("rb") as file:
            while (member := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # it would remember each of a million
                name = member.name.removeprefix("./")
                # Links lead nowhere here, and a name is only a name: nothing is ever written to where it says.
                if member.isreg() and not member.issparse() and not is_hidden(name):
                    _take(samples, path, name, member.offset_data, member.size, file)
    except (tarfile.TarError, OSError, ValueError, EOFError, OverflowError) as error:
        if not samples:
            raise ArmoireError(f"{path} is no tar archive ({error}); give one, or a folder or zip of images") from None
        note(f"{path.name} is damaged after {len(samples):,} samples ({error}); what comes after them is left out")
    return (sample for sample in samples.values() if sample.name)


def _take(samples: dict[str, Sample], path: Path, name: str, offset: int, size: int, file: Any) -> None:
    folder, last = PurePosixPath(name).parent.as_posix(), PurePosixPath(name).name
    stem, _, ending = last.partition(".")
    ending = ending.lower()
    sample = samples.setdefault(f"{folder}/{stem}", Sample(path))
    if ending in PICTURES or (not sample.name and ending.rpartition(".")[2] in PICTURES):
        sample.name, sample.offset, sample.size = name, offset, size
    elif ending in ("cls", "json") and size <= LARGEST_FACTS:
        file.seek(offset)
        sample.facts |= _facts(ending, file.read(size))


def _facts(ending: str, content: bytes) -> dict[str, Any]:
    try:
        text = content.decode().strip()
        if ending == "cls":
            return {"label": int(text) if re.fullmatch(r"-?\d{1,9}", text) else text}
        told = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
