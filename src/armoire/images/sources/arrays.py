"""NumPy arrays as a data set: a .npy file of images, or a .npz file of images with labels and attributes.

    images.npy   (n, h, w), (n, h, w, c) or (n, c, h, w), c 1, 3 or 4
    data.npz     images (or x, data), labels (or y, targets), and one array of n yes and no an attribute; each may begin
                 or end with its split: train_images, x_test. `classes` (or class_names) names the labels.

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
from armoire.images.mapped import open_array, open_arrays, release
from armoire.images.sources.source import Source

if TYPE_CHECKING:
    import pyarrow as pa

ENDINGS = (".npy", ".npz")
IMAGES = ("images", "image", "x", "data", "arr_0")
LABELS = ("labels", "label", "y", "targets", "target")
CLASSES = ("classes", "class_names", "label_names")
CHANNELS = (1, 3, 4)
AT_ONCE = 1000  # images looked at
HOW_TO_GIVE = (
    "give images of (n, h, w), (n, h, w, c) or (n, c, h, w), c 1, 3 or 4, as integers 0 to 255 or floats 0 to 1"
)


@dataclass(frozen=True)
class Piece:
    """The images of one split, or all where no split is named.

    Attributes:
        split: train, valid or test, or None.
        images: (n, h, w, c).
        scale: what a value is multiplied with to lie in 0 to 255.
    """

    split: str | None
    images: np.ndarray
    scale: int


def is_array(name: str) -> bool:
    """Whether a file holds NumPy arrays, by its name."""
    return name.lower().endswith(ENDINGS)


def read_arrays(path: Path) -> Source:
    """The images of a .npy or .npz file.

    Raises:
        ArmoireError: it is damaged, or holds no images.
    """
    arrays = _arrays(path)
    pieces = _pieces(path, arrays)
    n = sum(len(piece.images) for piece in pieces)
    return Source([f"{row:06d}" for row in range(n)], partial(_pictures, pieces), _known(arrays, pieces))


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        return {"images": open_array(path)} if path.suffix.lower() == ".npy" else open_arrays(path)
    except (OSError, ValueError) as error:
        raise ArmoireError(
            f"{path} cannot be read as NumPy arrays ({error}); save it with np.save or np.savez"
        ) from None


def _pieces(path: Path, arrays: Mapping[str, np.ndarray]) -> list[Piece]:
    """The images: under the first usual name that is there, of each split; else the one array that can be images."""
    for name in IMAGES:
        found = [(split, arrays[key]) for key in arrays for split, rest in [_split_off(key)] if rest == name]
        if found:
            return [_piece(path, split, images) for split, images in found]
    may_be = [images for images in arrays.values() if images.ndim in (3, 4)]
    if len(may_be) != 1:
        raise ArmoireError(f"{path} holds {', '.join(arrays) or 'nothing'}, and no array called images; {HOW_TO_GIVE}")
    return [_piece(path, None, may_be[0])]


def _split_off(key: str) -> tuple[str | None, str]:
    """train_images or images_train as train and images."""
    words = key.lower().split("_")
    for split, rest in ((words[0], words[1:]), (words[-1], words[:-1])):
        if rest and split in SPLIT_NAMES:
            return SPLIT_NAMES[split], "_".join(rest)
    return None, key.lower()


def _piece(path: Path, split: str | None, images: np.ndarray) -> Piece:
    if images.ndim == 4 and images.shape[3] not in CHANNELS and images.shape[1] in CHANNELS:
        images = images.transpose(0, 2, 3, 1)
    images = images[..., None] if images.ndim == 3 else images
    if images.ndim != 4 or images.shape[3] not in CHANNELS or 0 in images.shape:
        raise ArmoireError(f"{path} holds an array of {images.shape}; {HOW_TO_GIVE}")
    if images.shape[1] * images.shape[2] > MAX_PIXELS:
        raise ArmoireError(f"{path} holds images of {images.shape[1]} x {images.shape[2]}, more than 64 million pixels")
    return Piece(split, images, _scale(path, images))


def _scale(path: Path, images: np.ndarray) -> int:
    if images.dtype == np.uint8:
        return 1
    if images.dtype == bool:
        return 255
    if images.dtype.kind not in "iuf":
        raise ArmoireError(f"{path} holds an array of {images.dtype}; {HOW_TO_GIVE}")
    low, high = np.inf, -np.inf
    for start in range(0, len(images), AT_ONCE):
        block = images[start : start + AT_ONCE]
        low, high = np.minimum(low, block.min()), np.maximum(high, block.max())
        release(block)
    scale = 255 if images.dtype.kind == "f" else 1
    if not (low >= 0 and high * scale <= 255):  # so put, nan fails too
        raise ArmoireError(f"{path} holds {images.dtype} from {low:g} to {high:g}; {HOW_TO_GIVE}")
    return scale


def _pictures(pieces: Sequence[Piece], start: int) -> Iterator[Decode]:
    places = chain.from_iterable(((piece, row) for row in range(len(piece.images))) for piece in pieces)
    for piece, row in islice(places, start, None):
        if row % AT_ONCE == 0:
            release(piece.images)
        yield partial(_decode, piece, row)


def _decode(piece: Piece, row: int, fit: Fit) -> np.ndarray:
    pixels = piece.images[row]
    if pixels.dtype != np.uint8:
        pixels = np.rint(pixels.astype(np.float64) * piece.scale).astype(np.uint8)
    return fit(Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)))


def _known(arrays: Mapping[str, np.ndarray], pieces: Sequence[Piece]) -> Columns:
    """What the other arrays say: one value an image each, for every split that has images."""
    import pyarrow as pa

    columns: dict[str, list[np.ndarray | None]] = {}
    for key, array in arrays.items():
        split, name = _split_off(key)
        name = "label" if name in LABELS else name if split else key
        for place, piece in enumerate(pieces):
            if piece.split == split and (values := _single(array, len(piece.images))) is not None:
                columns.setdefault(name, [None] * len(pieces))[place] = values
    names = next((_texts(arrays[name]) for name in CLASSES if name in arrays), [])
    table = {name: _column(parts, pieces) for name, parts in columns.items() if name not in CLASSES}
    n = sum(len(piece.images) for piece in pieces)
    known = read_columns(pa.table(table), {"label": names} if names else {}, n)
    splits = held_out_or_none([piece.split for piece in pieces for _ in range(len(piece.images))])
    return replace(known, splits=splits if any(splits) else known.splits)


def _single(array: np.ndarray, n: int) -> np.ndarray | None:
    if array.shape == (n, 1):
        array = array[:, 0]
    return array if array.shape == (n,) and array.dtype.kind in "biufUS" else None


def _column(parts: Sequence[np.ndarray | None], pieces: Sequence[Piece]) -> pa.ChunkedArray:
    import pyarrow as pa

    cells: list[object] = []
    for values, piece in zip(parts, pieces, strict=True):
        cells += (
            [None] * len(piece.images)
            if values is None
            else _texts(values)
            if values.dtype.kind in "US"
            else values.tolist()
        )
    return pa.chunked_array([pa.array(cells)])


def _texts(values: np.ndarray) -> list[str]:
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values.tolist()]
