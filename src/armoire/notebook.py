"""Progress in a cell of a notebook: a bar while work goes on, a line for what took long."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

from armoire.pace import Pace, duration, short

SECONDS_BEFORE_SHOWN = 0.5  # what is done sooner leaves no trace
SECONDS_BETWEEN = 0.25
SECONDS_WORTH_TELLING = 3.0


def shell() -> Any | None:
    """IPython's shell where a notebook's kernel runs this; None elsewhere, and in a terminal's IPython."""
    ipython = sys.modules.get("IPython")
    found = ipython.get_ipython() if ipython else None
    return found if getattr(found, "kernel", None) is not None else None


class NotebookProgress:
    """Shows what is under way below the cell that runs, in one place."""

    def __init__(self) -> None:
        self._cell = -1
        self._told: list[str] = []
        self._bars: list[_Bar] = []
        self._handle: Any = None
        self._due = 0.0

    @contextmanager
    def task(
        self, title: str, total: int | None, unit: str, done: int = 0, rate: bool = False, into: Path | None = None
    ) -> Iterator[_Bar]:
        """Open a task, see `armoire.progress.Progress`."""
        self._at_home()
        bar = _Bar(self, title, total, unit, done, rate)
        self._bars.append(bar)
        try:
            yield bar
        finally:
            self._bars.remove(bar)
            if bar.seconds > SECONDS_WORTH_TELLING:
                goes = f" into {into}" if into else ""
                self._told.append(f"{title}{goes}: {bar.done:,} {unit} in {duration(bar.seconds)}")
            if self._handle:
                self._show()

    def note(self, text: str) -> None:
        """Say one line that stays."""
        self._at_home()
        self._told.append(text)
        self._show()

    def moved(self, bar: _Bar) -> None:
        """Show it anew, if that is not too soon."""
        if (now := time.monotonic()) >= self._due and bar.seconds > SECONDS_BEFORE_SHOWN:
            self._due = now + SECONDS_BETWEEN
            self._show()

    def _at_home(self) -> None:
        # Another cell has a place of its own.
        if (running := getattr(shell(), "execution_count", 0)) != self._cell:
            self._cell, self._told, self._bars, self._handle = running, [], [], None

    def _show(self) -> None:
        from IPython.display import HTML, display

        lines = [f"<div>{escape(text)}</div>" for text in self._told] + [bar.html() for bar in self._bars]
        page = HTML(f'<div style="font-variant-numeric: tabular-nums">{"".join(lines)}</div>')
        if self._handle is None:
            self._handle = display(page, display_id=True)
        else:
            self._handle.update(page)


class _Bar:
    def __init__(self, home: NotebookProgress, title: str, total: int | None, unit: str, done: int, rate: bool) -> None:
        self.home, self.title, self.total, self.unit, self.done, self.rate = home, title, total, unit, done, rate
        self.pace, self.began, self.figures = Pace(), time.monotonic(), ""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def advance(self, amount: int = 1, **figures: float | str) -> None:
        self.done += amount
        self.pace.advance(amount)
        if figures:
            self.figures = ", ".join(f"{name} {short(value)}" for name, value in figures.items())
        self.home.moved(self)

    def html(self) -> str:
        """The bar, and beside it what is done, how fast, and how long the rest will take."""
        of_total = f" of {self.total:,}" if self.total else ""
        parts = [f"{self.title}: {self.done:,}{of_total} {self.unit}", self.figures]
        if self.rate and self.pace.a_second:
            parts.append(f"{self.pace.a_second:,.0f} {self.unit}/s")
        if self.total and self.pace.a_second:
            parts.append(f"{duration((self.total - self.done) / self.pace.a_second)} left")
        bar = f'<progress max="{self.total}" value="{self.done}"></progress> ' if self.total else ""
        return f"<div>{bar}{escape(', '.join(filter(None, parts)))}</div>"
