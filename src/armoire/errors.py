"""Errors that speak to the person who can mend them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ArmoireError(Exception):
    """Something the user can mend, told in one sentence: what, where, how. The command line exits with 2."""

    def _render_traceback_(self) -> list[str]:
        # IPython asks for it: where in armoire the error was found mends nothing. %debug and `raise` still know.
        return [f"{type(self).__name__}: {self}"]


class TrainingInterruptedError(Exception):
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
