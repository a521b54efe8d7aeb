"""Annotations about images in a table that lies beside them: a row an image, a small number a column.

Either CSV with a header, or text between blanks as in CelebA's official files: these may begin with the number of their
rows, leave the first column out of the header, and leave the header out where there is one fact only.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePosixPath

import numpy as np
from jaxtyping import Int8

from armoire.errors import ArmoireError
from armoire.images.decode import RejectedImageError
from armoire.images.listing import FileListing


@dataclass(frozen=True, eq=False)
class Annotations:
    """One file's facts.

    Attributes:
        name: of the file, in its source.
        columns: names of the facts.
        images: name of each image's file, without ending.
        values: a row an image, 0 where a fact is missing.
    """

    name: str
    columns: list[str]
    images: list[str]
    values: Int8[np.ndarray, "n k"]


def read_annotations(listing: FileListing, name: str, meaning: Mapping[str, int], only: str = "") -> Annotations:
    """Read one file.

    Args:
        listing: where it lies.
        name: which file.
        meaning: what may stand in a cell, and the number it stands for.
        only: the fact's name, where there must be one only.

    Raises:
        ArmoireError: it cannot be understood, with the line where.
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
            raise ArmoireError(f"line {line} of {name} has {len(cells)} values, its header {len(header)}; mend it")
        try:
            values.extend([meaning[cell] for cell in cells])
        except KeyError as cell:
            known = ", ".join(value or "nothing" for value in meaning)
            raise ArmoireError(f"line {line} of {name} holds {cell}, which should be one of: {known}") from None
        images.append(PurePosixPath(image).stem)
    if not images or len(set(columns)) < len(columns):
        raise ArmoireError(f"{name} should hold a header of different names, and a row an image; mend or remove it")
    if len(set(images)) < len(images):
        seen: set[str] = set()
        twice = next(image for image in images if image in seen or seen.add(image))
        raise ArmoireError(f"{name} lists image {twice} twice; remove one of the rows")
    return Annotations(name, columns, images, np.frombuffer(values, np.int8).reshape(len(images), len(columns)))


def join(files: Sequence[Annotations], place: Mapping[str, int]) -> dict[str, Int8[np.ndarray, " n"]]:
    """The facts of several files by image, in the alphabetical order of their names; 0 where no file knows.

    Args:
        files: what was read.
        place: for each image (its file's name without ending) its row in what comes out.

    Raises:
        ArmoireError: two files disagree.
    """
    names = sorted({column for facts in files for column in facts.columns})
    joined = {name: np.zeros(len(place), np.int8) for name in names}
    for facts in files:
        rows = np.array([place.get(image, -1) for image in facts.images])
        for column, values in zip(facts.columns, facts.values.T, strict=True):
            known = (rows >= 0) & (values != 0)
            before, new = joined[column][rows[known]], values[known]
            if ((before != 0) & (before != new)).any():
                raise ArmoireError(_disagreement(files, facts, column, place))
            joined[column][rows[known]] = new
    return joined


def _disagreement(files: Sequence[Annotations], facts: Annotations, column: str, place: Mapping[str, int]) -> str:
    mine = dict(zip(facts.images, facts.values[:, facts.columns.index(column)].tolist(), strict=True))
    for other in files:
        if other is facts or column not in other.columns:
            continue
        for image, value in zip(other.images, other.values[:, other.columns.index(column)].tolist(), strict=True):
            if image in place and value and mine.get(image, value) not in (0, value):
                return (
                    f"{other.name} and {facts.name} disagree on {column} of image {image}; mend or remove one of them"
                )
    raise AssertionError(column)


def _rows(listing: FileListing, name: str) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and fields of the lines that are not empty."""
    try:
        with listing.open(name) as file:
            lines = file.read().decode("utf-8-sig").splitlines()
    except (OSError, RejectedImageError, UnicodeDecodeError) as error:
        raise ArmoireError(f"{name} cannot be read ({error}); mend or remove it") from None
    if "," in "".join(lines[:2]):
        fields = ([cell.strip() for cell in row] for row in csv.reader(lines))
    else:
        fields = (line.split() for line in lines)
    try:
        yield from ((number, row) for number, row in enumerate(fields, 1) if row)
    except csv.Error as error:
        raise ArmoireError(f"{name} cannot be read as CSV ({error}); mend or remove it") from None
