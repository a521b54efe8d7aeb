"""Progress in a cell of a notebook: a bar while work goes on, a line for what took long."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

from armoire.pace import SECONDS_WORTH_TELLING, Pace, finished, under_way

SECONDS_BEFORE_SHOWN = 0.5  # what is done sooner leaves no trace
SECONDS_BETWEEN = 0.25


def shell() -> Any | None:
    """IPython's shell where a notebook's kernel runs this; None elsewhere, and in a terminal's IPython."""
    ipython = sys.modules.get("IPython")
    found = ipython.get_ipython() if ipython else None
    return found if getattr(found, "kernel", None) is not None else None


class NotebookProgress:
    """Shows what is under way below the cell that runs, in one place."""

    def __init__(self) -> None:
        self._place = _Place("")
        self._lock = threading.Lock()

    @contextmanager
    def task(
        self, title: str, total: int | None, unit: str, done: int = 0, rate: bool = False, into: Path | None = None
    ) -> Iterator[_Bar]:
        """Open a task, see `armoire.progress.Progress`."""
        bar = _Bar(self._here(), title, total, unit, done, rate)
        bar.place.begin(bar)
        try:
            yield bar
        finally:
            goes = f" into {into}" if into else ""
            bar.place.end(bar, finished(f"{title}{goes}", bar.done, unit, bar.seconds))

    def note(self, text: str) -> None:
        """Say one line that stays."""
        self._here().tell(text)

    def _here(self) -> _Place:
        # Each request to the kernel, a cell among them, has a place of its own.
        with self._lock:
            if (request := _request()) != self._place.request:
                self._place = _Place(request)
            return self._place


def _request() -> str:
    try:
        return shell().get_parent()["header"]["msg_id"]  # type: ignore[union-attr]
    except (AttributeError, KeyError, TypeError):
        return ""


class _Place:
    """One display, which is drawn anew: lines that stay, and the bars of what is under way. Threads may share it."""

    def __init__(self, request: str) -> None:
        self.request = request
        self.told: list[str] = []
        self.bars: list[_Bar] = []
        self.handle: Any = None
        self.due = 0.0
        self.lock = threading.RLock()

    def begin(self, bar: _Bar) -> None:
        with self.lock:
            self.bars.append(bar)

    def end(self, bar: _Bar, line: str) -> None:
        with self.lock:
            self.bars.remove(bar)
            if worth := bar.seconds > SECONDS_WORTH_TELLING:
                self.told.append(line)
            if worth or bar.shown:
                self.show()

    def tell(self, line: str) -> None:
        with self.lock:
            self.told.append(line)
            self.show()

    def moved(self, bar: _Bar) -> None:
        """Show it anew, if that is not too soon."""
        with self.lock:
            if (now := time.monotonic()) >= self.due and bar.seconds > SECONDS_BEFORE_SHOWN:
                self.due = now + SECONDS_BETWEEN
                bar.shown = True
                self.show()

    def show(self) -> None:
        from IPython.display import HTML, display

        lines = [f"<div>{escape(text)}</div>" for text in self.told] + [bar.html() for bar in self.bars]
        page = HTML(f'<div style="font-variant-numeric: tabular-nums">{"".join(lines)}</div>')
        if self.handle is None:
            self.handle = display(page, display_id=True)
        else:
            self.handle.update(page)


class _Bar:
    shown = False

    def __init__(self, place: _Place, title: str, total: int | None, unit: str, done: int, rate: bool) -> None:
        self.place, self.title, self.total, self.unit, self.done, self.rate = place, title, total, unit, done, rate
        self.pace, self.began = Pace(), time.monotonic()
        self.figures: dict[str, float | str] = {}

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def advance(self, amount: int = 1, **figures: float | str) -> None:
        self.done += amount
        self.pace.advance(amount)
        if figures:
            self.figures = figures
        self.place.moved(self)

    def html(self) -> str:
        """The bar, and beside it what is done, how fast, and how long the rest will take."""
        said = under_way(self.title, self.done, self.total, self.unit, self.figures, self.rate, self.pace)
        bar = f'<progress max="{self.total}" value="{self.done}"></progress> ' if self.total else ""
        return f"<div>{bar}{escape(said)}</div>"


NOTEBOOK = NotebookProgress()
