"""Tables next to image files: CSV, TSV, JSON and text with one row per image and a column that names its file.

A file is named by its path, the end of its path, its file name alone, or its name without ending, where that is
unambiguous. `metadata.csv` and `metadata.jsonl` of Hugging Face's imagefolder are such tables. A text file of numbers
and values is one where another gives each image its number, as those of CUB-200 do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
from pyarrow.compute import call_function

from armoire.images.column_roles import FREE, ColumnChoice, Role, chosen
from armoire.images.column_values import MOST_CLASSES
from armoire.images.columns import Columns, enumerate_names, read_columns
from armoire.images.image_names import ImageNames
from armoire.images.layout import held_out_or_none
from armoire.images.listing import FileListing
from armoire.images.name_column import Named, find_named, why_none
from armoire.images.sidecar_files import folder_of, is_certainly_table, read_table, table_names
from armoire.images.split_words import split_word
from armoire.images.text_table import TextTable
from armoire.io.files import sha256

TEMPLATE = re.compile(r"submission|template|example|placeholder|dummy", re.IGNORECASE)
CLASS_FILES = ("classes", "class_names", "labels")
Note = Callable[[str], None]


def digest_with_tables(listing: FileListing) -> str:
    """A digest that changes when an image, or a table next to the images, is added, removed or rewritten."""
    stamps = [f"{name}\0{listing.sidecars[name]}\0".encode() for name in table_names(listing)]
    return sha256(listing.digest.encode(), *stamps) if stamps else listing.digest


def read_sidecars(listing: FileListing, note: Note, choice: ColumnChoice = FREE) -> tuple[Columns, tuple[str, ...]]:
    """The columns of all tables next to the images, and the names of the tables that could be used."""
    files = table_names(listing)
    names = ImageNames(listing.names if files else (), listing.root_name)
    texts = {name: text for name in files if (text := read_table(listing, name, names, note)) is not None}
    found = {column for text in texts.values() for column in text.table.column_names}
    if choice.name and not choice.name.startswith("column "):
        chosen(choice.name, found, "--name-column")
    found = {name: named for name, text in texts.items() if (named := _find(text, names, name, choice)) is not None}
    ranked = sorted(found, key=lambda name: (-int((found[name].rows >= 0).sum()), name))
    used = {name: found[name] for name in ranked if not _is_template(name, found[name])}
    for name in found.keys() - used.keys():
        note(f"{name} is ignored: by its name its values are placeholders, no labels; rename it to use it")
    for name, named in used.items():
        _report(name, named, note)
    others = {name: text for name, text in texts.items() if name not in found}
    joined, classes = _join_numbered((named for named in used.values() if not named.text.has_header), others)
    for name in others.keys() - joined.keys():
        reason = why_none(others[name], names, folder_of(name))
        if is_certainly_table(name) or "may be" in reason:
            note(f"{name} is ignored: {reason}")
    tables = {name: named.table() for name, named in used.items()} | joined
    columns = _with_names(_read_all(tables, len(listing.names), choice, note), used, choice)
    return replace(columns, classes=classes.get(columns.label_column, columns.classes)), tuple(tables)


def _find(text: TextTable, names: ImageNames, name: str, choice: ColumnChoice) -> Named | None:
    """The rows of the images; of several with one name, those in folders of the split in the table's name."""
    named = find_named(text, names, folder_of(name), choice)
    split = _split_of(name)
    if not split or (named is not None and not named.ambiguous):
        return named
    inside = [i for i, path in enumerate(names.names) if split in map(split_word, path.split("/")[:-1])]
    again = find_named(text, ImageNames([names.names[i] for i in inside]), folder_of(name), choice)
    if again is None or (named is not None and len(again.ambiguous) >= len(named.ambiguous)):
        return named
    rows = np.full(len(names.names), -1)
    rows[inside] = again.rows
    return replace(again, rows=rows, repeated=[(row, inside[image]) for row, image in again.repeated])


def _split_of(name: str) -> str | None:
    """The split in a file's name, such as train_labels.csv."""
    return split_word(PurePosixPath(name).stem)


def _is_template(name: str, named: Named) -> bool:
    """Whether the values are placeholders: of a submission, or one value under a name such as template."""
    stem = PurePosixPath(name).stem
    constant = all(len(column.unique()) <= 1 for column in named.text.table.drop_columns([named.column]).columns)
    return "submission" in stem.lower() or (TEMPLATE.search(stem) is not None and constant)


def _report(name: str, named: Named, note: Note) -> None:
    """Notes on the rows of a table that could not be used."""
    if named.text.bad:
        (line, reason), more = named.text.bad[0], len(named.text.bad) - 1
        note(f"{name}: line {line} {reason} and is left out{f'; so are {more:,} more' if more else ''}")
    if not named.text.has_header:
        note(f"{name} has no header: '{named.example}' in its '{named.column}' names an image (--name-column)")
    elif named.remark:
        note(f"{name}: {named.remark}")
    for cells, what in (
        (named.unmatched, "name no image"),
        (named.ambiguous, "may name several images and are left out; write their folders too"),
    ):
        if cells:
            note(f"{name}: {len(cells):,} rows {what}, for example '{cells[0]}'")
    if named.repeated:
        differ = f"; they differ in {enumerate_names(differing)}" if (differing := named.differing()) else ""
        rows = f"{len(named.repeated):,} rows name an image that an earlier row names"
        note(f"{name}: {rows}, which counts{differ}")
    if PurePosixPath(name).stem.lower().startswith(("list_attr_celeba", "list_eval_partition")):
        note(f"{name} is CelebA's; celeba:PATH reads its folder or zip as CelebA's authors divide and name it")


def _read_all(tables: Mapping[str, pa.Table], n: int, choice: ColumnChoice, note: Note) -> Columns:
    """The columns of all tables, each with the file that it is from."""
    origins = {column: name for name, table in [*tables.items()][::-1] for column in table.column_names}
    table = _coalesce(tables, note)
    columns = read_columns(table, {}, n, _of_list(table, choice))
    return replace(columns, roles=tuple(replace(role, table=origins[role.column]) for role in columns.roles))


def _of_list(table: pa.Table, choice: ColumnChoice) -> ColumnChoice:
    """The choice; where there is but a list of names and one value each, the value is the class."""
    if choice.label or choice.attributes is not None or table.num_columns != 1:
        return choice
    (name,), values = table.column_names, table.column(0).drop_null()
    repeats = len(values.unique()) <= min(MOST_CLASSES, len(values) // 2)
    return replace(choice, label=name) if repeats and re.fullmatch(r"column \d+", name) else choice


def _with_names(columns: Columns, used: Mapping[str, Named], choice: ColumnChoice) -> Columns:
    """The columns with the roles of those that name images, and with splits by the tables' file names."""
    roles = tuple(Role(named.column, "name", named.example, file) for file, named in used.items())
    columns = replace(columns, roles=(*roles, *columns.roles))
    stating = {file: split for file in used if (split := _split_of(file))}
    if any(columns.splits) or choice.split or len(set(stating.values())) < 2:
        return columns
    splits = np.full(len(columns.labels), None, object)
    for file, split in reversed([*stating.items()]):
        splits[used[file].rows >= 0] = split
    names = enumerate_names([PurePosixPath(file).name for file in stating])
    note = f"split from the names of {names} (--split-column none)"
    return replace(columns, splits=held_out_or_none(splits.tolist()), notes=(*columns.notes, note))


def _join_numbered(
    lists: Iterable[Named], others: Mapping[str, TextTable]
) -> tuple[dict[str, pa.Table], dict[str, tuple[str, ...]]]:
    """The values of the images by file, one column each, and the class names of columns of classes in their order.

    `lists` are tables without a header whose rows name images, `others` tables that do not, as CUB-200 has them:

    images.txt                1 001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg
    image_class_labels.txt    1 1
    classes.txt               1 001.Black_footed_Albatross
    train_test_split.txt      1 0
    """
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


def _coalesce(tables: Mapping[str, pa.Table], note: Note) -> pa.Table:
    """All columns; where several tables have one, the first non-null value counts, and a note says if they differ."""
    columns: dict[str, pa.ChunkedArray] = {}
    files: dict[str, str] = {}
    for name, column, file in (
        (name, table[name], file) for file, table in tables.items() for name in table.column_names
    ):
        first, first_file = columns.setdefault(name, column), files.setdefault(name, file)
        if first_file == file:
            continue
        if first.type != column.type:
            first, column = first.cast(pa.string()), column.cast(pa.string())
        if differ := call_function("sum", [call_function("not_equal", [first, column])]).as_py():
            what = f"differ in '{name}' of {differ:,} images"
            note(f"{first_file} and {file} {what}; {first_file} counts, so remove the wrong one")
        columns[name] = call_function("coalesce", [first, column])
    return pa.table(columns)
