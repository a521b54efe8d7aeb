"""How fast work goes, and how that is said."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping

SECONDS_WORTH_TELLING = 3.0  # that work took, for a line of it to stay
WINDOW = 30  # marks, a second or more apart, over which a pace is taken


class Pace:
    """Units a second over the last half minute or so: what is left is told by how it goes now, not how it began."""

    def __init__(self) -> None:
        self.marks = deque([(time.monotonic(), 0)], maxlen=WINDOW)
        self.amount = 0

    def advance(self, amount: int) -> None:
        """Count what was done."""
        self.amount += amount
        if (now := time.monotonic()) - self.marks[-1][0] > 1:
            self.marks.append((now, self.amount))

    @property
    def a_second(self) -> float:
        """Units a second, 0 before anything was done."""
        then, before = self.marks[0]
        return (self.amount - before) / max(1e-9, time.monotonic() - then)


def duration(seconds: float) -> str:
    """Seconds as people say them: 42 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def short(value: float | str) -> str:
    """A figure that changes while one looks, in few digits."""
    return value if isinstance(value, str) else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def under_way(
    title: str, done: int, total: int | None, unit: str, figures: Mapping[str, float | str], rate: bool, pace: Pace
) -> str:
    """What is done of a task, its latest figures, how fast it goes, and how long the rest will take."""
    of_total = f" of {total:,}" if total else ""
    parts = [f"{title}: {done:,}{of_total} {unit}"]
    parts += [f"{name} {short(value)}" for name, value in figures.items()]
    if rate:
        parts.append(f"{pace.a_second:,.0f} {unit}/s")
    if total and pace.a_second:
        parts.append(f"{duration((total - done) / pace.a_second)} left")
    return ", ".join(parts)


def finished(title: str, done: int, unit: str, seconds: float) -> str:
    """What was done, and how long it took."""
    return f"{title}: {done:,} {unit} in {duration(seconds)}"
