"""The values of a column, whatever it was read from: text, numbers, yes and no, and what is missing.

A cell of a CSV means what it means in JSON lines and Parquet: a column whose cells are all numbers is one of numbers,
1.0 is 1, and an empty cell is missing.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int8

from armoire.images.listing import has_image_ending

if TYPE_CHECKING:
    import pyarrow as pa

MOST_CLASSES = 1000
LONGEST_CLASS = 100  # characters; longer text is a caption
YES_OR_NO = {"1": 1, "true": 1, "yes": 1, "y": 1, "0": -1, "-1": -1, "false": -1, "no": -1, "n": -1}
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?( ?%)?", re.IGNORECASE | re.ASCII)
INTEGRAL = re.compile(r"\+?(-?[1-9]\d*|0)([.,]0*)?|-0([.,]0*)?", re.ASCII)
DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([ T].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}([ T].*)?", re.ASCII)
#: Words of programs for a missing value, which no one calls a class.
MISSING = frozenset(("nan", "<na>", "#n/a", "n/a", "null", "nat", "-nan"))
#: Words that may be a class (Namibia, no defect) but are a missing value among numbers.
MISSING_AMONG_NUMBERS = frozenset(("na", "none", "?", "-", ".", "unknown"))


class Values:
    """A column as its distinct values, each as text, and the index of every row's value.

    Attributes:
        distinct: the values, without null.
        indices: of each row, `len(distinct)` where it is null.
        is_text: whether its values are words.
        missing: words that are taken for a missing value.
    """

    def __init__(self, column: pa.ChunkedArray, classes: Sequence[str] = ()) -> None:
        import pyarrow as pa

        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        cells, indices = distinct_cells(column)
        self.missing: tuple[str, ...] = ()
        self.is_text = is_text(column.type)
        texts = self._of_text(cells) if self.is_text else [_text(cell, classes) for cell in cells]
        self.distinct = list(dict.fromkeys(text for text in texts if text is not None))
        places: dict[str | None, int] = {text: i for i, text in enumerate(self.distinct)}
        self.indices = np.array([places.get(text, len(places)) for text in (*texts, None)])[indices]

    def _of_text(self, cells: Sequence[str]) -> list[str | None]:
        words = [normal_text(cell) for cell in cells]
        certain = [word for word in words if word and word.lower() not in MISSING | MISSING_AMONG_NUMBERS]
        self.is_text = not certain or not all(NUMBER.fullmatch(word) for word in certain)
        absent = MISSING if self.is_text else MISSING | MISSING_AMONG_NUMBERS
        self.missing = tuple(word for word in words if word.lower() in absent)
        known = [None if not word or word.lower() in absent else word for word in words]
        return known if self.is_text else [None if word is None else _integral(word) for word in known]

    @property
    def example(self) -> str:
        return next(iter(self.distinct), "")

    @property
    def counts(self) -> list[int]:
        """The number of rows of each value."""
        return np.bincount(self.indices, minlength=len(self.distinct) + 1)[:-1].tolist()

    def all_in(self, allowed: Collection[str]) -> bool:
        """Whether there are values, all of them allowed, in lower case."""
        return bool(self.distinct) and {value.lower() for value in self.distinct} <= set(allowed)

    def may_be_classes(self) -> bool:
        """Whether the values are few, and words or whole numbers."""
        whole = self.is_text or all(INTEGRAL.fullmatch(value) or value.isalnum() for value in self.distinct)
        return whole and 1 <= len(self.distinct) <= MOST_CLASSES

    def repeat(self) -> bool:
        """Whether the values are words that repeat, as names of classes do."""
        return (
            self.is_text
            and 2 <= len(self.distinct) <= min(MOST_CLASSES, sum(self.counts) // 2)
            and all(len(value) <= LONGEST_CLASS for value in self.distinct)
            and not self.all_in(YES_OR_NO)
            and not all(DATE.fullmatch(value) or has_image_ending(value) for value in self.distinct)
        )

    def are_few_numbers(self) -> bool:
        """Whether the values are whole numbers that repeat, as numbers of classes do."""
        whole = not self.is_text and all(INTEGRAL.fullmatch(value) for value in self.distinct)
        return whole and 3 <= len(self.distinct) <= min(MOST_CLASSES, sum(self.counts) // 2)

    def translate(self, names: Mapping[str, str | None]) -> list[str | None]:
        """The rows with their values replaced; None for a value without a replacement."""
        return np.array([*map(names.get, self.distinct), None], dtype=object)[self.indices].tolist()

    def texts(self) -> list[str | None]:
        return self.translate({value: value for value in self.distinct})

    def signs(self, *, uncertain: bool = False) -> Int8[np.ndarray, " n"]:
        """1 yes, -1 no, 0 unknown; where `uncertain`, the value -1 is unknown."""
        meaning = YES_OR_NO | ({"-1": 0} if uncertain else {})
        return np.array([*(meaning[value.lower()] for value in self.distinct), 0], np.int8)[self.indices]


def distinct_cells(column: pa.ChunkedArray) -> tuple[list[Any], np.ndarray]:
    """The distinct values of a column, and the index of every row's, one after the last where it is null."""
    import pyarrow as pa

    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    cells = encoded.dictionary.to_pylist()
    return cells, encoded.indices.fill_null(len(cells)).to_numpy()


def normal_text(cell: object) -> str:
    """The text of a cell, stripped; composed and decomposed letters are one."""
    return unicodedata.normalize("NFC", str(cell)).strip().strip("\ufeff")


def is_text(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _integral(word: str) -> str:
    """A number as text; programs store integers with missing values as 1.0."""
    whole = INTEGRAL.fullmatch(word)
    return whole[1] or "0" if whole else word


def _text(value: Any, classes: Sequence[str]) -> str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # programs store integers with missing values as floats
    if classes and isinstance(value, int):
        return classes[value] if 0 <= value < len(classes) else None  # Hugging Face writes -1 for unknown
    return str(value).strip() or None
