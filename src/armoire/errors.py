"""Errors that speak to the person who can mend them."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path


class _ToldError(Exception):
    """What is said in one sentence, in a notebook as well."""

    def _render_traceback_(self) -> list[str]:
        # IPython asks for it. The way through armoire, IPython and other libraries mends nothing; that through one's
        # own functions may, and the cell itself is seen. %debug still knows all.
        import sysconfig  # here, since every start has this module
        import traceback

        installed = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
        others = tuple(str(Path(folder)) + os.sep for folder in (Path(__file__).parent, *installed))
        ways = [frame for frame in traceback.extract_tb(self.__traceback__) if not frame.filename.startswith(others)]
        own = traceback.format_list(ways) if len(ways) > 1 else []
        return [*(line.rstrip() for line in own), f"{type(self).__name__}: {self}"]


class ArmoireError(_ToldError):
    """Something the user can mend, told in one sentence: what, where, how. The command line exits with 2."""


class TrainingInterruptedError(_ToldError):
    """Training was asked to stop and has saved its state. The command line exits with 130."""


def first_line(error: Exception) -> str:
    """The first line of what an error says, to be part of a sentence; its kind where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A clause that names the nearest known name, or lists them all where none is near."""
    known = sorted(known)
    if near := difflib.get_close_matches(name, known, n=1, cutoff=0.5):
        return f"did you mean '{near[0]}'?"
    return f"there is: {', '.join(known)}" if known else "there is none"
