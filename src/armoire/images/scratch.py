"""What reading a large data set keeps beside the store it builds, so that a killed reading goes on where it stopped.

.STORE.PID.scratch/
    pixels.npy   uint8 (n, h, w, c), memory-mapped: the pictures read so far
    done.jsonl   first the key of what is being read, then one line a chunk: what came of each of its pictures
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from armoire.files import make_folder, writing
from armoire.images.mapped import allocate, release


@dataclass(frozen=True)
class Outcome:
    """What came of one picture: why it was rejected ("" where it was not), whether it is grey, its side by content."""

    reason: str = ""
    grey: bool = True
    split: str = "train"


class Scratch:
    """Pictures read so far, and what came of them, safe from a kill at any moment.

    Attributes:
        pixels: uint8 (n, h, w, c), to be written in order.
        outcomes: one a picture, as far as it was kept.
    """

    def __init__(self, store: Path, key: str, shape: tuple[int, ...]) -> None:
        """Take over what a dead process left of reading the same, else begin.

        Args:
            store: the store to be built.
            key: equal where the same pictures are read in the same way.
            shape: of `pixels`.
        """
        make_folder(store.parent)
        self.folder = store.with_name(f".{store.name}.{os.getpid()}.scratch")
        self.outcomes: list[Outcome] = []
        for left in _left_behind(store):
            if self.outcomes:
                shutil.rmtree(left, ignore_errors=True)
            elif not (_take(left, self.folder) and self._go_on(key, shape)):
                shutil.rmtree(left, ignore_errors=True)
                self.delete()
        if not self.outcomes:
            self._begin(key, shape)

    def keep(self, outcomes: list[Outcome]) -> None:
        """Remember what came of the next pictures, whose pixels are written."""
        self.pixels.flush()  # first: a line in done.jsonl promises pixels
        with writing(self._done), self._done.open("a", encoding="utf-8") as file:
            file.write(json.dumps([astuple(outcome) for outcome in outcomes]) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.outcomes += outcomes
        release(self.pixels)

    def delete(self) -> None:
        """Remove it from the disk."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _done(self) -> Path:
        return self.folder / "done.jsonl"

    def _begin(self, key: str, shape: tuple[int, ...]) -> None:
        self.delete()
        with writing(self.folder):
            self.folder.mkdir()
            self.pixels = allocate(self.folder / "pixels.npy", shape)
            self._done.write_text(json.dumps(key) + "\n", encoding="utf-8")

    def _go_on(self, key: str, shape: tuple[int, ...]) -> bool:
        try:
            text = self._done.read_bytes()
            lines = text[: text.rindex(b"\n")].decode().split("\n")  # the last one may have been cut
            if json.loads(lines[0]) != key:
                return False
            self.pixels = np.lib.format.open_memmap(self.folder / "pixels.npy", mode="r+")
            if self.pixels.shape != shape:
                return False
            outcomes = [Outcome(*fields) for line in lines[1:] for fields in json.loads(line)]
            self._done.write_text("\n".join(lines) + "\n", encoding="utf-8")
        except (OSError, ValueError, TypeError):
            return False
        self.outcomes = outcomes
        return True


def _left_behind(store: Path) -> list[Path]:
    """Scratch of this store whose process is gone, or is this one."""
    return [path for path in sorted(store.parent.glob(f".{store.name}.*.scratch")) if not _is_at_work(path)]


def _is_at_work(scratch: Path) -> bool:
    try:
        number = int(scratch.name.split(".")[-2])
        if number == os.getpid():
            return False
        os.kill(number, 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def _take(left: Path, mine: Path) -> bool:
    try:
        left.rename(mine)  # one of several processes succeeds
    except OSError:
        return False
    return True
