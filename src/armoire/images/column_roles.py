"""What the user chose and what armoire found: which columns of a table state the split, the class and attributes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from armoire.errors import ArmoireError, did_you_mean
from armoire.images.column_values import YES_OR_NO, Values
from armoire.images.rows import RESERVED
from armoire.images.split_words import HELD_OUT, SPLIT_WORDS, cell_word

RoleName = Literal["name", "image", "label", "split", "attribute", "ignored"]
NONE = "none"
COLUMN_SETTINGS = ("name_column", "image_column", "label_column", "split_column", "attributes", "label_pattern")
SPLIT_COLUMNS = (
    "split", "partition", "subset", "set", "usage", "phase", "data_split", "split_name", "train_test_split",
)  # fmt: skip
FOLD_COLUMNS = ("fold", "folds", "kfold", "k_fold", "cv_fold")
LABEL_COLUMNS = (
    "label", "labels", "class", "class_name", "classname", "class_label", "category", "category_name", "target",
    "image_class_labels", "diagnosis", "dx",
)  # fmt: skip
#: Numbers of splits, if the first is the commonest: CelebA's, and those that begin with 1.
SPLIT_NUMBERS = (
    {"0": "train", "1": "test"},
    {"0": "train", "1": "valid", "2": "test"},
    {"1": "train", "2": "valid", "3": "test"},
)
FLAGS = {
    "is_train": "train", "is_training": "train", "train_test_split": "train",
    "is_valid": "valid", "is_val": "valid", "is_test": "test",
}  # fmt: skip
ONE_HOT = ("0", "1", "true", "false")
#: The note on a class that is guessed.
GUESSED = "'{}' is the only column of words that repeat (--label-column)"


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
    """What a column was taken for, its first value, the file that it is in where there are several, and why."""

    column: str
    role: RoleName
    example: str = ""
    table: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Found:
    """The columns of a role, those that could have it too, the meaning of their values, and a remark for people."""

    columns: Sequence[str] = ()
    others: Sequence[str] = ()
    meaning: Mapping[str, str | None] = field(default_factory=dict)
    note: str = ""
    is_guess: bool = False  # rather than by a usual name
    has_unknown: bool = False  # whether -1 is an unknown value, not no


def plain(name: str) -> str:
    """A column's name for comparison: lower case, words joined by underscores."""
    return re.sub(r"[\W_]+", "_", name.strip().lower()).strip("_")


def same_name(one: str, other: str) -> bool:
    """Whether two names differ in case or in the composition of letters alone."""
    return unicodedata.normalize("NFC", one).casefold() == unicodedata.normalize("NFC", other).casefold()


def chosen(name: str, columns: Collection[str], flag: str) -> str:
    """The column that a user named; case may differ where that is unambiguous."""
    similar = [name] if name in columns else [column for column in columns if same_name(column, name)]
    if len(similar) == 1:
        return similar[0]
    raise ArmoireError(f"no column '{name}' for {flag}; {did_you_mean(name, columns)}")


def enumerate_names(names: Iterable[str], most: int = 8) -> str:
    """Names for people, the first few of many."""
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def is_number_name(name: str) -> bool:
    """Whether a column is named as one that numbers images, patients or classes."""
    return re.search(r"(^|_)(id|idx|index|no|uid|uuid|hash)$", plain(name)) is not None


def is_split_or_fold(name: str) -> bool:
    """Whether a column is named as one of splits, which is never a class."""
    return plain(name) in (*SPLIT_COLUMNS, *FOLD_COLUMNS, *FLAGS)


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
    free = _not_chosen(columns, choice)
    usual = [name for wanted in (*SPLIT_COLUMNS, *FLAGS) for name in free if plain(name) == wanted]
    other = [name for name in free if plain(name) not in LABEL_COLUMNS and _states_splits(free[name])]
    return next((found for name in usual + other if (found := _as_split(name, free[name]))), Found())


def find_class(columns: Mapping[str, Values], classes: Collection[str], choice: ColumnChoice) -> Found:
    """The columns of the class, one or several of 0 and 1; `classes` are columns whose class names are known."""
    if choice.label == NONE or (choice.label_pattern and not choice.label):
        return Found()
    if choice.label:
        name = chosen(choice.label, columns, "--label-column")
        if not columns[name].distinct:
            raise ArmoireError(f"column '{name}' is empty; choose another with --label-column")
        return Found([name])
    free = {name: values for name, values in _not_chosen(columns, choice).items() if not is_split_or_fold(name)}
    usual = [n for wanted in LABEL_COLUMNS for n in free if plain(n) == wanted and free[n].may_be_classes()]
    numbered = [name for name in free if name in classes]
    repeated = [name for name, values in free.items() if values.repeat() and not is_number_name(name)]
    if certain := usual[:1] or (numbered if len(numbered) == 1 else []):
        others = [name for name in dict.fromkeys(usual + repeated) if name not in certain]
        note = f"the class could also be {enumerate_names(others)} (--label-column)" * bool(others)
        return Found(certain, others, note=note)
    if one_hot := _one_hot(free) if choice.attributes is None else []:
        note = "each row has a 1 in one of them (--label-column none for attributes)"
        return Found(one_hot, repeated, note=note)
    if len(repeated) == 1:
        return Found(repeated, note=GUESSED.format(repeated[0]), is_guess=True)
    words = {"label", "class", "category", "target"}
    named = [n for n, values in free.items() if words & set(plain(n).split("_")) and values.may_be_classes()]
    numbers = [n for n, values in free.items() if values.are_few_numbers() and not is_number_name(n)]
    possible = repeated or named or numbers
    note = f"no column is taken for the class; it could be {enumerate_names(possible)} (--label-column)"
    return Found((), possible, note=note * bool(possible))


def find_attributes(columns: Mapping[str, Values], choice: ColumnChoice) -> Found:
    """The binary columns; where one of them has 1, 0 and -1, -1 is unknown in all."""
    if choice.attributes is None:
        binary = [name for name, values in columns.items() if name and values.all_in(YES_OR_NO)]
        names = [n for n in binary if not (is_split_or_fold(n) or is_number_name(n) or RESERVED.fullmatch(n))]
    else:
        names = [chosen(name, columns, "--attributes") for name in choice.attributes]
    for name in names:
        if RESERVED.fullmatch(name):
            raise ArmoireError(f"'{name}' cannot be the name of an attribute; rename the column")
        if not columns[name].all_in(YES_OR_NO):
            other = next((value for value in columns[name].distinct if value.lower() not in YES_OR_NO), "nothing")
            raise ArmoireError(
                f"column '{name}' holds '{other}', not only yes and no or 1 and 0; leave it out of --attributes"
            )
    if not any({"1", "0", "-1"} <= set(columns[name].distinct) for name in names):
        return Found(names)
    uncertain = enumerate_names(name for name in names if "-1" in columns[name].distinct)
    return Found(names, note=f"-1 in {uncertain} is taken for unknown, since 0 is no", has_unknown=True)


def _one_hot(columns: Mapping[str, Values]) -> list[str]:
    """The columns of 0 and 1, where each row that has a value has exactly one 1; else none."""
    names = [name for name, values in columns.items() if values.all_in(ONE_HOT)]
    if len(names) < 2:
        return []
    signs = np.stack([columns[name].signs() for name in names])
    signs = signs[:, (signs != 0).any(axis=0)]
    fits = signs.all() and ((signs == 1).sum(axis=0) == 1).all() and (signs == 1).any(axis=1).sum() >= 2
    return names if fits else []


def _not_chosen(columns: Mapping[str, Values], choice: ColumnChoice) -> dict[str, Values]:
    """The columns that the user chose for no role."""
    names = [name for name in (choice.label, choice.split, *(choice.attributes or ())) if name]
    return {c: values for c, values in columns.items() if not any(same_name(c, name) for name in names)}


def _states_splits(values: Values) -> bool:
    words = {cell_word(value) for value in values.distinct}
    return len(words) >= 2 and words <= SPLIT_WORDS.keys()


def _as_split(name: str, values: Values) -> Found | None:
    """The splits that a column's values mean; None where they mean none."""
    words = {value: SPLIT_WORDS.get(cell_word(value)) for value in values.distinct}
    if plain(name) in FLAGS and values.all_in(YES_OR_NO):
        yes = FLAGS[plain(name)]
        no = "test" if yes == "train" else "train"
        words = {value: yes if YES_OR_NO[value.lower()] > 0 else no for value in words}
    elif set(words.values()) == {"train", None}:  # whoever calls some images those of training holds out the others
        words = {value: split or "test" for value, split in words.items()}
    elif not any(words.values()):
        first = max(zip(values.counts, values.distinct, strict=True), default=(0, ""))[1]
        numbers = next((n for n in SPLIT_NUMBERS if first == next(iter(n)) and words.keys() <= n.keys()), None)
        if numbers is None or len(words) < 2:
            return None
        words = {value: numbers[value] for value in sorted(words)}
    guessed = [
        (value, split) for value, split in words.items() if cell_word(value) not in SPLIT_WORDS.keys() - {*HELD_OUT}
    ]
    meanings = ", ".join(f"'{value}' is {split or 'of no split: by content'}" for value, split in guessed)
    return Found([name], (), words, f"split from column '{name}': {meanings} (--split-column)" * bool(guessed))
