"""The rows of a table that is text: CSV, TSV, JSON lines, JSON, and fields between blanks.

A row that does not fit is left out and reported with its line number; it costs no other row.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import dropwhile, islice
from typing import TYPE_CHECKING, Any

from armoire.images.column_values import NUMBER, normal_text

if TYPE_CHECKING:
    import pyarrow as pa

DELIMITERS = (",", ";", "\t", "|")
BLANKS = ""
REGULAR = 0.9  # part of the records that have the same number of cells
HEAD = 50  # records by which the form of a table is found; lines that a quoted cell may span
BATCH = 10_000  # rows converted at once, so that a wide table fits into memory
csv.field_size_limit(1 << 24)

Row = tuple[int, list[str]]


@dataclass(frozen=True)
class TextTable:
    """The rows of a text."""

    table: pa.Table  # columns of text, or of values in JSON
    has_header: bool = True  # whether the first row names the columns; else they are called `column 1` and so on
    header: tuple[str, ...] = ()  # the cells of the first row
    bad: tuple[tuple[int, str], ...] = ()  # line number and reason of each row that is left out
    renamed: tuple[str, ...] = ()  # columns whose names were missing or used twice

    def without_header(self) -> TextTable:
        """The same table where its header is a row."""
        import pyarrow as pa

        names = [f"column {i + 1}" for i in range(self.table.num_columns)]
        cells = [*self.header, *[""] * (len(names) - len(self.header))]
        first = pa.table([pa.array([cell], pa.string()) for cell in cells], names)
        tables = [first, self.table.rename_columns(names)]
        return replace(self, table=pa.concat_tables(tables), has_header=False, renamed=())


def lines_of(text: str) -> list[str]:
    """Lines, whatever their ends; other separators of Unicode do not end a line of a table."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def rows_of(lines: Sequence[str], delimiter: str, splits: int = -1) -> Iterator[Row]:
    """Line number and stripped cells of every record; a quote without an end is a character."""
    position = 0
    while position < len(lines):
        number, cells, used = position + 1, lines[position].split(delimiter or None, splits), 1
        if '"' in lines[position] and delimiter != BLANKS:
            record = (f"{line}\n" for line in lines[position : position + HEAD])
            reader = csv.reader(record, delimiter=delimiter, skipinitialspace=True, strict=True)
            try:
                cells = next(reader)
                used = reader.line_num
            except csv.Error:
                pass
        if lines[position].strip():
            yield number, [cell.strip() for cell in cells]
        position += used


def read_delimited(text: str, *, blanks: bool = False, lost: str = "") -> TextTable:
    """A table whose cells are separated; its first row is taken for a header. ValueError where there is no row.

    With `blanks`, blanks separate cells where nothing else does; `lost` stands for unreadable bytes, and costs its row.
    """
    lines = lines_of(text)
    if stated := re.fullmatch(r'"?sep=(.)"?\s*', lines[0], re.IGNORECASE):  # Excel's own line
        lines[0] = ""
    delimiter = stated[1] if stated else _delimiter(lines, blanks)
    head, splits = _head(lines, delimiter), -1
    if delimiter == BLANKS and _are_pairs(head):
        splits = 1
        head = _head(lines, delimiter, splits)
    if not head:
        raise ValueError("it has no rows")
    usual = _commonest(len(_trimmed(cells)) for _, cells in head[1:] or head)
    rows = (row for row in rows_of(lines, delimiter, splits) if row[0] >= head[0][0])
    header = _header(next(rows)[1], usual)
    names, renamed = _names(header, max(usual, len(header)))
    bad: list[tuple[int, str]] = []
    table = _columns(_fitted(rows, len(names), usual, lost, bad), names)
    return TextTable(table, True, tuple(header), tuple(bad), tuple(renamed))


def _delimiter(lines: Sequence[str], blanks: bool) -> str:
    """The delimiter in the first record that gives the most records the same number of cells."""
    found: dict[str, tuple[bool, float, int]] = {}
    for delimiter in DELIMITERS:
        widths = [len(cells) for _, cells in islice(rows_of(lines, delimiter), HEAD)]
        width = _commonest(width for width in widths if width > 1)
        regular = round(widths.count(width) / max(1, len(widths)), 1)
        found[delimiter] = widths[:1] > [1], regular, width
    best = max(DELIMITERS, key=lambda delimiter: found[delimiter])
    return BLANKS if blanks and found[best][1] < REGULAR else best


def _head(lines: Sequence[str], delimiter: str, splits: int = -1) -> list[Row]:
    """The first records without a title, a count of the rows, and comments."""
    head = list(islice(rows_of(lines, delimiter, splits), HEAD))
    width = _commonest(len(cells) for _, cells in head)
    several = sum(cells[0].startswith("#") for _, cells in head) > 1

    def is_remark(row: Row) -> bool:
        cells = row[1]
        is_title = len(_trimmed(cells)) == 1 < width and (width > 2 or cells[0].isdigit())
        return is_title or (cells[0].startswith("#") and (several or len(cells) != width))

    return list(dropwhile(is_remark, head))


def _are_pairs(head: Sequence[Row]) -> bool:
    """Whether rows between blanks are a name or number each, and a value with blanks."""
    widths = Counter(len(cells) for _, cells in head[1:] or head)
    numbered = all(cells[0].isdecimal() for _, cells in head)
    words = any(not NUMBER.fullmatch(cell) for _, cells in head for cell in cells[1:])
    return max(widths.values(), default=0) < REGULAR * widths.total() or (numbered and words)


def _commonest(widths: Iterable[int]) -> int:
    counts = Counter(widths)
    return max(counts, key=lambda width: (counts[width], width), default=0)


def _trimmed(cells: list[str]) -> list[str]:
    """Cells without the empty ones at the end."""
    return cells[: max((i + 1 for i, cell in enumerate(cells) if cell), default=1)]


def _header(cells: list[str], usual: int) -> list[str]:
    """The names of the columns; where there is one less than values, the first column has none."""
    cells = _trimmed(cells)
    cells = [cells[0].lstrip("# "), *cells[1:]]
    return ["", *cells] if len(cells) == usual - 1 else cells


def _names(header: Sequence[str], width: int) -> tuple[list[str], list[str]]:
    """Distinct names of the columns, and those that the header does not have."""
    names: list[str] = []
    wanted = [*map(normal_text, header), *[""] * (width - len(header))]
    for i, name in enumerate(wanted):
        others = (f"{name} ({times})" for times in range(2, width + 2))
        names.append(next(n for n in (name or f"column {i + 1}", *others) if n not in names))
    return names, [name for name, own in zip(names, wanted, strict=True) if name != own]


def _fitted(rows: Iterator[Row], width: int, usual: int, lost: str, bad: list[tuple[int, str]]) -> Iterator[list[str]]:
    """The cells of the rows, filled up; rows with more or less than others are added to `bad` instead."""
    for number, cells in rows:
        own = cells if len(cells) in (width, usual) else _trimmed(cells)
        if lost and any(lost in cell for cell in cells):
            bad.append((number, "is not UTF-8"))
        elif not min(width, usual) <= len(own) <= width:
            bad.append((number, f"has {len(own)} values instead of {width}"))
        else:
            yield own + [""] * (width - len(own))


def _columns(rows: Iterator[list[str]], names: Sequence[str]) -> pa.Table:
    import pyarrow as pa

    batches = []
    schema = pa.schema([(name, pa.string()) for name in names])
    while batch := list(islice(rows, BATCH)):
        arrays = [pa.array(column, pa.string()) for column in zip(*batch, strict=True)]
        batches.append(pa.record_batch(arrays, schema))
    return pa.Table.from_batches(batches, schema)


def read_json(text: str, *, lines: bool, lost: str = "") -> TextTable:
    """JSON lines, or one JSON array of objects or object of scalars by name; ValueError for anything else."""
    if not lines:
        return TextTable(table_of_objects(_objects(json.loads(text))))
    rows: list[dict[str, Any]] = []
    bad: list[tuple[int, str]] = []
    for number, line in enumerate(lines_of(text), 1):
        try:
            if lost and lost in line:
                raise ValueError("not UTF-8")
            rows += _objects([json.loads(line)]) if line.strip() else []
        except (ValueError, RecursionError) as error:
            bad.append((number, f"is no JSON object ({error})"))
    if not rows:
        raise ValueError("it has no objects")
    return TextTable(table_of_objects(rows), bad=tuple(bad))


def _objects(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, list) and content and all(isinstance(row, dict) for row in content):
        return content
    if isinstance(content, dict) and content:
        if all(isinstance(value, dict) for value in content.values()):
            return [{"file_name": name, **value} for name, value in content.items()]
        if all(isinstance(value, (str, int, float, bool, type(None))) for value in content.values()):
            return [{"file_name": name, "label": value} for name, value in content.items()]
    raise ValueError("it has no objects, one for each image")


def table_of_objects(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The scalars of objects, and of objects in them, as columns; a column of several types is text."""
    import pyarrow as pa

    cells: dict[str, list[Any]] = {}
    for i, row in enumerate(rows):
        nested = [(name, v) for value in row.values() if isinstance(value, dict) for name, v in value.items()]
        for name, value in [*row.items(), *nested]:
            if isinstance(value, (str, int, float, bool)):
                column = cells.setdefault(normal_text(name), [None] * len(rows))
                column[i] = value if column[i] is None else column[i]
    return pa.table({name: _array(values) for name, values in cells.items()})


def _array(values: list[Any]) -> pa.Array:
    import pyarrow as pa

    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, UnicodeError):
        texts = (None if value is None else str(value).encode("utf-8", "backslashreplace").decode() for value in values)
        return pa.array(texts, pa.string())
