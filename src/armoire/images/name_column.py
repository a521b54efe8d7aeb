"""The column of a table that names the images, and the image of each row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from armoire.images.column_roles import ColumnChoice, chosen, plain, same_name
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


@dataclass(frozen=True)
class LeftOut:
    """Rows of a table that are not used.

    Attributes:
        unmatched: cells that name no image.
        ambiguous: cells that may name several images, or one that another path of the table may name.
        repeated: rows whose image an earlier row names, and that image.
    """

    unmatched: list[str] = field(default_factory=list)
    ambiguous: list[str] = field(default_factory=list)
    repeated: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Named:
    """A table whose rows name images.

    Attributes:
        table: the columns without the one of names.
        column: the one of names.
        rows: of each image, the row that describes it, -1 where none does.
        example: the first name that matches.
        left_out: the rows that are not used.
        differing: columns in which a row differs from an earlier one of the same image.
        remark: on how the column was found.
    """

    table: pa.Table
    column: str
    rows: np.ndarray
    example: str
    left_out: LeftOut
    differing: Sequence[str]
    remark: str = ""


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A column with the match of each of its distinct cells, and the cell of the first row, "" without a header."""

    column: str
    header: str
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
    candidates = [c for name in table.column_names if (c := _candidate(text, name, names, folder)) is not None]
    wanted = choice.name and any(same_name(choice.name, name) for name in table.column_names)
    if wanted:
        name = chosen(choice.name, table.column_names, "--name-column")
        found = next((c for c in candidates if c.column == name), None)
    else:
        found = _best([c for c in candidates if _enough(c, text, names)], text, names)
    if found is None:
        return text, None
    if _is_name(found, names, folder):
        bare = text.without_header()
        return find_named(bare, names, folder, ColumnChoice() if not wanted else choice)
    return text, _align(table, found, len(names.names), _remark(found, names, bool(wanted)))


def _candidate(text: TextTable, column: str, names: ImageNames, folder: str) -> _Candidate | None:
    import pyarrow as pa

    position = text.table.column_names.index(column)
    header = text.header[position] if text.has_header and position < len(text.header) else ""
    encoded = text.table[column].combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    cells = ["" if cell is None else str(cell) for cell in encoded.dictionary.to_pylist()]
    if not any(names.find(cell, folder).position != -1 for cell in cells[:: max(1, len(cells) // SAMPLE)]):
        return None
    matches = _consistent([names.find(cell, folder) for cell in cells])
    return _Candidate(column, header, cells, encoded.indices.fill_null(len(cells)).to_numpy(), matches)


def _consistent(matches: Sequence[Match]) -> list[Match]:
    """Matches without those of low rank, where a tenth or more have a higher one."""
    ranks = sorted((match.rank for match in matches if match.position >= 0), reverse=True)
    lowest = next(
        (low for low in (NUMBER, PART_OF_STEM, OTHER_ENDING) if sum(rank >= low for rank in ranks) > FEW * len(ranks)),
        0,
    )
    return [Match() if match.position >= 0 and match.rank < lowest else match for match in matches]


def _enough(candidate: _Candidate, text: TextTable, names: ImageNames) -> bool:
    """Whether enough rows or images are matched: half of them, or a tenth by names with endings."""
    images, rows, matched = len(names.names), text.table.num_rows, candidate.matched_rows()
    half = 2 * matched >= max(1, rows), 2 * candidate.images() >= images
    if plain(candidate.column) not in NAME_COLUMNS and not any(re.search(r"[^\d.]", cell) for cell in candidate.cells):
        # Numbers of another kind may be those of images by chance.
        numbered = max(match.rank for match in candidate.matches) > NUMBER  # not 7 for 007
        is_list = not text.has_header or names.find(candidate.header).position >= 0
        return numbered and candidate.images() == matched and half[0] and (half[1] or is_list)
    repeated = plain(candidate.column) not in NAME_COLUMNS and candidate.images() < FEW * matched
    return (any(half) and not repeated) or candidate.images(PATH) >= max(2, FEW * min(rows, images))


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
            return min(close, key=lambda candidate: _place(candidate.column))
    return None


def _place(column: str) -> int:
    """The place of a name among the usual ones."""
    return NAME_COLUMNS.index(plain(column)) if plain(column) in NAME_COLUMNS else len(NAME_COLUMNS)


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
    header = names.find(candidate.header, folder)
    lowest = min(match.rank for match in candidate.matches if match.position >= 0)
    return header.position != -1 and header.rank >= lowest and plain(candidate.column) not in NAME_COLUMNS


def _remark(found: _Candidate, names: ImageNames, wanted: bool) -> str:
    """What is guessed about a column of names, "" for nothing."""
    known = wanted or plain(found.column) in NAME_COLUMNS
    column = "" if known else f"column '{found.column}' names the images"
    lowest = min((m for m in found.matches if m.position >= 0), key=lambda match: match.rank, default=Match(0, EXACT))
    if lowest.rank >= STEM:
        return column and f"{column} (--name-column)"
    example = f"'{found.cells[list(found.matches).index(lowest)]}' for {names.names[lowest.position]}"
    return f"{column}{', and they' if column else 'its names'} match in part, {example}"


def _align(table: pa.Table, found: _Candidate, n: int, remark: str) -> Named:
    rows, left_out = _rows_of_images(found, n)
    table = table.drop_columns([found.column])
    example = next((cell for cell, match in zip(found.cells, found.matches, strict=True) if match.position >= 0), "")
    return Named(table, found.column, rows, example, left_out, _differing(table, left_out.repeated, rows), remark)


def _rows_of_images(found: _Candidate, n: int) -> tuple[np.ndarray, LeftOut]:
    """Of each image the first row that names it best, -1 where none does; and the rows that are not used."""
    rows, ranks, cells = np.full(n, -1), np.zeros(n, int), [""] * n
    left_out, twice = LeftOut(), set()
    indices: list[int] = found.indices.tolist()
    for row, index in enumerate(indices):
        is_known = index < len(found.cells)
        cell, match = (found.cells[index] if is_known else ""), (found.matches[index] if is_known else Match())
        image = match.position
        if image < 0:
            (left_out.ambiguous if image == AMBIGUOUS else left_out.unmatched).append(cell)
        elif match.rank > ranks[image]:
            rows[image], ranks[image], cells[image] = row, match.rank, cell
            twice.discard(image)
        elif match.rank == ranks[image] and cell == cells[image]:
            left_out.repeated.append((row, image))
        elif match.rank == ranks[image]:  # two paths of the table end in this image's
            left_out.ambiguous.append(cell)
            twice.add(image)
    rows[list(twice)] = -1
    return rows, left_out


def _differing(table: pa.Table, repeated: Sequence[tuple[int, int]], rows: np.ndarray) -> list[str]:
    """The columns in which rows differ from the earlier ones of the same images."""
    pairs = [(row, rows[image]) for row, image in repeated if rows[image] >= 0]
    if not pairs:
        return []
    one, other = (table.take([pair[side] for pair in pairs]) for side in (0, 1))
    return [name for name in table.column_names if not one[name].equals(other[name])]


def why_none(text: TextTable, names: ImageNames, folder: str) -> str:
    """Why no column of a table names the images."""
    for name in text.table.column_names:
        cells = [str(cell) for cell in text.table[name].slice(0, SAMPLE).to_pylist() if cell is not None]
        ambiguous = [cell for cell in cells if names.find(cell, folder).position == AMBIGUOUS]
        if 2 * len(ambiguous) >= max(1, len(cells)):
            among = ", ".join(names.ending_in(ambiguous[0])[:2])
            return (
                f"'{ambiguous[0]}' in its column '{name}' may be any of {among}; write the folders into the table too"
            )
    return "no column of it names the images (--name-column)"
