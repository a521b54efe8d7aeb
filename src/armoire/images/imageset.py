"""ImageSet: the images of a data set and one table row per image."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int, Int8, UInt8

from armoire.errors import ArmoireError
from armoire.html_repr import Picture, Table, counted, html_repr
from armoire.images.fit import Fit
from armoire.images.grid import PREVIEW_IMAGES, preview
from armoire.images.mapped import release
from armoire.images.reading import Reading
from armoire.images.rows import Rows
from armoire.io.files import parse_json, sha256, sha256_of

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class SetInfo:
    """Metadata of a data set."""

    name: str
    source: str  # the argument of `load_images` that loads it again
    fit: Fit  # how its images were fitted
    classes: tuple[str, ...] = ()  # class names in the order of the class numbers; empty without labels
    fingerprint: str = ""  # SHA-256 of pixels and table (ids, splits, labels, attributes)
    rejected: int = 0  # number of images that could not be read
    ignored: int = 0  # number of files that are not images by their name, and of images that are left out
    left_out: int = 0  # number of images that are left out as duplicates
    without: str = ""  # the survey.csv that names them
    listing: str = ""  # digest of the source's files, to notice that they have changed
    attribute_files: tuple[str, ...] = ()  # names of the files that the attributes were read from

    @property
    def attribute_source(self) -> str:
        """The name of the attributes' origin for error messages."""
        return " and ".join(self.attribute_files) or self.name

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str) -> SetInfo:
        fields = parse_json(text)
        if not isinstance(fields, dict):
            raise ValueError("not a JSON object")  # noqa: TRY004
        return cls.from_dict(fields)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> SetInfo:
        """The inverse of `dataclasses.asdict`, also after a round trip through JSON."""
        fields = fields | {"fit": Fit.from_json(json.dumps(fields["fit"]))}
        for name in ("classes", "attribute_files"):
            fields[name] = tuple(fields.get(name, ()))
        return cls(**fields)


@dataclass(frozen=True, eq=False)
class ImageSet(Rows):
    """Images and their table.

    Attributes:
        images: uint8 (n, h, w, c), usually memory-mapped; training images first, then validation, then test.
        table: one row per image: id (string), split (train, valid or test), label (int32, null where unknown), and
            one nullable boolean column per attribute.
        info: metadata of the whole set.
        store: the folder that it is mapped from, or None.
    """

    images: UInt8[np.ndarray, "n h w c"]
    table: pa.Table
    info: SetInfo = field(repr=False)
    store: Path | None = None

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        height, width, channels = self.shape
        return f"ImageSet({self.info.name!r}, {len(self)} images of {height} x {width} x {channels})"

    def _repr_html_(self) -> str:
        height, width, _ = self.shape
        rows = [("images", counted(self.splits)), ("size", f"{height} × {width}, {self.info.fit.colours}")]
        for name, values in (("classes", self.info.classes), ("attributes", self.attributes)):
            if values:
                more = f" and {len(values) - PREVIEW_IMAGES} more" if len(values) > PREVIEW_IMAGES else ""
                rows.append((name, ", ".join(values[:PREVIEW_IMAGES]) + more))
        if self.rejections:
            rows.append(("excluded", self.rejections))
        first = np.array(self.images[:PREVIEW_IMAGES])
        pictures = [Picture(preview(first), f"the first {len(first)}")] if len(first) else []
        return html_repr(self.info.name, f"{len(self):,} images", [Table(rows, words=True)], pictures)

    @property
    def shape(self) -> tuple[int, int, int]:
        _, height, width, channels = self.images.shape
        return height, width, channels

    @property
    def held_out(self) -> str:
        """The split for measurements: test, or valid where there is no test split."""
        return "test" if "test" in self.splits else "valid"

    def split(self, name: str) -> ImageSet:
        """The images of one split; a view, not a copy, where they are contiguous, as in a store."""
        where = np.flatnonzero(self.is_of(name, self.info.name))
        if len(where) == where[-1] + 1 - where[0]:
            return self[where[0] : where[-1] + 1]
        return self.take(where)

    def check(self) -> None:
        """Verify pixels and table against the stored fingerprint; ArmoireError where they have changed."""
        if self.info.fingerprint and fingerprint(self.images, self.table) != self.info.fingerprint:
            raise ArmoireError(
                f"{self.store or self.info.name} is damaged: its images or table have changed since it was built; "
                "delete it, and it is built again"
            )

    def attribute(self, name: str, where: str = "") -> Int8[np.ndarray, " n"]:
        return super().attribute(name, where or self.info.attribute_source)

    def draw(self, n: int | None, seed: int = 0) -> ImageSet:
        """n images drawn at random, in the order of the set, each class with its share; None: all."""
        return self if n is None or n >= len(self) else self.take(drawn_rows(self.labels, n, seed))

    def first(self, n: int | None) -> ImageSet:
        """`draw(n)`, since the first images of a sorted folder are of one class."""
        return self.draw(n)

    def take(self, rows: Int[np.ndarray, " m"]) -> ImageSet:
        """The images of these rows, copied."""
        return replace(self, images=self.images[rows], table=self.table.take(rows))

    def __getitem__(self, rows: slice) -> ImageSet:
        start, stop, _ = rows.indices(len(self))
        return replace(self, images=self.images[start:stop], table=self.table.slice(start, max(0, stop - start)))

    @cached_property
    def reading(self) -> Reading:
        """How the data set was read; empty for images that were given in memory."""
        try:
            return Reading() if self.store is None else Reading.read(self.store)
        except (OSError, ValueError, KeyError, TypeError):  # the store is a cache
            return Reading()

    @property
    def rejections(self) -> str:
        """One sentence about the files that could not be read, "" where all could."""
        if not self.info.rejected:
            return ""
        total = len(self) + self.info.rejected
        where = f"; the reasons are in {self.store / 'rejected.csv'}" if self.store else ""
        return f"{self.info.rejected:,} of {total:,} files could not be read and are excluded{where}"

    def describe(self) -> dict[str, Any]:
        """The values that `armoire data` prints: size, channels, splits, labels, attributes, rejected files."""
        height, width, channels = self.shape
        counts = np.bincount(self.labels[self.labels >= 0], minlength=len(self.info.classes))
        return {
            "name": self.info.name,
            "n": len(self),
            "found": len(self) + self.info.rejected + self.info.ignored,
            "used": len(self),
            "height": height,
            "width": width,
            "channels": channels,
            "fit": asdict(self.info.fit),
            "splits": self.splits,
            "labels": dict(zip(self.info.classes, counts.tolist(), strict=True)),
            "attributes": {name: _counts(self.attribute(name)) for name in self.attributes},
            "rejected": self.info.rejected,
            "ignored": self.info.ignored,
            "columns": {role.column: asdict(role) for role in self.reading.roles},
            "notes": list(self.reading.notes),
            "fingerprint": self.info.fingerprint,
        }


def drawn_rows(labels: Int[np.ndarray, " rows"], n: int, seed: int) -> Int[np.ndarray, " drawn"]:
    """n rows in ascending order, drawn at random: one of each class first, then each class by its share."""
    order = np.random.default_rng(seed).permutation(len(labels))
    _, inverse, sizes = np.unique(labels[order], return_inverse=True, return_counts=True)
    by_class = np.argsort(inverse, kind="stable")
    rank = np.empty(len(labels))  # position within the class, as a share of the class
    rank[by_class] = np.concatenate([np.arange(size) / size for size in sizes])
    return np.sort(order[np.argsort(rank, kind="stable")[:n]])


def make_table(
    ids: list[str],
    splits: list[str],
    labels: list[int | None],
    attributes: Mapping[str, Int8[np.ndarray, " n"]] | None = None,
) -> pa.Table:
    """The table of an ImageSet; attributes are 1 yes, -1 no, 0 unknown, and become nullable booleans."""
    import pyarrow as pa

    columns = {
        "id": pa.array(ids, pa.string()),
        "split": pa.array(splits, pa.string()),
        "label": pa.array(labels, pa.int32()),
    }
    for name, values in (attributes or {}).items():
        columns[name] = pa.array(values > 0, mask=values == 0)
    return pa.table(columns)


def _counts(values: Int8[np.ndarray, " n"]) -> dict[str, int]:
    names = {"positive": 1, "negative": -1, "missing": 0}
    return {name: int((values == value).sum()) for name, value in names.items()}


def fingerprint(images: np.ndarray, table: pa.Table) -> str:
    """SHA-256 over shape, pixels and table."""
    return sha256_of(chain([repr(images.shape).encode()], _bytes_of(images), _json_of(table)))


def _json_of(table: pa.Table) -> Iterator[bytes]:
    """A table as JSON, one list per column, in parts: in one piece CelebA's would take a gigabyte."""
    for i, name in enumerate(table.column_names):
        yield f"{', ' if i else '{'}{json.dumps(name)}: {json.dumps(table[name].to_pylist())}".encode()
    yield b"}"


def split_by_content(pixels: bytes, held_out_percent: int = 10) -> str:
    """Train or test, by a hash of the pixels: copies of an image are in the same split, on any machine."""
    return "test" if int(sha256(pixels)[:8], 16) % 100 < held_out_percent else "train"


def _bytes_of(images: np.ndarray, rows: int = 4096) -> Iterator[memoryview]:
    for start in range(0, len(images), rows):
        yield np.ascontiguousarray(images[start : start + rows]).data
        release(images)
