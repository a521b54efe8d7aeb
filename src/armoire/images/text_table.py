"""The rows of a table that is text: CSV, TSV, JSON lines, JSON, and fields between blanks.

A row that does not fit is left out and reported with its line number; it costs no other row.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from armoire.images.column_values import NUMBER, normal_text

if TYPE_CHECKING:
    import pyarrow as pa

DELIMITERS = (",", ";", "\t", "|")
BLANKS = " "
REGULAR = 0.9  # part of the records that have the same number of cells
HEAD = 50  # records by which the form of a table is found
BATCH = 10_000  # rows converted at once, so that a wide table fits into memory
csv.field_size_limit(1 << 24)


@dataclass(frozen=True)
class TextTable:
    """The rows of a text.

    Attributes:
        table: columns of text, or of values in JSON.
        has_header: whether the first row names the columns; else they are called `column 1` and so on.
        header: the cells of the first row.
        bad: line number and reason of each row that is left out.
        renamed: columns whose names were missing or used twice.
    """

    table: pa.Table
    has_header: bool = True
    header: tuple[str, ...] = ()
    bad: tuple[tuple[int, str], ...] = ()
    renamed: tuple[str, ...] = ()

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


def records(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Line number and text of every record: a line, or the lines that a quoted cell spans."""
    position = 0
    while position < len(lines):
        stop = position + 1
        if lines[position].count('"') % 2 and re.search(r'(^|[,;\t|])\s*"[^"]*$', lines[position]):
            stop = _end_of_cell(lines, stop)
        if lines[position].strip():
            yield position + 1, "\n".join(lines[position:stop])
        position = stop


def _end_of_cell(lines: Sequence[str], start: int) -> int:
    """One after the line that closes a quoted cell; `start` where the quote is a stray one."""
    for end in range(start, min(start + HEAD, len(lines))):
        if lines[end].count('"') % 2:
            closes = re.match(r'([^"]|"")*"\s*([,;\t|]|$)', lines[end])
            return end + 1 if closes else start
    return start


def split_fields(record: str, delimiter: str) -> list[str]:
    """The stripped cells of a record; a quote without an end is a character."""
    if delimiter == BLANKS:
        return record.split()
    if '"' not in record:
        return [cell.strip() for cell in record.split(delimiter)]
    try:
        cells = next(csv.reader([record], delimiter=delimiter, skipinitialspace=True, strict=True))
    except csv.Error:
        cells = record.split(delimiter)
    return [cell.strip() for cell in cells]


def read_delimited(text: str, *, blanks: bool = False, lost: str = "") -> TextTable:
    """A table whose cells are separated; its first row is taken for a header.

    Args:
        text: the whole file.
        blanks: whether blanks separate cells where nothing else does.
        lost: a character that stands for bytes that could not be read, and costs its row.

    Raises:
        ValueError: there is no row.
    """
    lines = lines_of(text)
    first, delimiter = _start(lines, blanks)
    head = [split_fields(record, delimiter) for _, record in islice(records(lines[first:]), HEAD)]
    if not head:
        raise ValueError("it has no rows")
    counts = Counter(len(_trimmed(cells)) for cells in head[1:] or head)
    split: Callable[[str], list[str]] = partial(split_fields, delimiter=delimiter)
    if delimiter == BLANKS and (counts.most_common(1)[0][1] < REGULAR * counts.total() or _is_numbered(head)):
        split = partial(str.split, maxsplit=1)  # a name or number, and a value with blanks
        counts = Counter([2])
    usual = counts.most_common(1)[0][0]
    bad: list[tuple[int, str]] = []
    whole = (
        (number + first, record)
        for number, record in records(lines[first:])
        if _is_whole(number + first, record, lost, bad)
    )
    rows = ((number, split(record)) for number, record in whole)
    header = _header(next(rows)[1], usual)
    width = max(usual, len(header))
    names, renamed = _names(header, width)
    table = _columns(rows, names, usual, bad)
    return TextTable(table, True, tuple(header), tuple(bad), tuple(renamed))


def _is_numbered(head: Sequence[Sequence[str]]) -> bool:
    """Whether rows are a number each and words, of which blanks are a part."""
    numbered = all(cells[0].isdecimal() for cells in head)
    return numbered and any(not NUMBER.fullmatch(cell) for cells in head for cell in cells[1:])


def _start(lines: Sequence[str], blanks: bool) -> tuple[int, str]:
    """The first line of the table after comments and a title, and the delimiter."""
    if lines and (stated := re.fullmatch(r'"?sep=(.)"?\s*', lines[0], re.IGNORECASE)):
        return 1, stated[1]  # Excel's own line
    sample = [record for _, record in islice(records(lines), HEAD)]
    delimiter = max(DELIMITERS, key=lambda one: (any(one in record for record in sample[:1]), _regular(sample, one)))
    if blanks and _regular(sample, delimiter)[0] < REGULAR:
        delimiter = BLANKS
    counts = Counter(len(split_fields(record, delimiter)) for record in sample if not record.startswith("#"))
    width = counts.most_common(1)[0][0] if counts else 1
    remarks = sum(record.startswith("#") for record in sample)
    for first, line in enumerate(lines):
        cells = split_fields(line, delimiter)
        is_comment = line.startswith("#") and (len(cells) != width or remarks > 1)
        is_title = len(_trimmed(cells)) == 1 < width and (width > 2 or cells[0].isdigit())
        if line.strip() and not is_comment and not is_title:
            return first, delimiter
    return len(lines), delimiter


def _regular(sample: Sequence[str], delimiter: str) -> tuple[float, int]:
    """The part of the records with the commonest number of cells, if it is more than one, and that number."""
    counts = Counter(len(split_fields(record, delimiter)) for record in sample)
    counts.pop(1, None)
    width, times = max(counts.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
    return round(times / max(1, len(sample)), 1), width


def _trimmed(cells: list[str]) -> list[str]:
    """Cells without the empty ones at the end."""
    stop = len(cells)
    while stop > 1 and not cells[stop - 1]:
        stop -= 1
    return cells[:stop]


def _header(cells: list[str], usual: int) -> list[str]:
    """The names of the columns; where there is one less than values, the first column has none."""
    cells = _trimmed(cells)
    cells = [cells[0].lstrip("# "), *cells[1:]]
    return ["", *cells] if len(cells) == usual - 1 else cells


def _names(header: Sequence[str], width: int) -> tuple[list[str], list[str]]:
    """Distinct names of the columns, and those that the header does not have."""
    names: list[str] = []
    renamed = []
    for i in range(width):
        wanted = normal_text(header[i]) if i < len(header) else ""
        name, times = wanted or f"column {i + 1}", 1
        while name in names:
            times += 1
            name = f"{wanted} ({times})"
        names.append(name)
        renamed += [name] * (name != wanted)
    return names, renamed


def _columns(
    rows: Iterator[tuple[int, list[str]]], names: Sequence[str], usual: int, bad: list[tuple[int, str]]
) -> pa.Table:
    import pyarrow as pa

    batches = []
    schema = pa.schema([(name, pa.string()) for name in names])
    good = (cells for number, row in rows if (cells := _fitted(number, row, (len(names), usual), bad)))
    while batch := list(islice(good, BATCH)):
        arrays = [pa.array(column, pa.string()) for column in zip(*batch, strict=True)]
        batches.append(pa.record_batch(arrays, schema))
    return pa.Table.from_batches(batches, schema)


def _fitted(number: int, cells: list[str], widths: tuple[int, int], bad: list[tuple[int, str]]) -> list[str] | None:
    """The cells of a row, filled up; None, and an entry in `bad`, where there are more or less than in other rows."""
    width, usual = widths
    if len(cells) not in (width, usual):
        cells = _trimmed(cells)
    if len(cells) > width or len(cells) < min(width, usual):
        bad.append((number, f"has {len(cells)} values instead of {width}"))
        return None
    return cells + [""] * (width - len(cells))


def _is_whole(number: int, record: str, lost: str, bad: list[tuple[int, str]]) -> bool:
    if lost and lost in record:
        bad.append((number, "is not UTF-8"))
        return False
    return True


def read_json(text: str, *, lines: bool, lost: str = "") -> TextTable:
    """JSON lines, or one JSON array of objects or object of scalars by name; ValueError for anything else."""
    bad: list[tuple[int, str]] = []
    if lines:
        numbered = [(n, line) for n, line in enumerate(lines_of(text), 1) if line.strip()]
        rows = [row for n, line in numbered if _is_whole(n, line, lost, bad) and (row := _object(n, line, bad))]
    else:
        rows = _objects(json.loads(text))
    if not rows:
        raise ValueError("it has no objects")
    return TextTable(_of_objects(rows), bad=tuple(bad))


def _object(number: int, line: str, bad: list[tuple[int, str]]) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        bad.append((number, f"is no JSON ({error})"))
        return None
    if not isinstance(row, dict):
        bad.append((number, "is no object"))
        return None
    return row


def _objects(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, list) and content and all(isinstance(row, dict) for row in content):
        return content
    if isinstance(content, dict) and content:
        values = list(content.values())
        if all(isinstance(value, dict) for value in values):
            return [{"file_name": name, **value} for name, value in content.items()]
        if all(isinstance(value, (str, int, float, bool, type(None))) for value in values):
            return [{"file_name": name, "label": value} for name, value in content.items()]
    raise ValueError("it has no objects, one for each image")


def _of_objects(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """The scalars of objects, and of objects in them, as columns; a column of several types is text."""
    import pyarrow as pa

    cells: dict[str, list[Any]] = {}
    for i, row in enumerate(rows):
        nested = [(name, v) for value in row.values() if isinstance(value, dict) for name, v in value.items()]
        for name, value in [*row.items(), *nested]:
            if isinstance(value, (str, int, float, bool)):
                column = cells.setdefault(normal_text(name), [None] * len(rows))
                column[i] = value if column[i] is None else column[i]
    return pa.table({name: _column(values) for name, values in cells.items()})


def _column(values: list[Any]) -> pa.Array:
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    try:
        if len(kinds) == 1 or kinds == {int, float}:
            return pa.array([float(v) if v is not None and len(kinds) > 1 else v for v in values])
    except (pa.ArrowException, OverflowError, UnicodeError):
        pass
    texts = (None if value is None else str(value).encode("utf-8", "backslashreplace").decode() for value in values)
    return pa.array(texts, pa.string())
