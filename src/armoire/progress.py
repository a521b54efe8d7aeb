"""The interface by which long work reports its progress; `armoire.console` draws it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from armoire.console import CellProgress, in_notebook


@runtime_checkable
class Task(Protocol):
    """Work under way: a number of units, some of them done."""

    def advance(self, amount: int = 1, **figures: float | str) -> None:
        """Add `amount` to the units done; `figures` are the latest values, such as the loss."""


@runtime_checkable
class Progress(Protocol):
    """Where work reports how far it is: a terminal, a notebook or nowhere."""

    def task(
        self, title: str, total: int | None, unit: str, done: int = 0, rate: bool = False, into: Path | None = None
    ) -> AbstractContextManager[Task]:
        """Open a task.

        Args:
            title: of the work.
            total: number of units, None if unknown.
            unit: their name.
            done: how many are done already.
            rate: report units per second too.
            into: folder of the results.
        """
        ...

    def note(self, text: str) -> None:
        """Report one line, which stays."""


class _Silent:
    def advance(self, amount: int = 1, **figures: float | str) -> None:
        pass

    def task(self, *given: Any, **settings: Any) -> AbstractContextManager[Task]:
        return nullcontext(self)

    def note(self, text: str) -> None:
        pass


#: Reports nothing.
SILENT: Progress = _Silent()


class _Usual:
    cell = CellProgress()

    def _here(self) -> Progress:
        return self.cell if in_notebook() else SILENT

    def task(self, *given: Any, **settings: Any) -> AbstractContextManager[Task]:
        return self._here().task(*given, **settings)

    def note(self, text: str) -> None:
        self._here().note(text)


#: The default: a bar below the cell of a notebook, nothing elsewhere.
USUAL: Progress = _Usual()
