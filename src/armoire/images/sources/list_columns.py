"""Columns of lists, such as several labels an image, as columns that have one value a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyarrow import types

from armoire.images.column_values import is_text

MOST = 100  # different words that become columns
IMAGES_A_WORD = 2  # on average; lists of rarer words are captions or names
NOT_LABELS = "lists whose values are too many, or too rare, for attributes"


def is_list_of_words(kind: pa.DataType, is_named: bool) -> bool:
    """Whether a type is a list of text, or of whole numbers whose names are known."""
    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        return False
    inner = kind.value_type.value_type if types.is_dictionary(kind.value_type) else kind.value_type
    return is_text(inner) or (is_named and types.is_integer(inner))


def split_lists(
    table: pa.Table, classes: Mapping[str, Sequence[str]]
) -> tuple[pa.Table, dict[str, str], tuple[str, ...]]:
    """The table with its columns of lists replaced.

    Lists of one word at most become a column of words; others a column of booleans for each word, true where the list
    holds it. A null is an unknown value.

    Returns the table, the columns that could not be replaced with the reason, and notes for people.
    """
    columns: dict[str, Any] = {}
    unused: dict[str, str] = {}
    notes: list[str] = []
    lists = {f.name: is_list_of_words(f.type, f.name in classes) for f in table.schema}
    for name in table.column_names:
        if not lists[name]:
            columns.setdefault(name, table[name])
            continue
        names = classes.get(name, ())
        rows = [None if cell is None else _words(cell, names) for cell in table[name].to_pylist()]
        known = [row for row in rows if row is not None]
        words = sorted({word for row in known for word in row})
        if all(len(row) <= 1 for row in known):
            columns[name] = pa.array([next(iter(row), None) if row else None for row in rows], pa.string())
        elif len(words) > min(MOST, len(known) / IMAGES_A_WORD):
            unused[name] = NOT_LABELS
        else:
            free = [word for word in words if word not in lists]
            columns |= {word: pa.array([None if row is None else word in row for row in rows]) for word in free}
            notes.append(f"each of the {len(words)} words in the lists of column '{name}' is a column of yes and no")
    return pa.table(columns), unused, tuple(notes)


def _words(cell: Sequence[Any], names: Sequence[str]) -> dict[str, None]:
    """The different words of a list; numbers by their names where they have one."""
    texts = (names[v] if isinstance(v, int) and 0 <= v < len(names) else str(v) for v in cell if v is not None)
    return dict.fromkeys(text for text in texts if text.strip())
