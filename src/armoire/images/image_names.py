"""Which image a cell of a table names: by path, file name or name without ending, matched from the end.

Paths of other machines (`C:\\data\\pets\\1.png`, `/content/pets/1.png`), folders above, composed and decomposed
letters, and upper and lower case make no difference where one image is meant.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from armoire.images.column_roles import SPLIT_WORDS
from armoire.images.column_values import IMAGE as ENDING

NONE, AMBIGUOUS = -1, -2
#: Ranks of matches. A part of a path matches where both paths have further, different folders.
EXACT, PATH, STEM, NUMBER, PART_OF_PATH, PART_OF_STEM, OTHER_ENDING = 7, 6, 5, 4, 3, 2, 1


@dataclass(frozen=True)
class Match:
    """The position of an image, or NONE or AMBIGUOUS, and the rank of the match."""

    position: int = NONE
    rank: int = 0


def normal_name(name: object) -> str:
    """A path with forward slashes and composed letters."""
    text = unicodedata.normalize("NFC", str(name).strip()).replace("\\", "/").removeprefix("file://")
    while text.startswith("./"):
        text = text[2:]
    return text


class ImageNames:
    """The names of images, to be found by those in the cells of a table."""

    def __init__(self, names: Sequence[str], root: str = "") -> None:
        """Prepare for `find`; `root` is the name of the folder that the names are relative to."""
        self.names = [normal_name(name) for name in names]
        self._exact = {name: i for i, name in enumerate(self.names)}
        # Only where it tells train/1.png from test/1.png; else a table's paths may have another root.
        self._paths = [f"{root}/{name}" for name in self.names] if _split(root) else self.names

    @cached_property
    def _cased(self) -> tuple[_Ends, _Ends]:
        return _Ends(self._paths), _Ends([_without_ending(name) for name in self._paths])

    @cached_property
    def _uncased(self) -> tuple[_Ends, _Ends]:
        names = [name.casefold() for name in self._paths]
        return _Ends(names), _Ends([_without_ending(name) for name in names])

    @cached_property
    def _numbers(self) -> dict[int, int]:
        """Positions of images named by a number alone, -2 where two have one."""
        numbers: dict[int, int] = {}
        for i, name in enumerate(self.names):
            stem = stem_of(name)
            if stem.isdecimal() and len(stem) < 19:
                numbers[int(stem)] = AMBIGUOUS if int(stem) in numbers else i
        return numbers

    def ending_in(self, cell: str) -> list[str]:
        """The images whose paths end in a cell's last part, with their own ending or without."""
        last = normal_name(cell).rpartition("/")[2].casefold()
        return [name for name in self.names if last in (name.rpartition("/")[2].casefold(), stem_of(name).casefold())]

    def find(self, cell: object, folder: str = "") -> Match:
        """The image that a cell names; `folder` is that of the table."""
        text = normal_name(cell)
        if not text:
            return Match()
        for path in (f"{folder}/{text}" if folder else text, text):
            if path in self._exact:
                return Match(self._exact[path], EXACT)
        for ends, wanted in ((self._cased, text), (self._uncased, text.casefold())):
            if (found := _find(ends, wanted)).position != NONE:
                return found
        if ENDING.search(text):  # an image that was converted
            found = self._uncased[1].find(_without_ending(text.casefold()), OTHER_ENDING, OTHER_ENDING)
            if found.position != NONE:
                return found
        if re.fullmatch(r"\d{1,18}(\.0)?", text):  # Excel writes 7 for 007
            position = self._numbers.get(int(text.partition(".")[0]), NONE)
            return Match(position, NUMBER if position >= 0 else 0)
        return Match()


def _find(ends: tuple[_Ends, _Ends], text: str) -> Match:
    paths, stems = ends
    found = paths.find(text, PATH, PART_OF_PATH)
    return found if found.position != NONE else stems.find(text, STEM, PART_OF_STEM)


class _Ends:
    """Paths by their last parts: as many as are needed to tell one from another."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.parts = [path.split("/") for path in paths]
        self.levels: list[dict[str, int]] = []
        pending = list(range(len(paths)))
        while pending:
            depth, level = len(self.levels) + 1, {}
            ends = {i: "/".join(self.parts[i][-depth:]) for i in pending}
            for i, end in ends.items():
                level[end] = AMBIGUOUS if end in level else i
            self.levels.append(level)
            pending = [i for i, end in ends.items() if level[end] == AMBIGUOUS and len(self.parts[i]) > depth]

    def find(self, path: str, whole: int, part: int) -> Match:
        """The only path that ends as another one does; `whole` is its rank where one of them is the other's end."""
        parts = path.split("/")
        for depth, level in enumerate(self.levels[: len(parts)], 1):
            position = level.get("/".join(parts[-depth:]), NONE)
            if position >= 0:
                return self._verified(position, parts, whole, part)
            if position == NONE:
                return Match(NONE if depth == 1 else AMBIGUOUS)
        return Match(AMBIGUOUS)

    def _verified(self, position: int, parts: Sequence[str], whole: int, part: int) -> Match:
        for one, other in zip(reversed(self.parts[position]), reversed(parts), strict=False):
            if one != other:
                # test/1.png is not train/1.png.
                differ = _split(one) != _split(other) and _split(one) and _split(other)
                return Match() if differ else Match(position, part)
        return Match(position, whole)


def _split(folder: str) -> str:
    return SPLIT_WORDS.get(folder.lower(), "")


def stem_of(name: str) -> str:
    """The last part of a path, without its ending."""
    return _without_ending(name).rpartition("/")[2]


def _without_ending(name: str) -> str:
    folder, slash, last = name.rpartition("/")
    stem = last.rpartition(".")[0]
    return f"{folder}{slash}{stem or last}"
