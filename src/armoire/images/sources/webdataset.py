"""Tar archives as WebDataset writes them: files of one stem are one sample, an image with its `cls` and `json`.

    000001.jpg  000001.cls  000001.json     class 0 to n; an object of columns

A tar of images alone is read as a folder is. Nothing is unpacked to disk.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from armoire.images.archives import TarListing, list_tars
from armoire.images.columns import Columns, read_columns
from armoire.images.decode import RejectedImageError
from armoire.images.layout import read_layout, split_word
from armoire.images.listing import FileListing, Ignored, has_image_ending
from armoire.images.source import FileSource, Request, Source, SourceKind
from armoire.images.sources.folder import FolderSource
from armoire.images.text_table import table_of_objects

ENDING = ".tar"
VALUES = ("cls", "json", "txt")
Key = tuple[str, str]  # archive, and stem of the files of a sample
LARGEST_ANNOTATION = 1 << 20  # bytes of a sample's cls, json or txt


class Sample(NamedTuple):
    """The files of one stem: its image, and its `cls`, `json` and `txt` by their ending."""

    image: str
    values: Mapping[str, str]


class SampleSource(FileSource):
    """The samples of WebDataset archives."""

    def __init__(self, request: Request, listing: TarListing, samples: Sequence[Sample]) -> None:
        names = [sample.image for sample in samples]
        super().__init__(request.name, request.source, listing, names, listing.digest)
        self.samples, self.choice = samples, request.choice

    def describe(self) -> Columns:
        bad: Counter[str] = Counter()
        rows = [dict(_values(self.listing, sample, bad)) for sample in self.samples]
        columns = read_columns(table_of_objects(rows), {}, len(rows), self.choice)
        notes = [f"{n:,} files of samples have {what}, and are ignored" for what, n in bad.items()]
        columns = replace(columns, notes=(*columns.notes, *notes))
        return columns.fill_missing(read_layout(_paths(self.listing, self.names), self.choice))

    @property
    def ignored(self) -> Sequence[Ignored]:
        used = {name for sample in self.samples for name in (sample.image, *sample.values.values())}
        rest = [name for name in (*self.listing.names, *self.listing.sidecars) if name not in used]
        return [*self.listing.ignored, *(Ignored(name, _reason(name)) for name in sorted(rest))]


def _recognizes(path: Path, listing: FileListing) -> bool:
    if isinstance(listing, TarListing):
        return True
    # img2dataset writes a table of addresses next to each tar.
    tars = [name for name in listing.names if name.lower().endswith(ENDING)]
    return bool(tars) and not any(has_image_ending(name) for name in listing.names)


def _open(request: Request) -> Source:
    listing = request.files
    if not isinstance(listing, TarListing):
        tars = [name for name in listing.names if name.lower().endswith(ENDING)]
        rest = [name for name in (*listing.names, *listing.sidecars) if name not in tars]
        others = (*listing.ignored, *(Ignored(name, "not a tar") for name in rest))
        inside = list_tars(listing.path, tars)
        listing = replace(inside, ignored=(*others, *inside.ignored))
    samples = _samples(listing, request.choice.image)
    if samples:
        return SampleSource(request, listing, samples)
    return FolderSource(request, listing, _paths(listing, listing.names))


WEBDATASET = SourceKind("a file or folder of WebDataset tars", _open, _recognizes)


def _samples(listing: TarListing, ending: str) -> list[Sample]:
    """The samples of archives; empty where no image shares its stem with values or with another image.

    Of several images of a sample the one that ends in `ending` counts, by default the one with the shortest ending.
    """
    images = [name for name in listing.names if has_image_ending(_original(name))]
    values: dict[Key, dict[str, str]] = {}
    for name in (*listing.names, *listing.sidecars):
        stem, _, kind = _original(name).rpartition(".")
        if kind.lower() in VALUES:
            values.setdefault((listing.places[name][0], stem), {})[kind.lower()] = name
    plain = {(listing.places[name][0], _original(name).rpartition(".")[0]) for name in images}
    keys = {name: _key(listing, name, values.keys() | plain) for name in images}
    if not values.keys() & set(keys.values()) and len(set(keys.values())) == len(images):
        return []
    wanted = [name for name in images if _original(name).endswith(f".{ending}")] if ending else images
    chosen: dict[Key, str] = {}
    for name in sorted(wanted, key=lambda name: len(PurePosixPath(name).name.split("."))):
        chosen.setdefault(keys[name], name)
    taken = set(chosen.values())
    return [Sample(name, values.get(keys[name], {})) for name in wanted if name in taken]


def _key(listing: TarListing, name: str, known: Collection[Key]) -> Key:
    """An image's archive and its shortest known stem: its name without one or more endings, which are words."""
    archive, original = listing.places[name][0], _original(name)
    folder, _, last = original.rpartition("/")
    stem, *endings = last.split(".")
    for k in range(len(endings)):
        key = (archive, f"{folder}/{'.'.join([stem, *endings[:k]])}".lstrip("/"))
        if key in known and not any(ending.isdigit() for ending in endings[k:-1]):
            return key
    return archive, original.rpartition(".")[0]


def _original(name: str) -> str:
    """A name as it is in its archive, without the number that tells it from others."""
    return re.sub(r"#\d+$", "", name)


def _reason(name: str) -> str:
    if has_image_ending(_original(name)):
        return "a further image of its sample (--image-column chooses by ending)"
    return "not an image, nor values of one"


def _paths(listing: FileListing, names: Sequence[str]) -> list[str]:
    """Names below those of their archives, where these state a split."""
    archives = {name: str(PurePosixPath(listing.places[name][0]).with_suffix("")) for name in names}
    return [f"{archives[name]}/{name}" if split_word(archives[name]) else name for name in names]


def _values(listing: FileListing, sample: Sample, bad: Counter[str]) -> Iterator[tuple[str, Any]]:
    """The columns of one sample; `bad` counts what cannot be read."""
    for ending, name in sample.values.items():
        if listing.places[name][2] > LARGEST_ANNOTATION:
            bad["more than a megabyte"] += 1
            continue
        try:
            with listing.open(name) as file:
                text = file.read().decode().strip()
            if ending == "txt":
                yield "txt", text
            elif ending == "cls":
                yield "label", int(text) if re.fullmatch(r"-?\d{1,9}", text) else text
            elif isinstance(values := json.loads(text), dict):
                yield from values.items()
            else:
                bad["no JSON object"] += 1
        except (ValueError, RecursionError, RejectedImageError):
            bad["no readable text"] += 1
