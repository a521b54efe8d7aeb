"""NumPy files: a .npy of images, or a .npz of images with labels and attributes.

    images.npy   (n, h, w), (n, h, w, c) or (n, c, h, w), c 1, 3 or 4; or rows of square images
    data.npz     images (or x, data, imgs), labels (or y, targets), and one binary array per attribute; each name may
                 begin or end with its split: train_images, x_test. `classes` (or class_names) names the labels.

`values` says which values are black and white, `array_columns` what the other arrays are read as.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path

import numpy as np
from PIL import Image

from armoire.errors import ArmoireError
from armoire.images.array_columns import array_columns, split_off
from armoire.images.array_layout import as_images
from armoire.images.columns import Columns, held_out_or_none, read_columns
from armoire.images.fit import Decode, Fit
from armoire.images.listing import FileListing
from armoire.images.mapped import open_array, open_arrays, release
from armoire.images.sources.source import Request, Source, SourceKind, packed
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


def _recognizes(path: Path, _names: Sequence[str]) -> bool:
    return path.is_file() and path.name.lower().endswith(ENDINGS)


def _read(request: Request, _listing: FileListing) -> Source:
    arrays = _arrays(request.path)
    splits, notes = _splits(request.path, arrays)
    columns, more = _columns(arrays, splits)
    for note in [*notes, *(f"{request.path.name}: {note}" for note in more)]:
        request.progress.note(note)
    n = sum(len(split.images) for split in splits)
    return Source([f"{row:06d}" for row in range(n)], partial(_pictures, splits), columns)


ARRAYS = SourceKind("a .npy or .npz file", packed(_read), _recognizes)


def _arrays(path: Path) -> dict[str, np.ndarray | None]:
    try:
        return {"images": open_array(path)} if path.suffix.lower() == ".npy" else open_arrays(path)
    except (OSError, ValueError) as error:
        raise ArmoireError(
            f"{path} cannot be read as NumPy arrays ({error}); save it with np.save or np.savez"
        ) from None


def _splits(path: Path, arrays: Mapping[str, np.ndarray | None]) -> tuple[list[SplitImages], list[str]]:
    """The images of each split, and notes about what was guessed."""
    splits, notes = [], []
    for key in _image_keys(path, arrays):
        array = arrays[key]
        if array is None:
            raise ArmoireError(f"{path}: {key} holds Python objects; save one array of numbers, uint8 (n, h, w, c)")
        images, note = as_images(array, f"{path.name}: {key}")
        splits.append(SplitImages(split_off(key)[0], images, key))
        notes += [note] if note else []
    for kinds in ("b", "iu", "f"):  # splits of one type have one scale
        same = [split for split in splits if split.images.dtype.kind in kinds]
        if same:
            scale = scale_of([split.images for split in same], f"{path.name}: {' and '.join(s.key for s in same)}")
            splits = [replace(split, scale=scale) if split.images.dtype.kind in kinds else split for split in splits]
            notes += [scale.note] if scale.note else []
    return splits, notes


def _image_keys(path: Path, arrays: Mapping[str, np.ndarray | None]) -> list[str]:
    """The arrays of the first common name that exists; else the only array that can be images."""
    for name in IMAGES:
        if found := [key for key in arrays if split_off(key)[1] == name]:
            return found
    possible = [key for key, array in arrays.items() if array is not None and array.ndim in (3, 4)]
    if len(possible) != 1:
        raise ArmoireError(
            f"{path} holds {', '.join(arrays) or 'nothing'}, and no array called images; "
            "save the images under the name images, with np.savez(.., images=images)"
        )
    return possible


def _pictures(splits: Sequence[SplitImages], start: int) -> Iterator[Decode]:
    rows = chain.from_iterable(((split, row) for row in range(len(split.images))) for split in splits)
    for split, row in islice(rows, start, None):
        if row % BLOCK == 0:
            release(split.images)
        yield partial(_decode, split, row)


def _decode(split: SplitImages, row: int, fit: Fit) -> np.ndarray:
    pixels = split.scale.to_bytes(split.images[row])
    return fit(Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)))


def _columns(arrays: Mapping[str, np.ndarray | None], splits: Sequence[SplitImages]) -> tuple[Columns, list[str]]:
    """The other arrays as columns, and notes about what was guessed."""
    images = {split.key for split in splits}
    others = {key: array for key, array in arrays.items() if key not in images}
    found = array_columns(others, [(split.split, len(split.images)) for split in splits])
    stated = [split.split for split in splits for _ in range(len(split.images))]
    columns = read_columns(found.table, {"label": found.classes} if found.classes else {}, len(stated))
    stated = held_out_or_none(stated)
    return replace(columns, splits=stated if any(stated) else columns.splits), found.notes
