"""The column of a table that names the images, and the image of each row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from armoire.images.column_roles import FREE, ColumnChoice, chosen, plain, same_name
from armoire.images.column_values import distinct_cells
from armoire.images.image_names import AMBIGUOUS, ImageNames, Match, Rank
from armoire.images.text_table import TextTable

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
    """A table whose rows name images."""

    text: TextTable  # the table, without header where its first row names an image
    column: str  # the one of names
    rows: np.ndarray  # of each image, the row that describes it, -1 where none does
    example: str  # the first name that matches
    unmatched: Sequence[str]  # cells that name no image
    ambiguous: Sequence[str]  # cells that may name several images, or one that another path of the table may name
    repeated: Sequence[tuple[int, int]]  # rows whose image an earlier row names, and that image
    remark: str = ""  # on how the column was found

    def table(self) -> pa.Table:
        """One row per image, null where there is none for it, without the column of names."""
        return self.text.table.drop_columns([self.column]).take(pa.array(self.rows, mask=self.rows < 0))

    def differing(self) -> list[str]:
        """The columns in which repeated rows differ from the earlier ones of the same images."""
        pairs = [(row, self.rows[image]) for row, image in self.repeated if self.rows[image] >= 0]
        rows = np.array(pairs, np.int64).reshape(-1, 2)
        one, other = self.text.table.take(rows[:, 0]), self.text.table.take(rows[:, 1])
        names = [name for name in one.column_names if name != self.column]
        return [name for name in names if not one[name].equals(other[name])]


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A column with the match of each of its distinct cells, and the cell of the first row, "" without a header."""

    column: str
    header: str
    cells: Sequence[str]
    indices: np.ndarray
    matches: Sequence[Match]

    @property
    def is_usual(self) -> bool:
        return plain(self.column) in NAME_COLUMNS

    @property
    def lowest(self) -> Match:
        """A match of the lowest rank."""
        return min((match for match in self.matches if match.position >= 0), key=lambda match: match.rank)

    def images(self, lowest: int = 0) -> int:
        """The number of distinct images that are named with a rank."""
        return len({match.position for match in self.matches if match.position >= 0 and match.rank >= lowest})

    def matched_rows(self) -> int:
        found = np.array([*(match.position >= 0 for match in self.matches), False])
        return int(found[self.indices].sum())


def find_named(text: TextTable, names: ImageNames, folder: str, choice: ColumnChoice) -> Named | None:
    """The rows of the images in a table of a folder; None where no column names enough of them."""
    if choice.name not in text.table.column_names and choice.name.startswith("column "):
        text = text.without_header()
    columns = text.table.column_names
    candidates = [c for name in columns if (c := _candidate(text, name, names, folder)) is not None]
    if wanted := bool(choice.name) and any(same_name(choice.name, name) for name in columns):
        name = chosen(choice.name, columns, "--name-column")
        found = next((c for c in candidates if c.column == name and c.images()), None)
    else:
        found = _best([c for c in candidates if _enough(c, text, names)], text, names)
    if found is None:
        return None
    header = names.find(found.header, folder)
    if header.position != -1 and header.rank >= found.lowest.rank and not found.is_usual:  # it is a row
        return find_named(text.without_header(), names, folder, choice if wanted else FREE)
    return _align(text, found, names, _remark(found, names, wanted))


def _candidate(text: TextTable, column: str, names: ImageNames, folder: str) -> _Candidate | None:
    header = dict(zip(text.table.column_names, text.header, strict=False)).get(column, "") if text.has_header else ""
    values, indices = distinct_cells(text.table[column])
    cells = ["" if cell is None else str(cell) for cell in values]
    if not any(names.find(cell, folder).position != -1 for cell in cells[:: max(1, len(cells) // SAMPLE)]):
        return None
    return _Candidate(column, header, cells, indices, _consistent([names.find(cell, folder) for cell in cells]))


def _consistent(matches: Sequence[Match]) -> list[Match]:
    """Matches without those of low rank, where a tenth or more have a higher one."""
    ranks = [match.rank for match in matches if match.position >= 0]
    usual = Rank.NUMBER, Rank.PART_OF_STEM, Rank.OTHER_ENDING
    lowest = next((low for low in usual if sum(rank >= low for rank in ranks) > FEW * len(ranks)), 0)
    return [Match() if match.position >= 0 and match.rank < lowest else match for match in matches]


def _enough(candidate: _Candidate, text: TextTable, names: ImageNames) -> bool:
    """Whether enough rows or images are matched: half of them, or a tenth by names with endings."""
    images, rows, matched = len(names.names), text.table.num_rows, candidate.matched_rows()
    half = 2 * matched >= max(1, rows), 2 * candidate.images() >= images
    if not candidate.is_usual and not any(re.search(r"[^\d.]", cell) for cell in candidate.cells):
        # Numbers of another kind may be those of images by chance.
        numbered = max(match.rank for match in candidate.matches) > Rank.NUMBER  # not 7 for 007
        is_list = not text.has_header or names.find(candidate.header).position >= 0
        return numbered and candidate.images() == matched and half[0] and (half[1] or is_list)
    repeated = not candidate.is_usual and candidate.images() < FEW * matched
    return (any(half) and not repeated) or candidate.images(Rank.PATH) >= max(2, FEW * min(rows, images))


def _best(candidates: Sequence[_Candidate], text: TextTable, names: ImageNames) -> _Candidate | None:
    """The column with the most images by names with endings, else by others; usual names decide between close ones."""
    numbers = [c for c in candidates if _is_row_number(c, text)]
    candidates = [c for c in candidates if c not in numbers] or [
        c for c in numbers if c.images() == len(c.cells) == len(names.names)
    ]
    for lowest in (Rank.PATH, 0):
        most = max((c.images(lowest) for c in candidates), default=0)
        close = [c for c in candidates if c.images(lowest) >= CLOSE * most]
        if most:
            return min(close, key=lambda c: NAME_COLUMNS.index(plain(c.column)) if c.is_usual else len(NAME_COLUMNS))
    return None


def _is_row_number(candidate: _Candidate, text: TextTable) -> bool:
    """Whether a column without a usual name counts the rows."""
    if not (candidate.column in text.renamed or plain(candidate.column) in ROW_NUMBERS) or not text.has_header:
        return False
    cells = [cell.removesuffix(".0") for cell in candidate.cells]
    return all(map(str.isdecimal, cells)) and bool((np.diff(np.array(cells, dtype=float)) > 0).all())


def _remark(found: _Candidate, names: ImageNames, wanted: bool) -> str:
    """What is guessed about a column of names, "" for nothing."""
    column = "" if wanted or found.is_usual else f"column '{found.column}' names the images"
    if found.lowest.rank >= Rank.STEM:
        return column and f"{column} (--name-column)"
    example = f"'{found.cells[list(found.matches).index(found.lowest)]}' for {names.names[found.lowest.position]}"
    return f"{column}{', and they' if column else 'its names'} match in part, {example}"


def _align(text: TextTable, found: _Candidate, names: ImageNames, remark: str) -> Named:
    """The first row that names each image best, and the rows that are not used."""
    rows, best = np.full(len(names.names), -1), [(0, "")] * len(names.names)
    unmatched, ambiguous, repeated, twice = [], [], [], set()
    cells, matches = [*found.cells, ""], [*found.matches, Match()]  # the last for null
    for row, index in enumerate(found.indices.tolist()):
        cell, match = cells[index], matches[index]
        image = match.position
        if image < 0:
            (ambiguous if image == AMBIGUOUS else unmatched).append(cell)
        elif match.rank > best[image][0]:
            rows[image], best[image] = row, (match.rank, cell)
            twice.discard(image)
        elif (match.rank, cell) == best[image]:
            repeated.append((row, image))
        elif match.rank == best[image][0]:  # two paths of the table end in this image's
            ambiguous.append(cell)
            twice.add(image)
    rows[list(twice)] = -1
    example = next((cell for cell, match in zip(cells, matches, strict=True) if match.position >= 0), "")
    return Named(text, found.column, rows, example, unmatched, ambiguous, repeated, remark)


def why_none(text: TextTable, names: ImageNames, folder: str) -> str:
    """Why no column of a table names the images."""
    for name in text.table.column_names:
        cells = [str(cell) for cell in text.table[name].slice(0, SAMPLE).to_pylist() if cell is not None]
        ambiguous = [cell for cell in cells if names.find(cell, folder).position == AMBIGUOUS]
        if 2 * len(ambiguous) >= max(1, len(cells)):
            which = f"'{ambiguous[0]}' in its column '{name}' may be any of "
            return f"{which}{', '.join(names.ending_in(ambiguous[0])[:2])}; write the folders into the table too"
    return "no column of it names the images (--name-column)"
