"""NumPy files: a .npy of images, or a .npz of images with labels and attributes.

    images.npy   (n, h, w), (n, h, w, c) or (n, c, h, w), c 1, 3 or 4
    data.npz     images (or x, data), labels (or y, targets), and one binary array per attribute; each name may begin or
                 end with its split: train_images, x_test. `classes` (or class_names) names the labels.

Integers are 0 to 255, floats 0 to 1, booleans black and white.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from armoire.errors import ArmoireError
from armoire.images.columns import SPLIT_NAMES, Columns, held_out_or_none, read_columns
from armoire.images.decode import MAX_PIXELS
from armoire.images.fit import Decode, Fit
from armoire.images.listing import FileListing
from armoire.images.mapped import open_array, open_arrays, release
from armoire.images.sources.source import Request, Source, SourceKind, packed

if TYPE_CHECKING:
    import pyarrow as pa

ENDINGS = (".npy", ".npz")
IMAGES = ("images", "image", "x", "data", "arr_0")
LABELS = ("labels", "label", "y", "targets", "target")
CLASSES = ("classes", "class_names", "label_names")
CHANNELS = (1, 3, 4)
BLOCK = 1000  # images whose range is computed at once
HOW_TO_GIVE = (
    "give images of (n, h, w), (n, h, w, c) or (n, c, h, w), c 1, 3 or 4, as integers 0 to 255 or floats 0 to 1"
)


@dataclass(frozen=True)
class SplitImages:
    """The images of one split, or all where no split is named.

    Attributes:
        split: train, valid or test, or None.
        images: (n, h, w, c).
        scale: factor that maps values to 0 to 255.
    """

    split: str | None
    images: np.ndarray
    scale: int


def _recognizes(path: Path, _names: Sequence[str]) -> bool:
    return path.is_file() and path.name.lower().endswith(ENDINGS)


def _read(request: Request, _listing: FileListing) -> Source:
    arrays = _arrays(request.path)
    splits = _splits(request.path, arrays)
    n = sum(len(split.images) for split in splits)
    return Source([f"{row:06d}" for row in range(n)], partial(_pictures, splits), _columns(arrays, splits))


ARRAYS = SourceKind("a .npy or .npz file", packed(_read), _recognizes)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        return {"images": open_array(path)} if path.suffix.lower() == ".npy" else open_arrays(path)
    except (OSError, ValueError) as error:
        raise ArmoireError(
            f"{path} cannot be read as NumPy arrays ({error}); save it with np.save or np.savez"
        ) from None


def _splits(path: Path, arrays: Mapping[str, np.ndarray]) -> list[SplitImages]:
    """The arrays of the first common name that exists; else the only array that can be images."""
    for name in IMAGES:
        found = [(split, arrays[key]) for key in arrays for split, rest in [_split_off(key)] if rest == name]
        if found:
            return [_split_images(path, split, images) for split, images in found]
    possible = [images for images in arrays.values() if images.ndim in (3, 4)]
    if len(possible) != 1:
        raise ArmoireError(f"{path} holds {', '.join(arrays) or 'nothing'}, and no array called images; {HOW_TO_GIVE}")
    return [_split_images(path, None, possible[0])]


def _split_off(key: str) -> tuple[str | None, str]:
    """`train_images` or `images_train` as train and images."""
    words = key.lower().split("_")
    for split, rest in ((words[0], words[1:]), (words[-1], words[:-1])):
        if rest and split in SPLIT_NAMES:
            return SPLIT_NAMES[split], "_".join(rest)
    return None, key.lower()


def _split_images(path: Path, split: str | None, images: np.ndarray) -> SplitImages:
    if images.ndim == 4 and images.shape[3] not in CHANNELS and images.shape[1] in CHANNELS:
        images = images.transpose(0, 2, 3, 1)
    images = images[..., None] if images.ndim == 3 else images
    if images.ndim != 4 or images.shape[3] not in CHANNELS or 0 in images.shape:
        raise ArmoireError(f"{path} holds an array of {images.shape}; {HOW_TO_GIVE}")
    if images.shape[1] * images.shape[2] > MAX_PIXELS:
        raise ArmoireError(f"{path} holds images of {images.shape[1]} x {images.shape[2]}, more than 64 million pixels")
    return SplitImages(split, images, _scale(path, images))


def _scale(path: Path, images: np.ndarray) -> int:
    if images.dtype == np.uint8:
        return 1
    if images.dtype == bool:
        return 255
    if images.dtype.kind not in "iuf":
        raise ArmoireError(f"{path} holds an array of {images.dtype}; {HOW_TO_GIVE}")
    low, high = np.inf, -np.inf
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK]
        low, high = np.minimum(low, block.min()), np.maximum(high, block.max())
        release(block)
    scale = 255 if images.dtype.kind == "f" else 1
    if not (low >= 0 and high * scale <= 255):  # false for nan, too
        raise ArmoireError(f"{path} holds {images.dtype} from {low:g} to {high:g}; {HOW_TO_GIVE}")
    return scale


def _pictures(splits: Sequence[SplitImages], start: int) -> Iterator[Decode]:
    rows = chain.from_iterable(((split, row) for row in range(len(split.images))) for split in splits)
    for split, row in islice(rows, start, None):
        if row % BLOCK == 0:
            release(split.images)
        yield partial(_decode, split, row)


def _decode(split: SplitImages, row: int, fit: Fit) -> np.ndarray:
    pixels = split.images[row]
    if pixels.dtype != np.uint8:
        pixels = np.rint(pixels.astype(np.float64) * split.scale).astype(np.uint8)
    return fit(Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)))


def _columns(arrays: Mapping[str, np.ndarray], splits: Sequence[SplitImages]) -> Columns:
    """The other arrays as columns: those with one value per image of their split."""
    import pyarrow as pa

    values: dict[str, list[np.ndarray | None]] = {}
    for key, array in arrays.items():
        of, name = _split_off(key)
        name = "label" if name in LABELS else name if of else key
        for i, split in enumerate(splits):
            if split.split == of and (scalars := _scalars(array, len(split.images))) is not None:
                values.setdefault(name, [None] * len(splits))[i] = scalars
    names = next((_texts(arrays[name]) for name in CLASSES if name in arrays), [])
    table = {name: _column(parts, splits) for name, parts in values.items() if name not in CLASSES}
    stated = [split.split for split in splits for _ in range(len(split.images))]
    columns = read_columns(pa.table(table), {"label": names} if names else {}, len(stated))
    stated = held_out_or_none(stated)
    return replace(columns, splits=stated if any(stated) else columns.splits)


def _scalars(array: np.ndarray, n: int) -> np.ndarray | None:
    if array.shape == (n, 1):
        array = array[:, 0]
    return array if array.shape == (n,) and array.dtype.kind in "biufUS" else None


def _column(parts: Sequence[np.ndarray | None], splits: Sequence[SplitImages]) -> pa.ChunkedArray:
    import pyarrow as pa

    cells: list[object] = []
    for values, split in zip(parts, splits, strict=True):
        if values is None:
            cells += [None] * len(split.images)
        else:
            cells += _texts(values) if values.dtype.kind in "US" else values.tolist()
    return pa.chunked_array([pa.array(cells)])


def _texts(values: np.ndarray) -> list[str]:
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values.tolist()]
