"""Which column of a table states the split, which the class, and which are attributes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from armoire.errors import ArmoireError, did_you_mean
from armoire.images.column_values import YES_OR_NO, Values

RoleName = Literal["name", "image", "label", "split", "attribute", "ignored"]
NONE = "none"
COLUMN_SETTINGS = ("name_column", "image_column", "label_column", "split_column", "attributes", "label_pattern")
SPLIT_COLUMNS = (
    "split",
    "partition",
    "subset",
    "set",
    "usage",
    "phase",
    "data_split",
    "split_name",
    "train_test_split",
)
FOLD_COLUMNS = ("fold", "folds", "kfold", "k_fold", "cv_fold")
LABEL_COLUMNS = (
    "label", "labels", "class", "class_name", "classname", "class_label", "category", "category_name", "target",
    "image_class_labels", "diagnosis", "dx",
)  # fmt: skip
HELD_OUT = ("heldout", "holdout", "eval", "evaluation", "evaluate", "privatetest", "tst")
SPLIT_WORDS = {
    word: split
    for split, words in {
        "train": ("train", "training", "trainval", "trainvalid", "trn", "tr"),
        "valid": ("val", "valid", "validation", "validate", "dev", "devel", "development", "publictest"),
        "test": ("test", "testing", *HELD_OUT),
    }.items()
    for word in words
}
#: Numbers of splits, if the first is the commonest: CelebA's, and those that begin with 1.
SPLIT_NUMBERS = (
    {"0": "train", "1": "test"},
    {"0": "train", "1": "valid", "2": "test"},
    {"1": "train", "2": "valid", "3": "test"},
)
ONE_HOT = ("0", "1", "true", "false")
MOST_ONE_HOT = 400  # columns
FLAGS = {"is_train": "train", "is_training": "train", "is_valid": "valid", "is_val": "valid", "is_test": "test"}


@dataclass(frozen=True)
class ColumnChoice:
    """Columns that the user chose; "" for one that armoire finds.

    Attributes:
        name: names the images.
        image: holds the images.
        label: the class, or "none".
        split: train, valid and test, or "none".
        attributes: all attributes; () for none, None for those that are found.
        label_pattern: a regular expression searched in an image's id, whose first group is its class.
    """

    name: str = ""
    image: str = ""
    label: str = ""
    split: str = ""
    attributes: tuple[str, ...] | None = None
    label_pattern: str = ""

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> ColumnChoice:
        """The choice that flags or a recipe state: `label_column="breed"`, `attributes="Smiling,Male"`."""
        columns = {name: settings.get(f"{name}_column", "") for name in ("name", "image", "label", "split")}
        names = settings.get("attributes", "")
        attributes = None if not names else () if names == NONE else tuple(part.strip() for part in names.split(","))
        return cls(**columns, attributes=attributes, label_pattern=settings.get("label_pattern", ""))


#: Nothing is chosen: all columns are found.
FREE = ColumnChoice()


@dataclass(frozen=True)
class Role:
    """What a column was taken for.

    Attributes:
        column: its name.
        example: its first value.
        table: the file that it is in, where there are several.
        reason: why, where that is not obvious.
    """

    column: str
    role: RoleName
    example: str = ""
    table: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Found:
    """A column that was found, how its values are to be read, and remarks for people."""

    column: str = ""
    meaning: Mapping[str, str | None] | None = None
    note: str = ""


def plain(name: str) -> str:
    """A column's name for comparison: lower case, words joined by underscores."""
    return re.sub(r"[\W_]+", "_", name.strip().lower()).strip("_")


def same_name(one: str, other: str) -> bool:
    """Whether two names differ in case or in the composition of letters alone."""
    return unicodedata.normalize("NFC", one).casefold() == unicodedata.normalize("NFC", other).casefold()


def chosen(name: str, columns: Collection[str], flag: str) -> str:
    """The column that a user named; case may differ where that is unambiguous."""
    if name in columns:
        return name
    similar = [column for column in columns if same_name(column, name)]
    if len(similar) == 1:
        return similar[0]
    raise ArmoireError(f"no column '{name}' for {flag}; {did_you_mean(name, columns)}")


def find_split(columns: Mapping[str, Values], choice: ColumnChoice) -> Found:
    """The column of splits, and the split of each of its values."""
    if choice.split == NONE:
        return Found()
    if choice.split:
        name = chosen(choice.split, columns, "--split-column")
        if found := _as_split(name, columns[name]):
            return found
        values = ", ".join(columns[name].distinct[:3])
        raise ArmoireError(f"column '{name}' holds {values}, which are no splits; use train, valid and test")
    taken = _taken(choice, columns)
    usual = [name for wanted in (*SPLIT_COLUMNS, *FLAGS) for name in columns if plain(name) == wanted]
    other = [name for name in columns if plain(name) not in LABEL_COLUMNS and _all_words(columns[name])]
    for name in (name for name in dict.fromkeys(usual + other) if name not in taken):
        if found := _as_split(name, columns[name]):
            return found
    return Found()


def is_number_name(name: str) -> bool:
    """Whether a column is named as one that numbers images, patients or classes."""
    return re.search(r"(^|_)(id|idx|index|no|uid|uuid|hash)$", plain(name)) is not None


def is_split_or_fold(name: str) -> bool:
    """Whether a column is named as one of splits, which is never a class."""
    return plain(name) in (*SPLIT_COLUMNS, *FOLD_COLUMNS, *FLAGS)


def find_label(columns: Mapping[str, Values], classes: Collection[str], choice: ColumnChoice) -> tuple[str, list[str]]:
    """The column of classes, "" for none, and those that could be it as well."""
    if choice.label == NONE or (choice.label_pattern and not choice.label):
        return "", []
    if choice.label:
        name = chosen(choice.label, columns, "--label-column")
        if len(columns[name].distinct) < 1:
            raise ArmoireError(f"column '{name}' is empty; choose another with --label-column")
        return name, []
    taken = _taken(choice, columns)
    free = {name: values for name, values in columns.items() if name not in taken and not is_split_or_fold(name)}
    repeated = [name for name, values in free.items() if values.repeat() and not is_number_name(name)]
    usual = [name for wanted in LABEL_COLUMNS for name in free if plain(name) == wanted]
    if usual := [name for name in usual if free[name].may_be_classes()]:
        return usual[0], list(dict.fromkeys(other for other in usual + repeated if other != usual[0]))
    numbered = [name for name in free if name in classes]
    if len(numbered) == 1:
        return numbered[0], [other for other in repeated if other != numbered[0]]
    return (repeated[0], []) if len(repeated) == 1 else ("", repeated)


def find_one_hot(columns: Mapping[str, Values], choice: ColumnChoice) -> list[str]:
    """Neighbouring columns of 0 and 1 of which each row has exactly one 1; all of them, or three or more."""
    if choice.label or choice.label_pattern or choice.attributes is not None:
        return []
    binary = [name for name, values in columns.items() if values.all_in(ONE_HOT) and not is_split_or_fold(name)]
    if not 2 <= len(binary) <= MOST_ONE_HOT:
        return []
    ones = np.stack([columns[name].signs() for name in binary])
    ones = ones[:, (ones != 0).any(axis=0)]
    if len(binary) < 3 or _is_one_hot(ones):
        return binary if _is_one_hot(ones) else []
    sums = np.concatenate([np.zeros((1, ones.shape[1]), int), np.cumsum(ones == 1, axis=0)])
    few = sums[:, :: max(1, ones.shape[1] // 200)]
    for length in range(len(binary) - 1, 2, -1):
        for start in range(len(binary) - length + 1):
            if (few[start + length] - few[start] == 1).all() and _is_one_hot(ones[start : start + length]):
                return binary[start : start + length]
    return []


def are_uncertain(columns: Mapping[str, Values]) -> bool:
    """Whether -1 means uncertain, as it does where a column has 1, 0 and -1."""
    return any({"1", "0", "-1"} <= set(values.distinct) and values.all_in(YES_OR_NO) for values in columns.values())


def _taken(choice: ColumnChoice, columns: Collection[str]) -> set[str]:
    """The columns that the user chose for one role, and that are found for no other."""
    names = [name for name in (choice.label, choice.split, *(choice.attributes or ())) if name]
    return {column for column in columns if any(same_name(column, name) for name in names)}


def _is_one_hot(ones: np.ndarray) -> bool:
    return bool(ones.shape[1] >= 2 and (ones != 0).all() and ((ones == 1).sum(axis=0) == 1).all()) and bool(
        (ones == 1).any(axis=1).sum() >= 2
    )


def _word(text: str) -> str:
    word = re.sub(r"[\W_]+", "", text.lower())
    return word if word in SPLIT_WORDS else re.sub(r"(set|split|data|images)$", "", word)


def _all_words(values: Values) -> bool:
    words = {_word(value) for value in values.distinct}
    return len(words) >= 2 and words <= SPLIT_WORDS.keys()


def _as_split(name: str, values: Values) -> Found | None:
    """The splits that a column's values mean; None where they mean none."""
    found = values.distinct
    if plain(name) in FLAGS and values.all_in(YES_OR_NO):
        yes = FLAGS[plain(name)]
        no = "test" if yes == "train" else "train"
        meaning: dict[str, str | None] = {value: yes if YES_OR_NO[value.lower()] > 0 else no for value in found}
        return Found(name, meaning, f"split from column '{name}': yes is {yes}, no is {no} (--split-column)")
    if plain(name) == "train_test_split" and set(found) <= {"0", "1"}:
        return Found(name, {"1": "train", "0": "test"}, f"split from column '{name}': 1 is train, 0 is test")
    words = {value: SPLIT_WORDS.get(_word(value)) for value in found}
    if any(words.values()):
        # Whoever calls some images those of training holds out the others.
        words |= {value: "test" for value in found if words[value] is None and set(words.values()) == {"train", None}}
        return Found(name, words, _of_words(name, words))
    for numbers in SPLIT_NUMBERS:
        first = next(iter(numbers))
        if len(found) >= 2 and set(found) <= numbers.keys() and _commonest(values) == first:
            told = ", ".join(f"{number} is {numbers[number]}" for number in sorted(found))
            return Found(name, {**numbers}, f"split from column '{name}': {told} (--split-column)")
    return None


def _of_words(name: str, words: Mapping[str, str | None]) -> str:
    unknown = [value for value, split in words.items() if split is None]
    held = [f"'{value}' is {words[value]}" for value in words if words[value] and not _is_plain(value)]
    remarks = ", ".join(held)
    if unknown:
        remarks += (
            f"{'; ' if held else ''}{', '.join(map(repr, unknown[:3]))} is none of train, valid and test: by content"
        )
    return f"split from column '{name}': {remarks} (--split-column)" if remarks else ""


def _is_plain(value: str) -> bool:
    word = _word(value)
    return word in SPLIT_WORDS and word not in HELD_OUT


def _commonest(values: Values) -> str:
    texts: Sequence[str | None] = values.values
    counts: dict[str, int] = {}
    for text, count in zip([*texts, None], np.bincount(values.indices, minlength=len(texts) + 1), strict=True):
        if text is not None:
            counts[text] = counts.get(text, 0) + int(count)
    return max(counts, key=lambda text: counts[text], default="")
