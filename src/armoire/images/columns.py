"""What the columns of a table say of its pictures: their split, their class, and which attributes they have.

    split       a column `split`, `partition` or `subset` of train, valid (val, validation, dev) and test
    label       the first of `label`, `class`, `category` and `target` that is there; else the one column that is a
                ClassLabel of Hugging Face's; else the one column of text whose values come again and again
    attributes  every other column of yes and no: booleans, 1 and 0, 1 and -1, true and false, yes and no

Anything else, captions and sizes for example, is left out. A missing value is a missing fact.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    """Annotations about n pictures.

    Attributes:
        splits: train, valid or test; None where nothing says.
        labels: names of classes; None where nothing says.
        attributes: for each attribute 1 yes, -1 no, 0 unknown.
        label_column: where the classes come from, "" where there are none.
        left_out: names of columns that are none of these.
    """

    splits: Sequence[str | None]
    labels: Sequence[str | None]
    attributes: Mapping[str, Int8[np.ndarray, " n"]] = field(default_factory=dict)
    label_column: str = ""
    left_out: Sequence[str] = ()

    def sentence(self) -> str:
        """What was found, for people; "" where nothing was."""
        found = []
        if self.label_column:
            classes = len({label for label in self.labels if label is not None})
            found.append(f"{classes} classes from column '{self.label_column}'")
        if self.attributes:
            found.append(f"attributes {_listed(self.attributes)}")
        if self.left_out:
            found.append(f"left out: {_listed(self.left_out)}")
        return "; ".join(found)

    def where_silent(self, splits: Sequence[str | None], labels: Sequence[str | None]) -> Columns:
        """The same facts, and where they are silent the splits and labels that the names of files and folders state."""
        told = labels
        if self.label_column:
            told = [mine or theirs for mine, theirs in zip(self.labels, labels, strict=True)]
        return replace(self, splits=held_out_or_none(self.splits if any(self.splits) else splits), labels=told)


def read_columns(table: pa.Table, classes: Mapping[str, Sequence[str]], n: int) -> Columns:
    """Annotations from columns.

    Args:
        table: a row a picture, without the pictures and their names.
        classes: of columns that hold numbers of classes the classes' names.
        n: how many rows there are, which a table without columns does not know.
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


def single_values(table: pa.Table) -> pa.Table:
    """The columns that may say something: those of single values, and the fields of structs of such."""
    import pyarrow as pa

    facts: dict[str, Any] = {}
    for name in table.column_names:
        values = table[name]
        if not may_be_fact(values.type):
            continue
        if pa.types.is_struct(values.type):  # {"attributes": {"Smiling": true}}
            fields = pa.table({name: values}).flatten()
            for field_of, inner in zip(values.type, fields.columns, strict=True):
                facts.setdefault(field_of.name, inner)
        else:
            facts[name] = values
    return pa.table(facts) if facts else table.select([])


def may_be_fact(kind: pa.DataType) -> bool:
    """Whether a column of a type holds single values, or structs of such."""
    import pyarrow as pa

    return all(is_single(inner.type) for inner in kind) if pa.types.is_struct(kind) else is_single(kind)


def is_single(kind: pa.DataType) -> bool:
    """Whether a type is of single values: text, numbers, yes and no."""
    import pyarrow.types as types

    if types.is_dictionary(kind):
        kind = kind.value_type
    return is_text(kind) or types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind)


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is of text."""
    import pyarrow.types as types

    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def held_out_or_none(splits: Sequence[str | None]) -> list[str | None]:
    """Splits as a source states them; none where nothing is held out, so that a tenth will be."""
    return list(splits) if {"test", "valid"} & set(splits) else [None] * len(splits)


def split_named(parts: Iterable[str]) -> str | None:
    """The split that one of a path's parts names, such as `train` or `test-00000-of-00001`."""
    for part in parts:
        for end in ("", "-", "_", "."):
            if (word := part.lower().split(end)[0] if end else part.lower()) in SPLIT_NAMES:
                return SPLIT_NAMES[word]
    return None


def _label_column(columns: Mapping[str, _Column], classes: Collection[str], rows: int) -> str:
    named = [name for wanted in LABEL_COLUMNS for name in columns if name.lower() == wanted]
    for name in named:
        if columns[name].may_be_classes():
            return name
    numbered = [name for name in columns if name in classes]
    if len(numbered) == 1:
        return numbered[0]
    again = [
        name
        for name, column in columns.items()
        if column.is_text and column.may_be_classes() and not column.all_in(YES_OR_NO) and 2 * column.distinct <= rows
    ]
    return again[0] if len(again) == 1 else ""


class _Column:
    """A column by its distinct values, each as text; None is a missing one."""

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
        self.place = encoded.indices.fill_null(len(self.values)).to_numpy()

    @property
    def distinct(self) -> int:
        return len({value for value in self.values if value is not None})

    def all_in(self, known: Collection[str]) -> bool:
        there = {value.lower() for value in self.values if value is not None}
        return bool(there) and there <= set(known)

    def may_be_classes(self) -> bool:
        whole = not self.is_real or all(v is None or "." not in v for v in self.values)
        return whole and 1 <= self.distinct <= MOST_CLASSES

    def texts(self) -> list[str | None]:
        return np.array([*self.values, None], dtype=object)[self.place].tolist()

    def translated(self, known: Mapping[str, str]) -> list[str | None]:
        return [None if text is None else known[text.lower()] for text in self.texts()]

    def signs(self) -> Int8[np.ndarray, " n"]:
        signs = [0 if value is None else YES_OR_NO[value.lower()] for value in self.values]
        return np.array([*signs, 0], np.int8)[self.place]


def _text(value: Any, classes: Sequence[str]) -> str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # of whole numbers, one of which is missing, programs make floats
    if classes and isinstance(value, int):
        return classes[value] if 0 <= value < len(classes) else None  # -1 is Hugging Face's word for unknown
    return str(value).strip() or None


def _listed(names: Iterable[str], most: int = 8) -> str:
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
