"""Which image a cell of a table names: by path, file name or name without ending, matched from the end.

Paths of other machines (`C:\\data\\pets\\1.png`, `/content/pets/1.png`), folders above, composed and decomposed
letters, and upper and lower case make no difference where one image is meant.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from enum import IntEnum
from itertools import takewhile
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from armoire.images.listing import has_image_ending
from armoire.images.split_words import split_word

ADDRESS = re.compile(r"(https?|s3|gs)://[^/]")
NONE, AMBIGUOUS = -1, -2
MANY = 20  # images of one name in other folders: any may be meant


class Rank(IntEnum):
    """How well a cell matches; a part of a path does where both paths have further, different folders."""

    NONE, OTHER_ENDING, PART_OF_STEM, PART_OF_PATH, NUMBER, STEM, PATH, EXACT = range(8)


class Match(NamedTuple):
    """The position of an image, or NONE or AMBIGUOUS, and the rank of the match."""

    position: int = NONE
    rank: Rank = Rank.NONE


def normal_name(name: object) -> str:
    """A path, or that of an address such as https://host/1.png?width=200, with forward slashes and composed letters."""
    text = str(name).strip()
    text = unquote(urlsplit(text).path).lstrip("/") if ADDRESS.match(text) else text
    text = unicodedata.normalize("NFC", text).replace("\\", "/").removeprefix("file://")
    while text.startswith("./"):
        text = text[2:]
    return text


def stem_of(name: str) -> str:
    """The last part of a path, without its ending."""
    last = name.rpartition("/")[2]
    return last.rpartition(".")[0] or last


class ImageNames:
    """The names of images, to be found by those in the cells of a table."""

    def __init__(self, names: Sequence[str], root: str = "") -> None:
        """Prepare for `find`; `root` is the name of the folder that the names are relative to."""
        self.names = [normal_name(name) for name in names]
        self._exact = {name: i for i, name in enumerate(self.names)}
        # Only where it tells train/1.png from test/1.png; else a table's paths may have another root.
        above = [root] if split_word(root) else []
        self._parts = [[*above, *name.split("/")] for name in self.names]
        self._by_stem: dict[str, list[int]] = {}
        self._by_number: dict[int, int] = {}
        for i, parts in enumerate(self._parts):
            stem = stem_of(parts[-1]).casefold()
            for key in (stem, *(f"{folder}/{stem}" for folder in parts[-2:-1])):
                self._by_stem.setdefault(key.casefold(), []).append(i)
            if stem.isdecimal() and len(stem) < 19:
                self._by_number[int(stem)] = AMBIGUOUS if int(stem) in self._by_number else i

    def ending_in(self, cell: str) -> list[str]:
        """The images whose paths end in a cell's last part, with their own ending or without."""
        return [self.names[i] for i, (level, _, _) in self._scores(normal_name(cell).split("/")[-1:]).items() if level]

    def find(self, cell: object, folder: str = "") -> Match:
        """The image that a cell names; `folder` is that of the table."""
        text = normal_name(cell)
        for path in (f"{folder}/{text}", text):
            if path in self._exact:
                return Match(self._exact[path], Rank.EXACT)
        if scores := self._scores(text.split("/")):
            best = max(scores.values())
            found = [i for i, score in scores.items() if score == best]
            return self._match(found[0], text.split("/"), *best[:2]) if len(found) == 1 else Match(AMBIGUOUS)
        if re.fullmatch(r"\d{1,18}(\.0)?", text):  # Excel writes 7 for 007
            position = self._by_number.get(int(text.partition(".")[0]), NONE)
            return Match(position, Rank.NUMBER if position >= 0 else Rank.NONE)
        return Match()

    def _scores(self, wanted: Sequence[str]) -> dict[int, tuple[int, int, bool]]:
        """The images that may be meant: whether the ending is equal, common last parts, and whether the case is."""
        last = wanted[-1].casefold()
        stems = dict.fromkeys((last, stem_of(last)))
        folder = f"{wanted[-2]}/".casefold() if len(wanted) > 1 else ""
        among = [i for stem in stems for i in self._by_stem.get(folder + stem, ())]
        among = among or [i for stem in stems for i in self._by_stem.get(stem, ())[:MANY]]
        scores: dict[int, tuple[int, int, bool]] = {}
        for i in among:
            name = self._parts[i][-1]
            is_stem = stem_of(name).casefold() == last
            if name.casefold() == last or is_stem or has_image_ending(last):  # else `1.v2` would be 1.png
                level = 2 if name.casefold() == last else int(is_stem)  # 0 for an image that was converted
                scores[i] = level, self._depth(i, wanted), wanted[-1] in (name, stem_of(name))
        return scores

    def _match(self, i: int, wanted: Sequence[str], level: int, depth: int) -> Match:
        if depth == min(len(self._parts[i]), len(wanted)):
            return Match(i, (Rank.OTHER_ENDING, Rank.STEM, Rank.PATH)[level])
        splits = {split_word(self._parts[i][-depth - 1]), split_word(wanted[-depth - 1])} - {None}
        ranks = Rank.OTHER_ENDING, Rank.PART_OF_STEM, Rank.PART_OF_PATH
        return Match() if len(splits) == 2 else Match(i, ranks[level])  # test/1.png is not train/1.png

    def _depth(self, i: int, wanted: Sequence[str]) -> int:
        """The number of last parts, by stem, that an image's path has in common with the wanted one."""
        pairs = zip(self._parts[i][-2::-1], wanted[-2::-1], strict=False)
        return 1 + len(list(takewhile(lambda pair: pair[0].casefold() == pair[1].casefold(), pairs)))
