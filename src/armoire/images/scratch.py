"""What reading a large data set keeps beside the store it builds, so that a killed reading goes on where it stopped.

.STORE.scratch/
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

from armoire.errors import ArmoireError
from armoire.images.mapped import allocate, open_array, release
from armoire.io.files import make_folder, sync, writing


@dataclass(frozen=True)
class Outcome:
    """What came of one picture: why it was rejected ("" where it was not), whether it is grey, its side by content."""

    reason: str = ""
    grey: bool = True
    split: str = "train"


def scratch_of(store: Path) -> Path:
    """Where what is read for a store lies until the store does."""
    return store.with_name(f".{store.name}.scratch")


class Scratch:
    """Pictures read so far, and what came of them, safe from a kill at any moment.

    Attributes:
        pixels: uint8 (n, h, w, c), to be written in order.
        outcomes: one a picture, as far as it was kept.
    """

    def __init__(self, store: Path, key: str, shape: tuple[int, ...]) -> None:
        """Take over what a dead process left of reading the same, else begin. The store's lock has to be held.

        Args:
            store: the store to be built.
            key: equal where the same pictures are read in the same way.
            shape: of `pixels`.
        """
        make_folder(store.parent)
        self.folder = scratch_of(store)
        self.outcomes: list[Outcome] = []
        if not self._go_on(key, shape):
            self._begin(key, shape)

    def keep(self, outcomes: list[Outcome]) -> None:
        """Remember what came of the next pictures, whose pixels are written."""
        # First: a line in done.jsonl promises pixels.
        self.pixels.flush()
        sync(self._pixels)
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
    def _pixels(self) -> Path:
        return self.folder / "pixels.npy"

    @property
    def _done(self) -> Path:
        return self.folder / "done.jsonl"

    def _begin(self, key: str, shape: tuple[int, ...]) -> None:
        self.delete()
        try:
            with writing(self.folder):
                self.folder.mkdir()
                self.pixels = allocate(self._pixels, shape)
                self._done.write_text(json.dumps(key) + "\n", encoding="utf-8")
        except ArmoireError:  # a full disk is not left the fuller
            self.delete()
            raise

    def _go_on(self, key: str, shape: tuple[int, ...]) -> bool:
        try:
            text = self._done.read_bytes()
            lines = text[: text.rindex(b"\n")].decode().split("\n")  # the last one may have been cut
            if json.loads(lines[0]) != key:
                return False
            # To be written to, a file that was cut short would be filled up with zeros; to be read, it is refused.
            if open_array(self._pixels).shape != shape:
                return False
            pixels = open_array(self._pixels, "r+")
            assert isinstance(pixels, np.memmap)
            self.pixels = pixels
            outcomes = [Outcome(*fields) for line in lines[1:] for fields in json.loads(line)]
            self._done.write_text("\n".join(lines) + "\n", encoding="utf-8")
        except (OSError, ValueError, TypeError):
            return False
        self.outcomes = outcomes
        return bool(outcomes)
