"""The table with one row per image that image sets and their latents have: id, split, label and attributes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Int, Int8

from armoire.errors import ArmoireError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

SPLITS = ("train", "valid", "test")
#: Names of columns, in tables of images and of latents, that are not attributes.
RESERVED = re.compile(r"id|split|label|(mean|log_var)_\d+")


class Rows:
    """What is known about each of n images.

    Attributes:
        table: id (string), split (train, valid or test), label (int32, null where unknown), and one nullable boolean
            column per attribute.
    """

    table: pa.Table

    @cached_property
    def ids(self) -> list[str]:
        return self.table["id"].to_pylist()

    @cached_property
    def labels(self) -> Int[np.ndarray, " n"]:
        """Class number of each image, -1 where unknown."""
        return self.table["label"].fill_null(-1).to_numpy().astype(np.int64)

    @cached_property
    def split_of(self) -> np.ndarray:
        return np.asarray(self.table["split"].to_pylist(), dtype=object)

    @property
    def splits(self) -> dict[str, int]:
        """Number of images in each split that is not empty."""
        return {name: n for name in SPLITS if (n := int((self.split_of == name).sum()))}

    def is_of(self, split: str, where: str = "the latents") -> Bool[np.ndarray, " n"]:
        """Which rows belong to a split; an error, which says `where`, if none does."""
        rows = self.split_of == split
        if not rows.any():
            raise ArmoireError(f"no split '{split}' in {where}; {did_you_mean(split, self.splits)}")
        return rows

    @property
    def attributes(self) -> list[str]:
        """Names of the attributes known for at least one image."""
        return [name for name in self.table.column_names if not RESERVED.fullmatch(name)]

    def attribute(self, name: str, where: str = "the latents") -> Int8[np.ndarray, " n"]:
        """One attribute of each image: 1 yes, -1 no, 0 unknown; an error, which says `where`, if there is none."""
        if name not in self.attributes:
            raise ArmoireError(f"no column '{name}' in {where}; {did_you_mean(name, self.attributes)}")
        values = self.table[name].cast("int8").fill_null(-1).to_numpy()  # 1 yes, 0 no, -1 unknown
        return np.array([-1, 1, 0], np.int8)[values]

    def has_label(self, name: str, classes: Sequence[str]) -> Int8[np.ndarray, " n"]:
        """Whether each image has an attribute, or is of one of the classes: 1 yes, -1 no, 0 unknown."""
        if name in self.attributes:
            return self.attribute(name)
        if name not in classes:
            known = did_you_mean(name, [*classes, *self.attributes])
            raise ArmoireError(f"no class or attribute '{name}' in the training data; {known}")
        labels = self.labels
        return np.where(labels < 0, 0, np.where(labels == list(classes).index(name), 1, -1)).astype(np.int8)
