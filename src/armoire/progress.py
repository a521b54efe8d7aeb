"""How long work reports on itself without printing: the rooms call, the command line or a notebook draws."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol, runtime_checkable

from armoire.notebook import NOTEBOOK, shell


@runtime_checkable
class Task(Protocol):
    """One piece of work under way."""

    def advance(self, amount: int = 1, **figures: float | str) -> None:
        """Add `amount` to what is done; `figures` are the latest values worth showing."""
        ...


@runtime_checkable
class Progress(Protocol):
    """Where work in progress is shown."""

    def task(
        self, title: str, total: int | None, unit: str, done: int = 0, rate: bool = False, into: Path | None = None
    ) -> AbstractContextManager[Task]:
        """Open a task.

        Args:
            title: what is done.
            total: how many units there are of it, None where unknown.
            unit: what they are called.
            done: how many of them are done already.
            rate: show units a second.
            into: where what comes of it goes.
        """
        ...

    def note(self, text: str) -> None:
        """Say one line that stays."""
        ...


class _Silent:
    def advance(self, amount: int = 1, **figures: float | str) -> None:
        pass

    def task(
        self, title: str, total: int | None, unit: str, done: int = 0, rate: bool = False, into: Path | None = None
    ) -> AbstractContextManager[Task]:
        return nullcontext(self)

    def note(self, text: str) -> None:
        pass


#: Shows nothing.
SILENT: Progress = _Silent()


class _Usual:
    """A bar below the cell where a notebook's kernel runs this; nothing elsewhere."""

    def _here(self) -> Progress:
        return SILENT if shell() is None else NOTEBOOK

    def task(
        self, title: str, total: int | None, unit: str, done: int = 0, rate: bool = False, into: Path | None = None
    ) -> AbstractContextManager[Task]:
        return self._here().task(title, total, unit, done, rate, into)

    def note(self, text: str) -> None:
        self._here().note(text)


#: What those take who are not told where to report.
USUAL: Progress = _Usual()
