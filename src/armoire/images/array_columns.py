"""The arrays of a file that are not its images, as columns: labels, attributes, and what is not used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from armoire.images.labels import MOST_ATTRIBUTES, from_zero, is_binary, is_one_hot, texts
from armoire.images.split_words import SPLIT_WORDS

SECOND = "arr_1"  # of np.savez(file, x, y)
LABELS = ("labels", "label", "y", "targets", "target", "classes", SECOND)
CLASSES = ("classes", "class_names", "label_names", "target_names")
LABEL = "label"  # the column that arrays of these names become


@dataclass
class ArrayColumns:
    """The columns, and remarks on them, that were read from the arrays of a file."""

    table: pa.Table  # one row per image
    classes: Sequence[str] = ()  # class names of the labels, empty where the labels are the names
    notes: list[str] = field(default_factory=list)  # what was guessed, and which arrays are not used and why


def split_off(key: str) -> tuple[str | None, str]:
    """`train_images` or `images_train` as train and images."""
    words = key.split("_")
    for split, rest in ((words[0].lower(), words[1:]), (words[-1].lower(), words[:-1])):
        if rest and split in SPLIT_WORDS:
            return SPLIT_WORDS[split], "_".join(rest)
    return None, key


def array_columns(arrays: Mapping[str, np.ndarray | None], sizes: Sequence[tuple[str | None, int]]) -> ArrayColumns:
    """The arrays that hold one row per image as columns; the others are named in the notes.

    `arrays` are all but those of images, None for one of Python objects; `sizes` split and number of images of each.
    """
    return _Reader(arrays, sizes).read()


@dataclass
class _Part:
    """The part of a column that one array gives, for the images of one split."""

    key: str
    position: int
    values: np.ndarray


class _Reader:
    def __init__(self, arrays: Mapping[str, np.ndarray | None], sizes: Sequence[tuple[str | None, int]]) -> None:
        self.sizes = sizes
        self.notes: list[str] = []
        self.unused: list[str] = []
        rows = {n for _, n in sizes}
        self.names = {key: texts(a) for key, a in arrays.items() if a is not None and _are_names(key, a, rows)}
        self.arrays = {key: array for key, array in arrays.items() if key not in self.names}

    def read(self) -> ArrayColumns:
        columns: dict[str, list[object]] = {}
        classes: Sequence[str] = ()
        for name, parts in self._by_column().items():
            values = self._joined(name, parts)
            if values is None:
                continue
            if values.ndim == 2:
                columns |= self._attributes(name, parts, values)
                continue
            if name == LABEL:
                if parts[0].key == SECOND:
                    self.notes.append(f"{SECOND} is read as the labels; --label-column none leaves them out")
                values, classes = self._named(parts, values)
            columns[name] = self._cells(parts, values)
        self.unused += [f"{key} ({len(names)} names)" for key, names in self.names.items()]
        if self.unused:
            self.notes.append(f"not used: {', '.join(self.unused)}")
        return ArrayColumns(pa.table({name: pa.array(cells) for name, cells in columns.items()}), classes, self.notes)

    def _by_column(self) -> dict[str, list[_Part]]:
        found: dict[str, list[_Part]] = {}
        for key, array in self.arrays.items():
            of, rest = split_off(key)
            name = LABEL if rest.lower() in LABELS else rest if of else key
            position, others = self._position(of), found.setdefault(name, [])
            if array is None:
                self.unused.append(f"{key} (Python objects; save it as numbers or with astype(str))")
                continue
            if position is None:
                self.unused.append(f"{key} (of no split that has images)")
                continue
            if array.shape == (1, self.sizes[position][1]):  # a row vector, as MATLAB's are
                array = array[0]
            if array.shape[:1] != (self.sizes[position][1],):
                self.unused.append(f"{key} (of shape {array.shape}, for {self.sizes[position][1]} images)")
            elif any(part.position == position for part in others):
                self.unused.append(f"{key} ({others[0].key} is read instead)")
            else:
                others.append(_Part(key, position, array))
        return {name: parts for name, parts in found.items() if parts}

    def _position(self, split: str | None) -> int | None:
        """The position of a split's images; where images or array are of no split, they need to be the only ones."""
        splits = [name for name, _ in self.sizes]
        if split in splits:
            return splits.index(split)
        return 0 if len(splits) == 1 and None in (split, splits[0]) else None

    def _joined(self, name: str, parts: Sequence[_Part]) -> np.ndarray | None:
        """The values of a column in one array: (n,), or (n, k) of 0 and 1; None where it cannot be used."""
        flat = [part.values.reshape(-1) if part.values.shape[1:] == (1,) else part.values for part in parts]
        key, kinds = _keys(parts), {array.dtype.kind for array in flat}
        if not (kinds <= set("biuf") or kinds <= set("US")) or len({array.shape[1:] for array in flat}) > 1:
            self.unused.append(f"{key} (of type {flat[0].dtype} and shape {flat[0].shape})")
            return None
        values = np.concatenate(flat)
        if values.ndim == 1:
            return values
        if name == LABEL and is_one_hot(values):
            self.notes.append(f"one-hot rows in {key}: the position of the 1 is the class")
            return values.argmax(axis=1)
        if is_binary(values) and values.shape[1] <= MOST_ATTRIBUTES and (name == LABEL or len(np.unique(values)) > 1):
            return values
        self.unused.append(f"{key} (of shape {values.shape})")
        return None

    def _attributes(self, name: str, parts: Sequence[_Part], values: np.ndarray) -> dict[str, list[object]]:
        """Several classes per image as one attribute each."""
        named = [key for key, names in self.names.items() if len(names) == values.shape[1]]
        base = split_off(parts[0].key)[1] if name == LABEL else name
        names = self.names.pop(named[0]) if len(named) == 1 else [f"{base}_{i}" for i in range(values.shape[1])]
        self.notes.append(
            f"several classes per image in {_keys(parts)}, read as the attributes {names[0]} to {names[-1]}"
        )
        return {name: self._cells(parts, column) for name, column in zip(names, values.T, strict=True)}

    def _named(self, parts: Sequence[_Part], values: np.ndarray) -> tuple[np.ndarray, Sequence[str]]:
        """Class numbers that count from 0, or words, and the names of the classes where they fit."""
        keys = [key for key in self.names if key.lower() in CLASSES] or list(self.names)
        if len(keys) != 1:
            return values, ()
        if values.dtype.kind in "US":
            fits = set(texts(values)) <= set(self.names[keys[0]])
            return values, self.names.pop(keys[0]) if fits else ()
        numbers, note = from_zero(np.nan_to_num(values.astype(np.float64), nan=-1), self.names[keys[0]])
        if note:
            self.notes.append(f"{_keys(parts)}: {note}")
        return (values, ()) if numbers is None else (numbers, self.names.pop(keys[0]))

    def _cells(self, parts: Sequence[_Part], values: np.ndarray) -> list[object]:
        """One value per image of all splits, None in splits without such an array."""
        cells: list[list[object]] = [[None] * n for _, n in self.sizes]
        start = 0
        for part in parts:
            own = values[start : start + len(part.values)]
            cells[part.position] = list(texts(own)) if own.dtype.kind in "US" else own.tolist()
            start += len(part.values)
        return [cell for part in cells for cell in part]


def _keys(parts: Sequence[_Part]) -> str:
    return " and ".join(part.key for part in parts)


def _are_names(key: str, array: np.ndarray, sizes: set[int]) -> bool:
    """Whether an array names classes or attributes."""
    if array.ndim != 1 or array.dtype.kind not in "US" or len(set(array.tolist())) != len(array):
        return False
    return key.lower() in CLASSES or len(array) not in sizes
