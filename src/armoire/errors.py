"""Errors for users, one sentence each."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path


class _UserError(Exception):
    """An error that is one sentence, also in a notebook."""

    def _render_traceback_(self) -> list[str]:
        # IPython calls this. Frames of armoire and other libraries do not help the user, those of their own functions
        # may; %debug has all of them.
        import sysconfig  # here, since every start has this module
        import traceback

        installed = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
        others = tuple(str(Path(folder)) + os.sep for folder in (Path(__file__).parent, *installed))
        ways = [frame for frame in traceback.extract_tb(self.__traceback__) if not frame.filename.startswith(others)]
        own = traceback.format_list(ways) if len(ways) > 1 else []
        return [*(line.rstrip() for line in own), f"{type(self).__name__}: {self}"]


class ArmoireError(_UserError):
    """Something the user can fix, in one sentence: what, where, how. The command line exits with 2."""


class TrainingInterruptedError(_UserError):
    """Training was asked to stop and has saved its state. The command line exits with 130."""


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its class name."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A clause with the nearest known name, or all of them if none is near."""
    known = sorted(known)
    if near := difflib.get_close_matches(name, known, n=1, cutoff=0.5):
        return f"did you mean '{near[0]}'?"
    return f"there is: {', '.join(known)}" if known else "there is none"
