"""Errors that speak to the person who can mend them."""

from __future__ import annotations

import difflib
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path


class ArmoireError(Exception):
    """Something the user can mend, told in one sentence: what, where, how. The command line exits with 2."""

    def _render_traceback_(self) -> list[str]:
        # IPython asks for it. The way through armoire and IPython mends nothing; that through one's own functions may,
        # and the cell itself is seen. %debug still knows all.
        inside = (str(Path(__file__).parent), *_folder_of("IPython"))
        ways = [frame for frame in traceback.extract_tb(self.__traceback__) if not frame.filename.startswith(inside)]
        own = traceback.format_list(ways) if len(ways) > 1 else []
        return [*(line.rstrip() for line in own), f"{type(self).__name__}: {self}"]


class TrainingInterruptedError(Exception):
    """Training was asked to stop and has saved its state. The command line exits with 130."""


def _folder_of(package: str) -> list[str]:
    file = getattr(sys.modules.get(package), "__file__", None)
    return [str(Path(file).parent)] if file else []


def first_line(error: Exception) -> str:
    """The first line of what an error says, to be part of a sentence; its kind where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A clause that names the nearest known name, or lists them all where none is near."""
    known = sorted(known)
    if near := difflib.get_close_matches(name, known, n=1, cutoff=0.5):
        return f"did you mean '{near[0]}'?"
    return f"there is: {', '.join(known)}" if known else "there is none"
