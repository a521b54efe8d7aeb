"""How fast work goes, and how that is said."""

from __future__ import annotations

import time
from collections import deque

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
