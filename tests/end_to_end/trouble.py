"""What can go wrong: the process is killed, the power fails, the disk is full, a call fails, a package is absent.

A file event is an opening for writing, a rename, a removal, a making of a folder, or an fsync, of anything below one of
the watched folders. They are counted from 1.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

EVENTS = {"open": 1, "os.rename": 2, "os.remove": 1, "os.mkdir": 1, "os.rmdir": 1, "os.truncate": 1}
WRITING = os.O_WRONLY | os.O_RDWR


class Trouble:
    """Counts file events, and makes one of them the last or a failure."""

    def __init__(
        self, watched: list[str], kill_at: int, number: int, power: bool, fail: str, fail_at: int, code: int
    ) -> None:
        self.watched, self.kill_at, self.number, self.power = watched, kill_at, number, power
        self.fail, self.fail_at, self.code = fail, fail_at, code
        self.count = self.failing = 0
        self.unsynced: set[str] = set()

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
        """Whether it lies in one of the folders."""
        return any(path.startswith(f"{folder}/") for folder in self.watched)

    def happens(self, event: str, path: str) -> None:
        """Count an event; the chosen one does not happen any more."""
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
        """At once; without power, what was not flushed to the disk may be half there."""
        for path in self.unsynced if self.power else ():
            if Path(path).is_file():
                descriptor = os.open(path, os.O_RDONLY)
                size = os.fstat(descriptor).st_size
                os.close(descriptor)
                truncate(path, size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def kill_in(seconds: float) -> None:
    """End this process when that time is over, wherever it is: the system does it, and no Python sees it coming."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)


fsync, truncate = os.fsync, os.truncate


def make(
    watched: list[str] | None = None,
    kill_after: float = 0,
    kill_at: int = 0,
    number: int = signal.SIGKILL,
    power: bool = False,
    fail: str = "",
    fail_at: int = 1,
    code: int = errno.EIO,
    absent: list[str] | None = None,
) -> None:
    """Make trouble in this process from now on.

    Args:
        watched: folders.
        kill_after: seconds until the process is killed; 0: it is not.
        kill_at: the file event before which the process kills itself; 0: none.
        number: the signal by which it does.
        power: as if the power failed: what was written and not flushed with fsync is cut in half.
        fail: the kind of file event that fails, such as "os.fsync" or "open".
        fail_at: from which of these on.
        code: the error's number.
        absent: packages that cannot be imported, as if they were not installed.
    """
    sys.modules.update(dict.fromkeys(absent or []))  # type: ignore[arg-type]
    if kill_after:
        kill_in(kill_after)
    trouble = Trouble([os.path.realpath(f) for f in watched or []], kill_at, number, power, fail, fail_at, code)
    os.fsync = trouble.fsync
    sys.addaudithook(trouble.audit)
