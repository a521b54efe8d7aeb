"""Failures on demand: the process is killed, the power fails, the disk is full, a call fails, a package is absent.

A file event is an opening for writing, a rename, a removal, a making of a folder, or an fsync, of anything below one of
the watched folders. They are counted from 1.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

EVENTS = {"open": 1, "os.rename": 2, "os.remove": 1, "os.mkdir": 1, "os.rmdir": 1, "os.truncate": 1}
WRITING = os.O_WRONLY | os.O_RDWR
fsync, truncate = os.fsync, os.truncate


@dataclass
class Trouble:
    """Counts file events, and kills the process or fails at one of them.

    Attributes:
        watched: folders.
        kill_at: the file event before which the process kills itself; 0: none.
        number: the signal by which it does.
        power: as if the power failed: what was written and not flushed with fsync is cut in half.
        fail: the kind of file event that fails, such as "os.fsync" or "open".
        fail_at: from which of these on.
        code: the error's number.
    """

    watched: list[str] = field(default_factory=list)
    kill_at: int = 0
    number: int = signal.SIGKILL
    power: bool = False
    fail: str = ""
    fail_at: int = 1
    code: int = errno.EIO
    count: int = 0
    failing: int = 0
    unsynced: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.watched = [os.path.realpath(folder) for folder in self.watched]

    def audit(self, event: str, arguments: tuple) -> None:
        """See `sys.addaudithook`."""
        if event not in EVENTS:
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & WRITING):
            return
        given = [os.fsdecode(a) for a in arguments[: EVENTS[event]] if isinstance(a, str | bytes)]
        paths = [os.path.abspath(path) for path in given]  # noqa: PTH100, it leaves links alone
        if not any(self.is_watched(path) for path in paths):
            return
        self.happens(event, paths[0])
        if event == "open":
            self.unsynced.add(paths[0])
        elif event == "os.rename" and paths[0] in self.unsynced:
            self.unsynced = self.unsynced - {paths[0]} | {paths[1]}

    def fsync(self, descriptor: int) -> None:
        """In place of os.fsync."""
        path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        if self.is_watched(path):
            self.happens("os.fsync", path)
        fsync(descriptor)
        self.unsynced.discard(path)

    def is_watched(self, path: str) -> bool:
        return any(path.startswith(f"{folder}/") for folder in self.watched)

    def happens(self, event: str, path: str) -> None:
        """Count an event; kill or fail at the chosen one."""
        self.count += 1
        if self.count == self.kill_at and self.number == signal.SIGKILL:
            self.die()
        elif self.count == self.kill_at:
            os.kill(os.getpid(), self.number)
        if event == self.fail:
            self.failing += 1
            if self.failing >= self.fail_at:
                raise OSError(self.code, os.strerror(self.code), path)

    def die(self) -> NoReturn:
        """Kill the process; without power, files that were not flushed to the disk lose their second half."""
        for path in self.unsynced if self.power else ():
            if Path(path).is_file():
                descriptor = os.open(path, os.O_RDONLY)
                size = os.fstat(descriptor).st_size
                os.close(descriptor)
                truncate(path, size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def make(*, absent: Sequence[str] = (), kill_after: float = 0, **settings: Any) -> None:
    """Make something go wrong in this process from now on.

    Args:
        absent: packages that cannot be imported, as if they were not installed.
        kill_after: seconds until a timer of the system kills the process, at any instruction; 0 for never.
        **settings: of a `Trouble`.
    """
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    if kill_after:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, kill_after)
    trouble = Trouble(**settings)
    os.fsync = trouble.fsync
    sys.addaudithook(trouble.audit)
