"""Text files of numbers and values, where one of them gives each image its number, as those of CUB-200 do.

images.txt                1 001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg
image_class_labels.txt    1 1
classes.txt               1 001.Black_footed_Albatross
train_test_split.txt      1 0
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from armoire.images.name_column import Named
from armoire.images.text_table import TextTable

if TYPE_CHECKING:
    import pyarrow as pa

CLASS_FILES = ("classes", "class_names", "labels")


def join_numbered(
    lists: Iterable[Named], others: Mapping[str, TextTable]
) -> tuple[dict[str, pa.Table], dict[str, tuple[str, ...]]]:
    """The values of the images by file, one column each, and the class names of columns of classes in their order.

    `lists` are tables without a header whose rows name images, `others` tables that do not.
    """
    import pyarrow as pa

    numbers = next((found for named in lists if (found := _numbers(named)) is not None), None)
    if numbers is None:
        return {}, {}
    values = {name: pairs for name, text in others.items() if (pairs := _pairs(text)) is not None}
    joined: dict[str, pa.Table] = {}
    classes: dict[str, tuple[str, ...]] = {}
    for file, pairs in values.items():
        if not set(filter(None, numbers)) <= pairs.keys():
            continue
        column, cells = PurePosixPath(file).stem, [pairs[number] if number else None for number in numbers]
        for other, names in values.items():  # in the same folder, the names of the classes by number
            is_next = PurePosixPath(other).parent == PurePosixPath(file).parent
            if is_next and _is_classes(other) and "class" in column and set(filter(None, cells)) <= names.keys():
                classes[column] = tuple(dict.fromkeys(names.values()))
                cells = [names[cell] if cell else None for cell in cells]
                joined[other] = pa.table({})
                break
        joined[file] = pa.table({column: pa.array(cells, pa.string())})
    return joined, classes


def _numbers(named: Named) -> list[str | None] | None:
    """The number of each image, where the only other column holds distinct numbers; None elsewhere."""
    table = named.table()
    cells = table.column(0).to_pylist() if table.num_columns == 1 else []
    known = [cell for cell in cells if cell is not None]
    return cells if known and all(map(str.isdecimal, known)) and len(set(known)) == len(known) else None


def _pairs(text: TextTable) -> dict[str, str] | None:
    """The values by their numbers, where a table has two columns and the first holds distinct numbers."""
    bare = text.without_header().table
    pairs = dict(zip(*(column.to_pylist() for column in bare.columns), strict=True)) if bare.num_columns == 2 else {}
    fits = 0 < len(pairs) == len(bare) and all(key and key.isdecimal() and value for key, value in pairs.items())
    return pairs if fits else None


def _is_classes(file: str) -> bool:
    return PurePosixPath(file).stem.lower() in CLASS_FILES
