"""The usual words for splits, in cells, file names and folders."""

from __future__ import annotations

import re

HELD_OUT = ("heldout", "holdout", "eval", "evaluation", "evaluate", "privatetest", "tst")
SPLIT_WORDS = {
    word: split
    for split, words in {
        "train": ("train", "training", "trainval", "trainvalid", "trn", "tr", "learn", "learning"),
        "valid": ("val", "valid", "validation", "validate", "dev", "devel", "development", "publictest"),
        "test": ("test", "testing", *HELD_OUT),
    }.items()
    for word in words
}
SUFFIX = re.compile(r"(set|split|data|images?|imgs?)$")


def cell_word(text: str) -> str:
    """The one word that a cell is, a key of `SPLIT_WORDS` where it states a split: `Train set`, `private_test`."""
    return _base(re.sub(r"[\W_]+", "", text.lower()))


def split_word(name: str) -> str | None:
    """The split that a name states by exactly one of its words: `train`, `seg_test`, `ISIC_2019_Training_Input`."""
    words = map(_base, re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()))
    found = {SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS}
    return found.pop() if len(found) == 1 else None


def _base(word: str) -> str:
    return word if word in SPLIT_WORDS else SUFFIX.sub("", word)
