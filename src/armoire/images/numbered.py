"""Text files of numbers and values, where one of them gives each image its number, as those of CUB-200 do.

images.txt                1 001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg
image_class_labels.txt    1 1
classes.txt               1 001.Black_footed_Albatross
train_test_split.txt      1 0
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from armoire.images.name_column import Named
from armoire.images.text_table import TextTable

if TYPE_CHECKING:
    import pyarrow as pa


def join_numbered(
    named: Mapping[str, tuple[Named, bool]], others: Mapping[str, TextTable]
) -> tuple[dict[str, pa.Table], dict[str, tuple[str, ...]]]:
    """The values of the images by file, one column each, and the class names of columns of classes in their order.

    Args:
        named: tables whose rows name images, and whether they have no header.
        others: the other tables.
    """
    import pyarrow as pa

    numbers = next((found for table, bare in named.values() if bare and (found := _numbers(table)) is not None), None)
    values = {name: pairs for name, text in others.items() if (pairs := _pairs(text)) is not None}
    joined: dict[str, pa.Table] = {}
    classes: dict[str, tuple[str, ...]] = {}
    known = set() if numbers is None else set(filter(None, numbers))
    if not known:
        return joined, classes
    for file, pairs in values.items():
        if known <= pairs.keys():
            column = PurePosixPath(file).stem
            cells = [pairs[number] if number else None for number in numbers or ()]
            if "class" in column and (names := _class_names(values, set(filter(None, cells)), file)):
                classes[column] = tuple(dict.fromkeys(names.values()))
                cells = [names[cell] if cell else None for cell in cells]
            joined[file] = pa.table({column: pa.array(cells, pa.string())})
    used = [file for file in values if file not in joined and any(_is_names(file) for _ in classes)]
    empty = pa.table({"": pa.nulls(len(numbers or ()))}).select([])
    return joined | dict.fromkeys(used, empty), classes


def _numbers(table: Named) -> list[str | None] | None:
    """The number of each image, where the only other column holds distinct numbers."""
    if table.table.num_columns != 1:
        return None
    cells = table.table.column(0).to_pylist()
    if not all(isinstance(cell, str) and cell.isdecimal() for cell in cells) or len(set(cells)) < len(cells):
        return None
    return [cells[row] if row >= 0 else None for row in np.asarray(table.rows).tolist()]


def _pairs(text: TextTable) -> dict[str, str] | None:
    """The values by their numbers, where a table has two columns and the first holds distinct numbers."""
    bare = text.without_header()
    if bare.table.num_columns != 2:
        return None
    keys, values = (column.to_pylist() for column in bare.table.columns)
    pairs = {key: value for key, value in zip(keys, values, strict=True) if key and value}
    return pairs if len(pairs) == len(keys) and all(key.isdecimal() for key in pairs) else None


def _class_names(values: Mapping[str, dict[str, str]], wanted: set[str], file: str) -> dict[str, str] | None:
    """The names of class numbers, from the table next to `file` that is called classes."""
    folder = PurePosixPath(file).parent
    return next(
        (
            pairs
            for name, pairs in values.items()
            if _is_names(name) and PurePosixPath(name).parent == folder and wanted <= pairs.keys()
        ),
        None,
    )


def _is_names(file: str) -> bool:
    return PurePosixPath(file).stem.lower() in ("classes", "class_names", "labels")
