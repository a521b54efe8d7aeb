"""Class labels as programs hold them: numbers from 0 or from 1, words, one-hot rows, several classes per image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from armoire.errors import ArmoireError

MOST_ATTRIBUTES = 200  # columns of a multi-label array


def is_binary(table: np.ndarray) -> bool:
    """Whether an array of numbers (n, k), k at least 2, holds 0 and 1 alone, or -1 and 1 alone."""
    if table.ndim != 2 or table.shape[1] < 2 or table.dtype.kind not in "biuf":
        return False
    found = set(np.unique(table).tolist())
    return bool(found) and (found <= {0, 1} or found == {-1, 1})


def is_one_hot(table: np.ndarray) -> bool:
    """Whether each row of an array (n, k) holds 0 but for a single 1."""
    return is_binary(table) and bool((table >= 0).all() and (table.sum(axis=1) == 1).all())


def texts(values: np.ndarray) -> list[str]:
    """The values of an array as text; bytes are UTF-8."""
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values.tolist()]


def from_zero(numbers: np.ndarray, classes: Sequence[str]) -> tuple[Int[np.ndarray, " n"] | None, str]:
    """Class numbers that count from 0, -1 where unknown, and a note; None where they do not fit the class names.

    Numbers of 1 to k with k names count from 1, as MATLAB's do.
    """
    whole = numbers.astype(np.int64)
    if not (whole == numbers).all():
        return None, "numbers that are not whole"
    known = whole[whole != -1]
    if not len(known):
        return whole, ""
    low, high, k = int(known.min()), int(known.max()), len(classes)
    unknown = "-1 is read as unknown" if len(known) < len(whole) else ""
    if (low, high) == (1, k) and not unknown:
        return whole - 1, f"numbers from 1 to {k}: 1 is read as the class '{classes[0]}'"
    if low < 0 or high >= k:
        return None, f"numbers from {low} to {high}, which the {k} class names do not fit"
    if low > 0 and not unknown:
        return whole, f"numbers from {low} on: 0 is read as the class '{classes[0]}', which no image has"
    return whole, unknown


def class_numbers(labels: np.ndarray, n: int, classes: Sequence[str]) -> tuple[list[int | None], list[str], str]:
    """The class number of each image, None where unknown, the class names, and a note where something was guessed.

    Args:
        labels: numbers, words or booleans (n,) or (n, 1), or one-hot rows (n, k); -1, nan, None and "" are unknown.
        n: number of images.
        classes: class names, empty where the labels are the names.

    Raises:
        ArmoireError: they are another number, or do not fit the class names.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape[:1] != (n,) or labels.ndim != 1:
        if labels.shape[:1] != (n,) or not is_one_hot(labels):
            raise ArmoireError(f"labels must be one per image, ({n},), not {labels.shape}")
        labels = labels.argmax(axis=1)
    given = [_plain(value) for value in labels.tolist()]
    known = [value for value in given if value is not None]
    words = any(isinstance(value, str) for value in known)
    if classes and not words:
        return _numbered(given, classes)
    found = {str(value) for value in known}
    names = list(classes) or (sorted(found) if words else [str(value) for value in sorted(set(known))])
    if missing := sorted(found - set(names)):
        raise ArmoireError(f"labels hold '{missing[0]}', which is no class; the classes are {', '.join(names)}")
    number = {name: i for i, name in enumerate(names)}
    return [None if value is None else number[str(value)] for value in given], names, ""


def _numbered(given: Sequence[object], classes: Sequence[str]) -> tuple[list[int | None], list[str], str]:
    known = np.array([value for value in given if value is not None], np.float64)
    numbers, note = from_zero(known, classes)
    if numbers is None:
        raise ArmoireError(f"labels: {note}; number the classes from 0")
    following = iter(numbers.tolist())
    filled = [None if value is None else next(following) for value in given]
    return filled, list(classes), note and f"labels: {note}"


def _plain(value: object) -> str | int | bool | None:
    """A label as text, a whole number or a boolean; None where it is unknown."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if value is None or value != value or value == "" or (value == -1 and not isinstance(value, bool)):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, str | int | bool):
        raise ArmoireError(f"labels must be whole numbers or words, not {value!r}")
    return value
