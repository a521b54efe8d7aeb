"""What the columns of a table, and the folders of a path, say about images: split, class and attributes.

    split       a column `split`, `partition`, `subset` or the like; or one that holds train, valid and test alone
    label       the first of `label`, `class`, `category`, `target` and the like that exists; else the only column that
                is a ClassLabel of Hugging Face's; else columns of 0 and 1 with one 1 in each row; else the only column
                of words that repeat, unless folders give every image a class
    attributes  every other binary column: booleans, 1 and 0, 1 and -1, true and false, yes and no; where a column has
                1, 0 and -1, -1 is unknown

Any other column, captions and sizes for example, is ignored. A null is an unknown value. `ColumnChoice` overrides all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int8

from armoire.errors import ArmoireError
from armoire.images.column_roles import (
    FREE,
    GUESSED,
    ColumnChoice,
    Found,
    Role,
    RoleName,
    enumerate_names,
    find_attributes,
    find_class,
    find_split,
    is_split_or_fold,
)
from armoire.images.column_values import MISSING_AMONG_NUMBERS, Values, normal_text
from armoire.images.layout import Layout, held_out_or_none
from armoire.images.rows import RESERVED

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FREE", "ColumnChoice", "Columns", "Role", "enumerate_names", "read_columns"]

COULD_BE_CLASS = "could be the class (--label-column)"
FOLDERS_COUNT = "the folders are the classes; column '{}' could be, too (--label-column)"
FOLDERS_DIFFER = "column '{}' and the folders differ in the class of {} images; the column counts"
FOLDERS_OF_OTHERS = "images without a class in column '{}' have none: their folders are none of its classes"


@dataclass(frozen=True)
class Columns:
    """Split, label and attributes of n images."""

    splits: Sequence[str | None]  # train, valid or test; None where unknown
    labels: Sequence[str | None]  # class names; None where unknown
    attributes: Mapping[str, Int8[np.ndarray, " n"]] = field(default_factory=dict)  # 1 yes, -1 no, 0 unknown
    label_column: str = ""  # the column of the labels, "" where there is none
    roles: tuple[Role, ...] = ()  # what each column was taken for
    label_is_guessed: bool = False  # whether that column has no usual name, so that folders count more
    classes: tuple[str, ...] = ()  # class names in their declared order, "" where none is declared
    notes: tuple[str, ...] = ()  # remarks on what was guessed
    tables: tuple[str, ...] = ()  # names of the files that they were read from

    @classmethod
    def unknown(cls, n: int) -> Columns:
        """The columns of n images without splits, labels and attributes."""
        return cls([None] * n, [None] * n)

    def fill_missing(self, layout: Layout) -> Columns:
        """The same columns, completed with the splits and labels that file and folder names state."""
        found, notes, labels = self.labels, self.notes, layout.labels
        if self.label_is_guessed and None not in labels and len(set(labels)) > 1:
            guess, note = GUESSED.format(self.label_column), FOLDERS_COUNT.format(self.label_column)
            notes = (*(one for one in notes if one != guess), note)
            return replace(self.without_label(), notes=notes).fill_missing(layout)
        if not self.label_column:
            found = labels
        elif set(labels) - {None} <= set(found):
            found = [own or other for own, other in zip(found, labels, strict=True)]
            differ = sum(other not in (None, own) for own, other in zip(found, labels, strict=True))
            notes += (FOLDERS_DIFFER.format(self.label_column, f"{differ:,}"),) * bool(differ)
        elif None in found:  # two vocabularies of classes would be mixed
            notes += (FOLDERS_OF_OTHERS.format(self.label_column),)
        splits = held_out_or_none(self.splits if any(self.splits) else layout.splits)
        return replace(self, splits=splits, labels=found, notes=(*notes, *layout.notes))

    def without_label(self) -> Columns:
        """The same columns without a class."""
        roles = tuple(
            replace(role, role="ignored", reason=COULD_BE_CLASS) if role.role == "label" else role
            for role in self.roles
        )
        return replace(self, label_column="", label_is_guessed=False, classes=(), roles=roles)


def label_by_pattern(columns: Columns, ids: Sequence[str], pattern: str) -> Columns:
    """The columns with each image's class taken from its id: the pattern's first group, else its whole match.

    ArmoireError where the pattern is no regular expression, or is found in no id.
    """
    try:
        found = [re.search(pattern, name) for name in ids]
    except re.error as error:
        raise ArmoireError(f"--label-pattern '{pattern}' is not a regular expression: {error}") from None
    labels = [None if match is None else match[1 if match.re.groups else 0] for match in found]
    missing = sum(label is None for label in labels)
    if missing == len(labels):
        raise ArmoireError(f"--label-pattern '{pattern}' is found in no image's id, such as {ids[0]}")
    note = [f"--label-pattern is not found in the ids of {missing:,} images, which have no class"] * bool(missing)
    return replace(columns.without_label(), labels=labels, notes=(*columns.notes, *note))


def read_columns(table: pa.Table, classes: Mapping[str, Sequence[str]], n: int, choice: ColumnChoice = FREE) -> Columns:
    """Interpret the columns of a table with a row per image, without those of images and names.

    `classes` are the class names of columns of class numbers; `n` is the number of rows, which a table without columns
    does not know. ArmoireError where `choice` names no column, or one whose values cannot be used so.
    """
    columns = {normal_text(name): Values(table[name], classes.get(name, ())) for name in table.column_names}
    split = find_split(columns, choice)
    splits = columns[split.columns[0]].translate(split.meaning) if split.columns else [None] * n
    rest = {name: values for name, values in columns.items() if name not in split.columns}
    found = find_class(rest, classes, choice)
    binary = find_attributes({name: values for name, values in rest.items() if name not in found.columns}, choice)
    roles: dict[RoleName, Found] = {"split": split, "label": found, "attribute": binary}
    used: dict[str, RoleName] = {name: role for role, of_role in roles.items() for name in of_role.columns}
    notes = [split.note, found.note, *_missing(rest, found.columns), binary.note]
    return Columns(
        held_out_or_none(splits),
        _labels(rest, found.columns, n),
        {name: columns[name].signs(uncertain=binary.has_unknown) for name in binary.columns},
        ", ".join(found.columns),
        tuple(
            Role(
                name,
                used.get(name, "ignored"),
                value.example,
                reason="" if name in used else _reason(name, value, found),
            )
            for name, value in columns.items()
        ),
        found.is_guess,
        tuple(classes.get(found.columns[0], ())) if len(found.columns) == 1 else (),
        tuple(filter(None, notes)),
    )


def _labels(columns: Mapping[str, Values], names: Sequence[str], n: int) -> Sequence[str | None]:
    if len(names) < 2:
        return columns[names[0]].texts() if names else [None] * n
    ones = np.stack([columns[name].signs() == 1 for name in names])
    first = np.where(ones.any(axis=0), ones.argmax(axis=0), len(names))
    return np.array([*names, None], object)[first].tolist()


def _reason(name: str, values: Values, found: Found) -> str:
    if not values.distinct:
        return "empty"
    if is_split_or_fold(name):
        return "not taken for a split"
    if RESERVED.fullmatch(name):
        return "its name cannot be an attribute's"
    if name in found.others:
        return COULD_BE_CLASS
    if len(values.distinct) == 1:
        return "the same value in every row"
    return "text that is no class" if values.is_text else "numbers"


def _missing(columns: Mapping[str, Values], label: Sequence[str]) -> Iterator[str]:
    """Remarks on words that may be values or missing ones."""
    for name, values in columns.items():
        if values.missing:
            yield f"{enumerate_names(values.missing)} in column '{name}' is taken for a missing value"
        words = [value for value in values.distinct if value.lower() in MISSING_AMONG_NUMBERS - {"unknown"}]
        if words and name in label:
            yield f"'{words[0]}' in column '{name}' is taken for a class; leave cells empty where the class is missing"
