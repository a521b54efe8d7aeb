"""What the processes of a training decide alike: how far it has come, and whether to measure, save or stop.

The clock and the signals of one process are not those of another. The clock of the first one counts.
"""

from __future__ import annotations

import signal

from armoire.training.distributed import DistributedContext
from armoire.training.schedule import Length


def move(length: Length, step: int, distributed: DistributedContext) -> None:
    """Go on in the schedule after a step."""
    position = 0
    if distributed.is_first:
        length.expect(step)
        position = length.now(step)
    length.move(distributed.largest(position)[0] if length.by_clock else step)


def is_due(length: Length, step: int, distributed: DistributedContext) -> bool:
    """Whether to measure after a step."""
    due = length.is_due(step)
    if length.by_clock:
        due = bool(distributed.largest(int(due and distributed.is_first))[0])
    return due


def stop_and_save(asked: str, save: bool, distributed: DistributedContext) -> tuple[str, bool]:
    """The signal that any process was asked to stop by, "" for none, and whether the first one is due to save."""
    number = signal.Signals[asked].value if asked else 0
    number, due = distributed.largest(number, int(save and distributed.is_first))
    return signal.Signals(number).name if number else "", bool(due)
