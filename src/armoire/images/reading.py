"""How a data set was read: what each column was taken for, and what became of every file.

columns.json   roles of the columns, and notes about what was guessed
rejected.csv   name, reason: of images that could not be read
ignored.csv    name, reason: of files that are no images
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from armoire.images.columns import Role, enumerate_names
from armoire.images.listing import Ignored
from armoire.io.files import read_checksummed, write_checksummed

REJECTED, IGNORED = "rejected.csv", "ignored.csv"
#: What a column of each role gives, with the column's name in place of {}.
MEANINGS = {
    "name": "{} names the images",
    "image": "{} holds the images",
    "label": "{} gives the classes",
    "split": "{} gives the splits",
    "attribute": "attributes: {}",
    "ignored": "not used: {}",
}


@dataclass(frozen=True)
class Reading:
    """How a data set was read."""

    roles: tuple[Role, ...] = ()  # what each column was taken for
    notes: tuple[str, ...] = ()  # what was guessed, each with the flag that overrides it
    rejected: tuple[Ignored, ...] = ()  # images that could not be read
    ignored: tuple[Ignored, ...] = ()  # files that are neither images nor tables that are used

    def summary(self, used: int) -> list[str]:
        """Lines that say how many of the files are used, what the columns mean, and what was guessed."""
        parts = []
        for role, meaning in MEANINGS.items():
            names = [column.column for column in self.roles if column.role == role]
            if names:
                parts.append(meaning.format(enumerate_names(names)))
        return [self._counts(used), *(["; ".join(parts)] if parts else []), *self.notes]

    def remarks(self, used: int) -> list[str]:
        """The lines of the summary that ask for attention: what is left out, and what was guessed."""
        return [*([self._counts(used)] if self.rejected or self.ignored else []), *self.notes]

    def _counts(self, used: int) -> str:
        line = f"{used:,} images of {used + len(self.rejected) + len(self.ignored):,} files"
        for what, items in (("could not be read", self.rejected), ("ignored", self.ignored)):
            if items:
                line += f"; {len(items):,} {what} ({_reasons(items)})"
        return line

    def write(self, folder: Path) -> None:
        """Write the three files into a folder."""
        write_checksummed(
            folder / "columns.json", {"roles": [asdict(r) for r in self.roles], "notes": list(self.notes)}
        )
        for name, items in ((REJECTED, self.rejected), (IGNORED, self.ignored)):
            with (folder / name).open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([("name", "reason"), *((item.name, item.reason) for item in items)])

    @classmethod
    def read(cls, folder: Path) -> Reading:
        """The inverse of `write`; ValueError or OSError where the files are damaged."""
        columns = read_checksummed(folder / "columns.json")
        rejected, ignored = (_items(folder / name) for name in (REJECTED, IGNORED))
        return cls(tuple(Role(**role) for role in columns["roles"]), tuple(columns["notes"]), rejected, ignored)


def _reasons(items: Sequence[Ignored]) -> str:
    counts = Counter(item.reason for item in items)
    return enumerate_names([f"{reason}: {n:,}" for reason, n in counts.most_common()], most=3)


def _items(path: Path) -> tuple[Ignored, ...]:
    with path.open(newline="", encoding="utf-8") as file:
        return tuple(Ignored(row["name"], row["reason"]) for row in csv.DictReader(file))
