"""What the columns of a table, and the folders of a path, say about images: split, class and attributes.

    split       a column `split`, `partition` or `subset` of train, valid (val, validation, dev) and test
    label       the first of `label`, `class`, `category` and `target` that exists; else the only column that is a
                ClassLabel of Hugging Face's; else the only text column whose values repeat
    attributes  every other binary column: booleans, 1 and 0, 1 and -1, true and false, yes and no

Any other column, captions and sizes for example, is ignored. A null is an unknown value.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int8

from armoire.images.imageset import RESERVED

if TYPE_CHECKING:
    import pyarrow as pa

SPLIT_NAMES = {"train": "train", "training": "train", "test": "test", "testing": "test"} | dict.fromkeys(
    ("val", "valid", "validation", "dev"), "valid"
)
SPLIT_COLUMNS = ("split", "partition", "subset")
LABEL_COLUMNS = ("label", "labels", "class", "class_name", "category", "target")
MOST_CLASSES = 1000
YES_OR_NO = {"1": 1, "true": 1, "yes": 1, "0": -1, "-1": -1, "false": -1, "no": -1}


@dataclass(frozen=True)
class Columns:
    """Split, label and attributes of n images.

    Attributes:
        splits: train, valid or test; None where unknown.
        labels: class names; None where unknown.
        attributes: 1 yes, -1 no, 0 unknown.
        label_column: the column of the labels, "" where there is none.
        ignored: names of the columns that are none of these.
    """

    splits: Sequence[str | None]
    labels: Sequence[str | None]
    attributes: Mapping[str, Int8[np.ndarray, " n"]] = field(default_factory=dict)
    label_column: str = ""
    ignored: Sequence[str] = ()

    def summary(self) -> str:
        """One line for people, "" where no column was found."""
        found = []
        if self.label_column:
            classes = len({label for label in self.labels if label is not None})
            found.append(f"{classes} classes from column '{self.label_column}'")
        if self.attributes:
            found.append(f"attributes {_enumerate(self.attributes)}")
        if self.ignored:
            found.append(f"ignored columns: {_enumerate(self.ignored)}")
        return "; ".join(found)

    def fill_missing(self, splits: Sequence[str | None], labels: Sequence[str | None]) -> Columns:
        """The same columns, completed with the splits and labels that file and folder names state."""
        if self.label_column:
            labels = [own or other for own, other in zip(self.labels, labels, strict=True)]
        return replace(self, splits=held_out_or_none(self.splits if any(self.splits) else splits), labels=labels)


def read_columns(table: pa.Table, classes: Mapping[str, Sequence[str]], n: int) -> Columns:
    """Interpret the columns of a table.

    Args:
        table: one row per image, without the columns of images and names.
        classes: class names of the columns that hold class numbers.
        n: number of rows, which a table without columns does not know.
    """
    columns = {name: _Column(table[name], classes.get(name, ())) for name in table.column_names}
    splits: Sequence[str | None] = [None] * n
    for name in (name for name in columns if name.lower() in SPLIT_COLUMNS):
        if columns[name].all_in(SPLIT_NAMES):
            splits = columns.pop(name).translated(SPLIT_NAMES)
            break
    label = _label_column(columns, classes, n)
    labels = columns.pop(label).texts() if label else [None] * n
    attributes = {
        name: column.signs()
        for name, column in columns.items()
        if column.all_in(YES_OR_NO) and name and not RESERVED.fullmatch(name)
    }
    return Columns(held_out_or_none(splits), labels, attributes, label, [n for n in columns if n not in attributes])


def scalar_columns(table: pa.Table) -> pa.Table:
    """The columns of scalars, and the fields of structs of scalars."""
    import pyarrow as pa

    columns: dict[str, Any] = {}
    for name in table.column_names:
        values = table[name]
        if not is_scalar_or_struct(values.type):
            continue
        if pa.types.is_struct(values.type):  # {"attributes": {"Smiling": true}}
            fields = pa.table({name: values}).flatten()
            for field_of, inner in zip(values.type, fields.columns, strict=True):
                columns.setdefault(field_of.name, inner)
        else:
            columns[name] = values
    return pa.table(columns) if columns else table.select([])


def is_scalar_or_struct(kind: pa.DataType) -> bool:
    """Whether a type is a scalar or a struct of scalars."""
    import pyarrow as pa

    return all(is_scalar(inner.type) for inner in kind) if pa.types.is_struct(kind) else is_scalar(kind)


def is_scalar(kind: pa.DataType) -> bool:
    """Whether a type is text, a number or a boolean."""
    import pyarrow.types as types

    if types.is_dictionary(kind):
        kind = kind.value_type
    return is_text(kind) or types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind)


def is_text(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def held_out_or_none(splits: Sequence[str | None]) -> list[str | None]:
    """The stated splits, or all None where they hold nothing out, so that a tenth will be."""
    return list(splits) if {"test", "valid"} & set(splits) else [None] * len(splits)


def split_named(parts: Iterable[str]) -> str | None:
    """The split that a part of a path names, such as `train` or `test-00000-of-00001`."""
    for part in parts:
        for end in ("", "-", "_", "."):
            if (word := part.lower().split(end)[0] if end else part.lower()) in SPLIT_NAMES:
                return SPLIT_NAMES[word]
    return None


def splits_and_labels(names: Sequence[str]) -> tuple[list[str | None], list[str | None]]:
    """Splits and labels from folder names: [train|valid|test/]LABEL/.../file."""
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    while folders[0] and len({folder[0] if folder else "" for folder in folders}) == 1:
        folders = [folder[1:] for folder in folders]
    splits: list[str | None] = [None] * len(names)
    tops = {folder[0].lower() for folder in folders if folder}
    if tops and tops <= SPLIT_NAMES.keys():
        # An image next to the split folders is held out by none of them.
        splits = held_out_or_none([SPLIT_NAMES[folder[0].lower()] if folder else "train" for folder in folders])
        folders = [folder[1:] for folder in folders]
    return splits, [folder[0] if folder else None for folder in folders]


def _label_column(columns: Mapping[str, _Column], classes: Collection[str], rows: int) -> str:
    for name in (name for wanted in LABEL_COLUMNS for name in columns if name.lower() == wanted):
        if columns[name].may_be_classes():
            return name
    numbered = [name for name in columns if name in classes]
    if len(numbered) == 1:
        return numbered[0]
    repeated = [
        name
        for name, column in columns.items()
        if column.is_text and column.may_be_classes() and not column.all_in(YES_OR_NO) and 2 * column.distinct <= rows
    ]
    return repeated[0] if len(repeated) == 1 else ""


class _Column:
    """A column as its distinct values, each as text or None, and the index of every row's value."""

    def __init__(self, values: pa.ChunkedArray, classes: Sequence[str]) -> None:
        import pyarrow as pa

        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        encoded = values.combine_chunks().dictionary_encode()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        self.is_text = is_text(values.type)
        self.is_real = pa.types.is_floating(values.type)
        self.values = [_text(value, classes) for value in encoded.dictionary.to_pylist()]
        self.indices = encoded.indices.fill_null(len(self.values)).to_numpy()

    @property
    def distinct(self) -> int:
        return len({value for value in self.values if value is not None})

    def all_in(self, allowed: Collection[str]) -> bool:
        found = {value.lower() for value in self.values if value is not None}
        return bool(found) and found <= set(allowed)

    def may_be_classes(self) -> bool:
        whole = not self.is_real or all(v is None or "." not in v for v in self.values)
        return whole and 1 <= self.distinct <= MOST_CLASSES

    def texts(self) -> list[str | None]:
        return np.array([*self.values, None], dtype=object)[self.indices].tolist()

    def translated(self, names: Mapping[str, str]) -> list[str | None]:
        return [None if text is None else names[text.lower()] for text in self.texts()]

    def signs(self) -> Int8[np.ndarray, " n"]:
        signs = [0 if value is None else YES_OR_NO[value.lower()] for value in self.values]
        return np.array([*signs, 0], np.int8)[self.indices]


def _text(value: Any, classes: Sequence[str]) -> str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # programs store integers with missing values as floats
    if classes and isinstance(value, int):
        return classes[value] if 0 <= value < len(classes) else None  # Hugging Face writes -1 for unknown
    return str(value).strip() or None


def _enumerate(names: Iterable[str], most: int = 8) -> str:
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
