"""Progress on a terminal (a live bar) and elsewhere (a plain line now and then), always on stderr."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from armoire.pace import SECONDS_WORTH_TELLING, Pace, duration, finished, short, under_way
from armoire.progress import Progress, Task

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

SECONDS_BETWEEN_LINES = 15.0
SECONDS_TO_GAUGE = 3.0  # of work, before it is said how long all of it will take
SECONDS_OF_A_LONG_JOB = 30.0  # from which on that is said
ROOM_FOR_THE_REST = 26  # columns


def terminal_progress() -> Progress:
    """The reporter for where stderr goes."""
    return _Live() if sys.stderr.isatty() else _Plain()


def _say(text: str) -> None:
    try:
        print(text, file=sys.stderr, flush=True)
    except BrokenPipeError:
        # Who read the progress has gone, as `2>&1 | head` does; the work goes on.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


class _Outlook:
    """Says of a long job, once its pace is known, how long it will take and where it goes."""

    def __init__(self, title: str, left: int | None, into: Path | None) -> None:
        self.what = f"{title} into {into}" if into else title
        self.left, self.began, self.due = left, time.monotonic(), left is not None

    def sentence(self, pace: Pace) -> str:
        """It, where it is time to say it; "" else."""
        if not self.due or time.monotonic() - self.began < SECONDS_TO_GAUGE:
            return ""
        self.due = False
        seconds = (self.left or 0) / pace.a_second if pace.a_second else 0.0
        return f"{self.what} will take about {duration(seconds)}" if seconds > SECONDS_OF_A_LONG_JOB else ""


class _Line:
    """Progress told in lines: for logs, pipes and CI."""

    def __init__(self, title: str, total: int | None, unit: str, done: int, rate: bool, into: Path | None) -> None:
        self.title, self.total, self.unit, self.done, self.rate = title, total, unit, done, rate
        self.pace, self.began = Pace(), time.monotonic()
        self.outlook = _Outlook(title, total and total - done, into)
        self.told = self.began

    def advance(self, amount: int = 1, **figures: float | str) -> None:
        self.done += amount
        self.pace.advance(amount)
        if outlook := self.outlook.sentence(self.pace):
            _say(outlook)
        waited = time.monotonic() - self.told
        # What comes with figures is waited for a little, so that a line says more.
        if waited > (SECONDS_BETWEEN_LINES if figures else 2 * SECONDS_BETWEEN_LINES):
            self.tell(figures)

    def tell(self, figures: dict[str, float | str]) -> None:
        self.told = time.monotonic()
        _say(under_way(self.title, self.done, self.total, self.unit, figures, self.rate, self.pace))


class _Plain:
    @contextmanager
    def task(
        self, title: str, total: int | None, unit: str, done: int = 0, rate: bool = False, into: Path | None = None
    ) -> Iterator[Task]:
        line = _Line(title, total, unit, done, rate, into)
        yield line
        if (spent := time.monotonic() - line.began) > SECONDS_WORTH_TELLING:
            _say(finished(title, line.done, unit, spent))

    def note(self, text: str) -> None:
        _say(text)


class _Live:
    def __init__(self) -> None:
        self.bars: Bars | None = None

    @contextmanager
    def task(
        self, title: str, total: int | None, unit: str, done: int = 0, rate: bool = False, into: Path | None = None
    ) -> Iterator[Task]:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None, complete_style="cyan", finished_style="cyan"),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=Console(stderr=True),
            transient=True,
            expand=True,
        )
        with bars:
            self.bars = bars
            try:
                yield _Bar(bars, title, total, unit, done, rate, _Outlook(title, total and total - done, into))
            finally:
                self.bars = None

    def note(self, text: str) -> None:
        if self.bars is None:
            _say(text)
        else:
            self.bars.console.print(text, highlight=False, markup=False)


class _Bar:
    def __init__(
        self, bars: Bars, title: str, total: int | None, unit: str, done: int, rate: bool, outlook: _Outlook
    ) -> None:
        self.bars, self.unit, self.rate, self.outlook = bars, unit, rate, outlook
        self.pace, self.shown = Pace(), []
        # What the title, a short bar, the percentage and the time left leave over.
        self.room = bars.console.width - len(title) - ROOM_FOR_THE_REST
        self.id = bars.add_task(title, total=total, completed=done, figures="")

    def advance(self, amount: int = 1, **figures: float | str) -> None:
        self.pace.advance(amount)
        if outlook := self.outlook.sentence(self.pace):
            self.bars.console.print(outlook, highlight=False, markup=False)
        if figures:
            self.shown = [f"{name} {short(value)}" for name, value in figures.items()]
        pace = [f"{self.pace.a_second:,.0f} {self.unit}/s"] if self.rate else []
        self.bars.update(self.id, advance=amount, figures=_that_fit(self.shown + pace, self.room))


def _that_fit(parts: list[str], room: int) -> str:
    """As many of the parts, from the first, as fit into `room` columns."""
    while parts and len("  ".join(parts)) > room:
        parts = parts[:-1]
    return "  ".join(parts)
