"""survey.csv, which `armoire survey` writes, and data sets without the duplicates that it names."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from io import StringIO
from itertools import chain, groupby, islice
from pathlib import Path

import numpy as np

from armoire.errors import ArmoireError
from armoire.images.columns import Columns
from armoire.images.fit import Decode, Fit
from armoire.images.listing import Ignored, numbered
from armoire.images.source import Source
from armoire.io.files import read_text, sha256

ID, DUPLICATE_OF = "id", "duplicate_of"
#: Of survey.csv; cells are empty where there is nothing to say.
COLUMNS = (
    ID,
    "group",  # from 1, the largest
    DUPLICATE_OF,  # id of the original
    "duplicate_distance",  # 0 for equal pixels
    "outlier_percentile",  # 0 to 100
    "duplicate_kind",  # exact, recompressed, resized, cropped or mirrored
    "exemplar",  # yes for the image that stands for its group
    "split",  # stated by the data
)
HELD_OUT = ("valid", "test")
LARGEST = 1 << 30  # bytes


def without_duplicates(source: Source, survey: Path) -> Source:
    """The images of a source that survey.csv names no original of, and those that the source states are held out.

    Raises:
        ArmoireError: the file is missing or no survey, or names images that the source does not have.
    """
    ids = list(numbered(source.ids))
    original = _originals(survey)
    there = set(ids)
    unknown = [name for name in chain(original, filter(None, original.values())) if name not in there]
    if unknown:
        raise ArmoireError(
            f"{survey} names {unknown[0]}, which is not in {source.origin}; survey these data: "
            f"armoire survey {source.origin} --out FOLDER"
        )
    splits = source.columns.splits
    duplicate = np.array([bool(original.get(name)) and splits[k] not in HELD_OUT for k, name in enumerate(ids)], bool)
    return _Chosen(source, ids, np.flatnonzero(~duplicate), np.flatnonzero(duplicate))


def _originals(survey: Path) -> dict[str, str]:
    """The id of each image's original, "" for an original, by the id of the image."""
    try:
        rows = csv.DictReader(StringIO(read_text(survey, LARGEST), newline=""))
        return {row[ID]: row[DUPLICATE_OF] or "" for row in rows}
    except OSError as error:
        raise ArmoireError(f"no survey {survey} ({error.strerror}); armoire survey writes one") from None
    except (KeyError, ValueError, csv.Error):
        raise ArmoireError(
            f"{survey} is not a survey: it needs columns {ID} and {DUPLICATE_OF}; armoire survey writes one"
        ) from None


class _Chosen(Source):
    """Some of the images of a source; the others are ignored, as duplicates."""

    def __init__(self, source: Source, ids: Sequence[str], rows: np.ndarray, left_out: np.ndarray) -> None:
        self.source, self.rows = source, rows
        self.name, self.origin, self.channels = source.name, source.origin, source.channels
        self.processes_from, self.splits_are_final = source.processes_from, source.splits_are_final
        self.left_out = tuple(ids[int(row)] for row in left_out)
        self.selection = sha256("\n".join(self.left_out).encode())
        self.digest = sha256(source.digest.encode(), self.selection.encode())
        self._all_ids = ids

    def list_ids(self) -> Sequence[str]:
        return [self._all_ids[int(row)] for row in self.rows]

    def describe(self) -> Columns:
        whole = self.source.columns
        return replace(
            whole,
            splits=[whole.splits[row] for row in self.rows],
            labels=[whole.labels[row] for row in self.rows],
            attributes={name: values[self.rows] for name, values in whole.attributes.items()},
        )

    @cached_property
    def _ignored(self) -> list[Ignored]:
        return [*self.source.ignored, *(Ignored(name, "left out as duplicates") for name in self.left_out)]

    @property
    def ignored(self) -> Sequence[Ignored]:
        return self._ignored

    def read(self, start: int, stop: int) -> Iterator[Decode]:
        return chain.from_iterable(self.source.read(first, last) for first, last in self._spans(start, stop))

    def part(self, start: int, stop: int) -> Source:
        return _Joined(self, [self.source.part(first, last) for first, last in self._spans(start, stop)])

    def fit(self, wanted: Fit) -> Fit:
        return self.source.fit(wanted)

    def _spans(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The consecutive rows among some."""
        for _, run in groupby(enumerate(self.rows[start:stop].tolist()), lambda item: item[1] - item[0]):
            rows = [row for _, row in run]
            yield rows[0], rows[-1] + 1


class _Joined(Source):
    """Parts of a source, one after the other."""

    def __init__(self, of: Source, parts: Sequence[Source]) -> None:
        self.name, self.origin, self.digest, self.channels = of.name, of.origin, of.digest, of.channels
        self.parts = parts

    def list_ids(self) -> Sequence[str]:
        return [name for part in self.parts for name in part.ids]

    def read(self, start: int, stop: int) -> Iterator[Decode]:
        return islice(chain.from_iterable(part.read(0, len(part)) for part in self.parts), start, stop)

    def part(self, start: int, stop: int) -> Source:
        raise NotImplementedError("parts are not divided again")
