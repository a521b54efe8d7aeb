"""Progress by rich: a bar on a terminal or in a notebook's cell, plain lines on stderr elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import Task as State

SECONDS_TO_REPORT = 3.0  # shorter work leaves no line
SECONDS_BETWEEN_LINES = 15.0
SECONDS_TO_DISPLAY = 0.5  # shorter work is not displayed in a cell
SECONDS_BETWEEN_DISPLAYS = 0.25


def terminal_progress() -> LineProgress:
    """Bars if stderr is a terminal, else lines."""
    return BarProgress() if sys.stderr.isatty() else LineProgress()


def in_notebook() -> bool:
    """Whether a notebook's kernel runs this; not so in a terminal's IPython."""
    ipython = sys.modules.get("IPython")
    return getattr(ipython.get_ipython() if ipython else None, "kernel", None) is not None


def duration(seconds: float) -> str:
    """42 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def figure(value: float | str) -> str:
    """A changing value in few digits."""
    return value if isinstance(value, str) else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def describe(state: State, amount: str) -> str:
    """Amount, time left, latest figures and rate of a task, most important first."""
    left = state.time_remaining
    parts = [amount, "" if left is None else f"{duration(left)} left"]
    parts += [f"{name} {figure(value)}" for name, value in state.fields["figures"].items()]
    if state.fields["rate"] and state.speed:
        parts.append(f"{state.speed:,.0f} {state.fields['unit']}/s")
    return ", ".join(filter(None, parts))


def amount_done(state: State) -> str:
    of_total = "" if state.total is None else f" of {state.total:,.0f}"
    return f"{state.completed:,.0f}{of_total} {state.fields['unit']}"


class LineProgress:
    """A line on stderr after 3 seconds of a task, then every 15 seconds, and at its end. Implements `Progress`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.lock = clock, threading.RLock()
        self.bars: Bars | None = None
        self.due: dict[int, float] = {}

    @contextmanager
    def task(
        self, title: str, total: int | None, unit: str, done: int = 0, rate: bool = False, into: Path | None = None
    ) -> Iterator[_Task]:
        """See `armoire.progress.Progress`; tasks may be nested and run in threads."""
        began = self.clock()
        with self.lock:
            self.bars = bars = self.bars or self.start()
            id_ = bars.add_task(title, total=total, completed=done, unit=unit, rate=rate, figures={})
            state = next(state for state in bars.tasks if state.id == id_)
            self.due[id_] = began + SECONDS_TO_REPORT
        try:
            yield _Task(self, bars, state)
        finally:
            with self.lock:
                bars.remove_task(id_)
                if not bars.tasks:
                    self.bars = None
                    self.stop(bars)
        if (seconds := self.clock() - began) > SECONDS_TO_REPORT:
            where = f" into {into}" if into else ""
            self.note(f"{title}{where}: {state.completed:,.0f} {unit} in {duration(seconds)}")

    def note(self, text: str) -> None:
        """Print one line on stderr, above the bars if there are any."""
        try:
            print(text, file=sys.stderr, flush=True)
        except BrokenPipeError:  # as of `2>&1 | head`: the work goes on
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())

    def start(self) -> Bars:
        """The bars of an outermost task; here they only keep count."""
        return make_bars(disable=True, get_time=self.clock)

    def stop(self, bars: Bars) -> None:
        """End of the outermost task."""

    def advanced(self, state: State) -> None:
        """Report a task that has advanced, at most once in `SECONDS_BETWEEN_LINES`."""
        if (now := self.clock()) >= self.due[state.id]:
            self.due[state.id] = now + SECONDS_BETWEEN_LINES
            self.note(f"{state.description}: {describe(state, amount_done(state))}")


class BarProgress(LineProgress):
    """Live bars on the terminal of stderr."""

    def start(self) -> Bars:
        from rich.console import Console

        bars = make_bars(console=Console(stderr=True), transient=True, redirect_stdout=False)
        bars.start()
        return bars

    def stop(self, bars: Bars) -> None:
        bars.stop()

    def advanced(self, state: State) -> None:
        pass

    def note(self, text: str) -> None:
        if self.bars is None:
            super().note(text)
        else:
            self.bars.console.print(text, highlight=False, markup=False)


class CellProgress(LineProgress):
    """One display below a notebook's cell, updated in place; no widget, since saved notebooks do not show these."""

    handle: Any = None

    def start(self) -> Bars:
        self.handle, self.next_display = None, self.clock() + SECONDS_TO_DISPLAY
        return super().start()

    def stop(self, bars: Bars) -> None:
        from IPython.display import HTML

        if self.handle is not None:
            self.handle.update(HTML(""))

    def advanced(self, state: State) -> None:
        from IPython.display import display

        with self.lock:
            if self.bars is None or self.clock() < self.next_display:
                return
            self.next_display = self.clock() + SECONDS_BETWEEN_DISPLAYS
            if self.handle is None:
                self.handle = display(self.bars, display_id=True)
            else:
                self.handle.update(self.bars)

    def note(self, text: str) -> None:
        print(text, flush=True)


class _Task:
    def __init__(self, progress: LineProgress, bars: Bars, state: State) -> None:
        self.progress, self.bars, self.state = progress, bars, state

    def advance(self, amount: int = 1, **figures: float | str) -> None:
        self.bars.update(self.state.id, advance=amount, figures=figures or self.state.fields["figures"])
        self.progress.advanced(self.state)


def make_bars(**settings: Any) -> Bars:
    """rich's Progress: title, bar, and percentage, time left, figures and rate, cut to the terminal's width."""
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
    from rich.table import Column
    from rich.text import Text

    class Description(ProgressColumn):
        def render(self, task: State) -> Text:
            return Text(describe(task, amount_done(task) if task.total is None else f"{task.percentage:.0f} %"))

    title = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True))
    bar = BarColumn(bar_width=12, complete_style="cyan", finished_style="cyan")
    rest = Description(table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"))
    return Progress(title, bar, rest, expand=True, **settings)
