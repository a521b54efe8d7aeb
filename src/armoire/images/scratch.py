"""Images decoded so far for a store that is being built, so that a killed reading resumes where it stopped.

.STORE.scratch/
    pixels.npy   uint8 (n, h, w, c), memory-mapped: the images decoded so far
    done.jsonl   the key of the reading, then one line per chunk: the outcome of each of its images
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from armoire.errors import ArmoireError
from armoire.images.mapped import allocate, open_array, release
from armoire.io.files import make_folder, sync, writing


@dataclass(frozen=True)
class Outcome:
    """The outcome of one image: the reason of its rejection ("" for none), whether it is grey, its split by content."""

    reason: str = ""
    grey: bool = True
    split: str = "train"


def scratch_of(store: Path) -> Path:
    """The scratch folder of a store."""
    return store.with_name(f".{store.name}.scratch")


class Scratch:
    """Images decoded so far, and their outcomes, on disk.

    Attributes:
        pixels: uint8 (n, h, w, c), to be written in order.
        pixels_path: their file.
        outcomes: of the images that are safely on disk.
    """

    def __init__(self, store: Path, key: str, shape: tuple[int, ...]) -> None:
        """Resume a dead process's reading of the same `key`, else begin; the caller holds the store's lock."""
        make_folder(store.parent)
        self.folder = scratch_of(store)
        self.pixels_path, self._done = self.folder / "pixels.npy", self.folder / "done.jsonl"
        self.outcomes: list[Outcome] = []
        if not self._resume(key, shape):
            self._begin(key, shape)

    def append(self, outcomes: list[Outcome]) -> None:
        """Save the outcomes of the next images, whose pixels are written."""
        # Pixels first: a line in done.jsonl promises that they are on disk.
        self.pixels.flush()
        sync(self.pixels_path)
        with writing(self._done), self._done.open("a", encoding="utf-8") as file:
            file.write(json.dumps([(o.reason, o.grey, o.split) for o in outcomes]) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.outcomes += outcomes
        release(self.pixels)

    def delete(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _begin(self, key: str, shape: tuple[int, ...]) -> None:
        self.delete()
        try:
            with writing(self.folder):
                self.folder.mkdir()
                self.pixels = allocate(self.pixels_path, shape)
                self._done.write_text(json.dumps(key) + "\n", encoding="utf-8")
        except ArmoireError:  # leave nothing behind on a full disk
            self.delete()
            raise

    def _resume(self, key: str, shape: tuple[int, ...]) -> bool:
        try:
            text = self._done.read_bytes()
            lines = text[: text.rindex(b"\n")].decode().split("\n")  # the last line may be cut off
            if json.loads(lines[0]) != key:
                return False
            # Opening a truncated file for writing would fill it up with zeros; opening it for reading fails.
            if open_array(self.pixels_path).shape != shape:
                return False
            pixels = open_array(self.pixels_path, "r+")
            assert isinstance(pixels, np.memmap)
            self.pixels = pixels
            outcomes = [Outcome(*fields) for line in lines[1:] for fields in json.loads(line)]
            self._done.write_text("\n".join(lines) + "\n", encoding="utf-8")
        except (OSError, ValueError, TypeError):
            return False
        self.outcomes = outcomes
        return bool(outcomes)
