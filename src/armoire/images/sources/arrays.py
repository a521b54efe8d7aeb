"""NumPy files: a .npy of images, or a .npz of images with labels and attributes.

    images.npy   (n, h, w), (n, h, w, c) or (n, c, h, w), c 1, 3 or 4; or rows of square images
    data.npz     images (or x, data, imgs), labels (or y, targets), and one binary array per attribute; each name may
                 begin or end with its split: train_images, x_test. `classes` (or class_names) names the labels.

A folder of .npy files is read like one .npz file. `values` says which values are black and white, `array_columns`
what the other arrays are read as.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain, islice
from math import inf
from pathlib import Path

import numpy as np
from PIL import Image

from armoire.errors import ArmoireError
from armoire.images.array_columns import array_columns, split_off
from armoire.images.array_layout import as_images
from armoire.images.columns import ColumnChoice, Columns, read_columns
from armoire.images.fit import Decode, Fit, pad_to_square
from armoire.images.layout import held_out_or_none
from armoire.images.listing import FileListing
from armoire.images.mapped import open_array, open_arrays, release
from armoire.images.reading import enumerate_names
from armoire.images.source import Request, Source, SourceKind
from armoire.images.values import BLOCK, USUAL_SCALE, Scale, scale_of

ENDINGS = (".npy", ".npz")
IMAGES = ("images", "image", "imgs", "img", "x", "data", "pixels", "arr_0")


@dataclass(frozen=True)
class SplitImages:
    """The images of one split, or all where no split is named.

    Attributes:
        split: train, valid or test, or None.
        images: (n, h, w, c).
        key: name of the array.
        scale: the values of black and white.
    """

    split: str | None
    images: np.ndarray
    key: str
    scale: Scale = USUAL_SCALE


class ArrayRows(Source):
    """Rows of arrays in memory."""

    processes_from = inf  # sending arrays takes longer than fitting them

    def __init__(self, name: str, origin: str, digest: str) -> None:
        self.name, self.origin, self.digest = name, origin, digest

    @cached_property
    def splits(self) -> Sequence[SplitImages]:
        """The arrays of images in order, each of one split."""
        raise NotImplementedError

    def list_ids(self) -> Sequence[str]:
        return [f"{row:06d}" for row in range(sum(len(split.images) for split in self.splits))]

    def read(self, start: int, stop: int) -> Iterator[Decode]:
        return _pictures(self.splits, start, stop)

    def part(self, start: int, stop: int) -> Source:
        part = ArrayRows(self.name, self.origin, self.digest)
        part.ids, part.splits = self.ids[start:stop], []
        first = 0
        for split in self.splits:
            low, high = max(start - first, 0), min(stop - first, len(split.images))
            if low < high:
                part.splits.append(replace(split, images=split.images[low:high]))
            first += len(split.images)
        return part


class ArraySource(ArrayRows):
    """The images of the arrays of one file."""

    def __init__(self, request: Request) -> None:
        super().__init__(request.name, request.source, request.files.digest)
        self.path, self.choice, self.names = request.path, request.choice, request.files.names

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray | None]:
        return _arrays(self.path, self.names)

    @cached_property
    def _splits(self) -> tuple[list[SplitImages], list[str]]:
        try:
            return _splits(self._arrays)
        except ArmoireError as error:
            raise ArmoireError(f"{self.path}: {error}") from None

    @cached_property
    def splits(self) -> Sequence[SplitImages]:
        return self._splits[0]

    def describe(self) -> Columns:
        columns, notes = _columns(self._arrays, self.splits, self.choice)
        return replace(columns, notes=(*columns.notes, *self._splits[1], *notes))


def _recognizes(path: Path, listing: FileListing) -> bool:
    if path.is_file():
        return path.name.lower().endswith(ENDINGS)
    return path.is_dir() and bool(listing.names) and all(name.lower().endswith(".npy") for name in listing.names)


ARRAYS = SourceKind("a .npy or .npz file", ArraySource, _recognizes)


def _arrays(path: Path, names: Sequence[str]) -> dict[str, np.ndarray | None]:
    """The arrays of a file, or of a folder of .npy files, `train/images.npy` as train_images."""
    if path.is_dir():
        keys = [name[: -len(".npy")].replace("/", "_") for name in names]
        return {key: _opened(path / name)["images"] for key, name in zip(keys, names, strict=True)}
    return _opened(path)


def _opened(path: Path) -> dict[str, np.ndarray | None]:
    try:
        return {"images": open_array(path)} if path.suffix.lower() == ".npy" else open_arrays(path)
    except (OSError, ValueError) as error:
        raise ArmoireError(
            f"{path} cannot be read as NumPy arrays ({error}); save it with np.save or np.savez"
        ) from None


def _splits(arrays: Mapping[str, np.ndarray | None]) -> tuple[list[SplitImages], list[str]]:
    """The images of each split, and notes about what was guessed."""
    splits, notes = [], []
    for key in _image_keys(arrays):
        array = arrays[key]
        if array is None:
            raise ArmoireError(f"{key} holds Python objects; save one array of numbers, uint8 (n, h, w, c)")
        images, note = as_images(array, key)
        splits.append(SplitImages(split_off(key)[0], images, key))
        notes += [note] if note else []
    for kinds in ("b", "iu", "f"):  # splits of one type have one scale
        same = [split for split in splits if split.images.dtype.kind in kinds]
        if same:
            scale = scale_of([split.images for split in same], " and ".join(s.key for s in same))
            splits = [replace(split, scale=scale) if split.images.dtype.kind in kinds else split for split in splits]
            notes += [scale.note] if scale.note else []
    return splits, notes


def _image_keys(arrays: Mapping[str, np.ndarray | None]) -> list[str]:
    """The arrays of the first common name that exists; else the only array that can be images."""
    for name in IMAGES:
        if found := [key for key in arrays if split_off(key)[1].lower() == name]:
            return found
    possible = [key for key, array in arrays.items() if array is not None and array.ndim in (3, 4)]
    if len(possible) != 1:
        raise ArmoireError(
            f"holds {enumerate_names(arrays) or 'nothing'}, and no array called images; "
            "save all images as one array, with np.savez(.., images=np.stack(images))"
        )
    return possible


def _pictures(splits: Sequence[SplitImages], start: int, stop: int) -> Iterator[Decode]:
    rows = chain.from_iterable(((split, row) for row in range(len(split.images))) for split in splits)
    for split, row in islice(rows, start, stop):
        if row % BLOCK == 0:
            release(split.images)
        yield partial(_decode, split, row)


def _decode(split: SplitImages, row: int, fit: Fit) -> np.ndarray:
    pixels = split.scale.to_bytes(split.images[row])
    if pixels.shape in ((fit.size, fit.size, 1), (fit.size, fit.size, fit.channels)):  # no Pillow needed
        pixels = np.broadcast_to(pixels, (1, fit.size, fit.size, fit.channels))
        return pad_to_square(pixels, fit.canvas, fit.background)[0]
    return fit(Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)))


def _columns(
    arrays: Mapping[str, np.ndarray | None], splits: Sequence[SplitImages], choice: ColumnChoice
) -> tuple[Columns, list[str]]:
    """The other arrays as columns, and notes about what was guessed."""
    images = {split.key for split in splits}
    others = {key: array for key, array in arrays.items() if key not in images}
    found = array_columns(others, [(split.split, len(split.images)) for split in splits])
    stated = [split.split for split in splits for _ in range(len(split.images))]
    columns = read_columns(found.table, {"label": found.classes} if found.classes else {}, len(stated), choice)
    stated = held_out_or_none(stated)
    return replace(columns, splits=stated if any(stated) else columns.splits), found.notes
