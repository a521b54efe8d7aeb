"""The column of a table that names the images, and the image of each row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from armoire.images.column_roles import ColumnChoice, chosen, plain
from armoire.images.image_names import (
    AMBIGUOUS,
    EXACT,
    NUMBER,
    OTHER_ENDING,
    PART_OF_STEM,
    PATH,
    STEM,
    ImageNames,
    Match,
)
from armoire.images.text_table import TextTable

if TYPE_CHECKING:
    import pyarrow as pa

#: Usual names, in order.
NAME_COLUMNS = (
    "file_name", "filename", "file", "path", "image", "image_id", "image_path", "img", "img_path", "image_name",
    "img_name", "file_path", "filepath", "image_file", "imagename", "image_filename", "fname", "id", "name", "key",
)  # fmt: skip
ROW_NUMBERS = ("index", "unnamed_0", "level_0", "row", "no", "nr", "number")
SAMPLE = 1000  # values of a column by which most columns are excluded
FEW = 0.1  # part of the rows or images that names with an ending must match
CLOSE = 0.9  # part of the matches of the best column that another one needs to be chosen for its name


@dataclass(frozen=True, eq=False)
class Named:
    """A table whose rows name images.

    Attributes:
        table: the columns without the one of names.
        column: the one of names.
        rows: of each image, the row that describes it, -1 where none does.
        example: the first name that matches.
        unmatched: cells of rows that name no image.
        ambiguous: cells that may name several images.
        repeated: cells of rows whose image an earlier row names.
        remark: on how the column was found.
    """

    table: pa.Table
    column: str
    rows: np.ndarray
    example: str
    unmatched: Sequence[str]
    ambiguous: Sequence[str]
    repeated: Sequence[str]
    remark: str = ""


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A column with the match of each of its distinct cells."""

    column: str
    cells: Sequence[str]
    indices: np.ndarray
    matches: Sequence[Match]

    def images(self, lowest: int = 0) -> int:
        """The number of distinct images that are named with a rank."""
        return len({match.position for match in self.matches if match.position >= 0 and match.rank >= lowest})

    def matched_rows(self) -> int:
        found = np.array([match.position >= 0 for match in self.matches])
        return int(found[self.indices[self.indices < len(found)]].sum())


def find_named(text: TextTable, names: ImageNames, folder: str, choice: ColumnChoice) -> tuple[TextTable, Named | None]:
    """The table, without header where its first row names an image, and the rows of the images, if there are any."""
    table = text.table
    if choice.name and choice.name not in table.column_names and choice.name.startswith("column "):
        text = text.without_header()
        table = text.table
    candidates = [c for name in table.column_names if (c := _candidate(table, name, names, folder)) is not None]
    wanted = choice.name and choice.name.lower() in [name.lower() for name in table.column_names]
    if wanted:
        name = chosen(choice.name, table.column_names, "--name-column")
        found = next((c for c in candidates if c.column == name), None)
    else:
        found = _best([c for c in candidates if _enough(c, text, names)], text, names)
    if found is None:
        return text, None
    if text.has_header and found.column not in text.renamed and _is_name(found, names, folder):
        bare = text.without_header()
        return find_named(bare, names, folder, ColumnChoice() if not wanted else choice)
    return text, _align(table, found, len(names.names), _remark(found, names, bool(wanted)))


def _candidate(table: pa.Table, column: str, names: ImageNames, folder: str) -> _Candidate | None:
    import pyarrow as pa

    encoded = table[column].combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    cells = ["" if cell is None else str(cell) for cell in encoded.dictionary.to_pylist()]
    if not any(names.find(cell, folder).position != -1 for cell in cells[:: max(1, len(cells) // SAMPLE)]):
        return None
    matches = _consistent([names.find(cell, folder) for cell in cells])
    return _Candidate(column, cells, encoded.indices.fill_null(len(cells)).to_numpy(), matches)


def _consistent(matches: Sequence[Match]) -> list[Match]:
    """Matches without those of low rank, where a tenth or more have a higher one."""
    ranks = sorted((match.rank for match in matches if match.position >= 0), reverse=True)
    lowest = next(
        (low for low in (NUMBER, PART_OF_STEM, OTHER_ENDING) if sum(rank >= low for rank in ranks) > FEW * len(ranks)),
        0,
    )
    return [Match() if match.position >= 0 and match.rank < lowest else match for match in matches]


def _enough(candidate: _Candidate, text: TextTable, names: ImageNames) -> bool:
    """Whether half of the rows or images are matched; a tenth by names with endings; both halves by other numbers."""
    images, rows = len(names.names), text.table.num_rows
    matched, found = 2 * candidate.matched_rows() >= max(1, rows), 2 * candidate.images() >= images
    if plain(candidate.column) not in NAME_COLUMNS and not any(re.search(r"[^\d.]", cell) for cell in candidate.cells):
        numbered = max(match.rank for match in candidate.matches) > NUMBER  # not 7 for 007
        is_list = not text.has_header or names.find(candidate.column).position >= 0
        return matched and numbered and (found or is_list)
    return matched or found or candidate.images(PATH) >= max(2, FEW * min(rows, images))


def _best(candidates: Sequence[_Candidate], text: TextTable, names: ImageNames) -> _Candidate | None:
    """The column with the most images by names with endings, else by others; usual names decide between close ones."""
    numbers = [c for c in candidates if _is_row_number(c, text)]
    candidates = [c for c in candidates if c not in numbers] or [
        c for c in numbers if c.images() == len(c.cells) == len(names.names)
    ]
    for lowest in (PATH, 0):
        most = max((c.images(lowest) for c in candidates), default=0)
        close = [c for c in candidates if c.images(lowest) >= CLOSE * most]
        if most:
            return min(
                close, key=lambda c: NAME_COLUMNS.index(plain(c.column)) if plain(c.column) in NAME_COLUMNS else 99
            )
    return None


def _is_row_number(candidate: _Candidate, text: TextTable) -> bool:
    """Whether a column without a usual name counts the rows."""
    if not (candidate.column in text.renamed or plain(candidate.column) in ROW_NUMBERS) or not text.has_header:
        return False
    cells = [cell.removesuffix(".0") for cell in candidate.cells]
    if not all(cell.isdecimal() for cell in cells):
        return False
    steps = np.diff(np.array(cells, dtype=float))
    return bool((steps > 0).all())


def _is_name(candidate: _Candidate, names: ImageNames, folder: str) -> bool:
    """Whether the header of the column of names names an image as its cells do, so that it is a row."""
    header = names.find(candidate.column, folder)
    lowest = min(match.rank for match in candidate.matches if match.position >= 0)
    return header.position != -1 and header.rank >= lowest and plain(candidate.column) not in NAME_COLUMNS


def _remark(found: _Candidate, names: ImageNames, wanted: bool) -> str:
    """What is guessed about a column of names, "" for nothing."""
    known = wanted or plain(found.column) in NAME_COLUMNS
    column = "" if known else f"column '{found.column}' names the images"
    lowest = min((m for m in found.matches if m.position >= 0), key=lambda match: match.rank, default=Match(0, EXACT))
    if lowest.rank >= STEM:
        return column and f"{column} (--name-column)"
    cell = found.cells[list(found.matches).index(lowest)]
    return (
        f"{column or 'names'}{', ' if column else ' are '}matched by a part: '{cell}' is {names.names[lowest.position]}"
    )


def _align(table: pa.Table, found: _Candidate, n: int, remark: str) -> Named:
    rows = np.full(n, -1)
    named_by: dict[int, Match] = {}
    cell_of: dict[int, str] = {}
    unmatched, ambiguous, repeated = [], [], []
    for row, index in enumerate(found.indices.tolist()):
        cell = str(found.cells[index]) if index < len(found.cells) else ""
        match = found.matches[index] if index < len(found.matches) else Match()
        if match.position < 0:
            (ambiguous if match.position == AMBIGUOUS else unmatched).append(cell)
        elif rows[match.position] < 0 or match.rank > named_by[match.position].rank:
            rows[match.position], named_by[match.position], cell_of[match.position] = row, match, cell
        elif match.rank == named_by[match.position].rank and cell_of[match.position] == cell:
            repeated.append(cell)
        elif match.rank == named_by[match.position].rank:
            ambiguous.append(cell)
            rows[match.position] = -2  # two paths of the table end in this image's
    rows[rows < 0] = -1
    example = next((cell for cell, match in zip(found.cells, found.matches, strict=True) if match.position >= 0), "")
    return Named(
        table.drop_columns([found.column]), found.column, rows, example, unmatched, ambiguous, repeated, remark
    )
