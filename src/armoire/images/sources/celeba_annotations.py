"""CelebA's annotation files: one row per image, one small integer per column.

Either CSV with a header, or text between blanks as in the official files: these may begin with the number of rows, have
no header for the first column, and have no header at all where there is one column only.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePosixPath

import numpy as np
from jaxtyping import Int8

from armoire.errors import ArmoireError
from armoire.images.decode import RejectedImageError
from armoire.images.listing import FileListing
from armoire.images.text_encoding import decode_text
from armoire.images.text_table import BLANKS, Row, lines_of, rows_of


@dataclass(frozen=True, eq=False)
class Annotations:
    """The rows of one annotation file, of images that may be absent."""

    name: str
    columns: list[str]
    images: list[str]  # file names of the images, without ending
    values: Int8[np.ndarray, "n k"]  # one row per image, 0 where unknown


def read_annotations(listing: FileListing, name: str, meaning: Mapping[str, int], only: str = "") -> Annotations:
    """Read one file, whose cells have a `meaning`; ArmoireError with the line number where it cannot be parsed.

    `only` is the column's name, where there must be exactly one.
    """
    rows = _rows(listing, name)
    line, header = next(rows, (1, []))
    if len(header) == 1 and header[0].isdigit():
        line, header = next(rows, (line, []))
    if only and header and header[-1] in meaning:
        rows, header = chain([(line, header)], rows), [only]
    columns: list[str] = []
    images: list[str] = []
    values = array("b")
    for line, (image, *cells) in rows:
        columns = columns or ([only] if only and len(cells) == 1 else header[len(header) - len(cells) :])
        if len(cells) != len(columns) or len(header) - len(columns) not in (0, 1):
            raise ArmoireError(f"line {line} of {name} has {len(cells)} values, its header {len(header)}; fix it")
        try:
            values.extend([meaning[cell] for cell in cells])
        except KeyError as cell:
            allowed = ", ".join(value or "nothing" for value in meaning)
            raise ArmoireError(f"line {line} of {name} has {cell}, which should be one of: {allowed}") from None
        images.append(PurePosixPath(image).stem)
    if not images or len(set(columns)) < len(columns):
        raise ArmoireError(f"{name} should have a header of distinct names and one row per image; fix or remove it")
    if len(set(images)) < len(images):
        twice = Counter(images).most_common(1)[0][0]
        raise ArmoireError(f"{name} lists image {twice} twice; remove one of the rows")
    return Annotations(name, columns, images, np.frombuffer(values, np.int8).reshape(len(images), len(columns)))


def join(files: Sequence[Annotations], row_of: Mapping[str, int]) -> dict[str, Int8[np.ndarray, " n"]]:
    """The columns of several files in alphabetical order, 0 where unknown; ArmoireError where two files disagree.

    `row_of` gives each image's row in the result, by its file name without ending.
    """
    names = sorted({column for file in files for column in file.columns})
    joined, given_by = ({name: np.zeros(len(row_of), np.int8) for name in names} for _ in range(2))
    for number, file in enumerate(files):
        rows = np.array([row_of.get(image, -1) for image in file.images])
        for column, values in zip(file.columns, file.values.T, strict=True):
            known = np.flatnonzero((rows >= 0) & (values != 0))
            before, new = joined[column][rows[known]], values[known]
            for i in known[(before != 0) & (before != new)][:1]:
                other = files[int(given_by[column][rows[i]])].name
                where = f"{column} of image {file.images[i]}"
                raise ArmoireError(f"{other} and {file.name} disagree on {where}; fix or remove one of them")
            joined[column][rows[known]], given_by[column][rows[known]] = new, number
    return joined


def _rows(listing: FileListing, name: str) -> Iterator[Row]:
    try:
        with listing.open(name) as file:
            lines = lines_of(decode_text(file.read(), code_pages=False).text)
    except (OSError, RejectedImageError, ValueError) as error:
        raise ArmoireError(f"{name} cannot be read ({error}); fix or remove it") from None
    return rows_of(lines, "," if any("," in line for line in lines[:2]) else BLANKS)
