"""One process at a time: whoever writes a run or reads a data set in holds it, and the next one is told who does.

The lock is the system's (flock, or its like), so it ends with its process, however that ends. The file beside it is
only what is told of the holder.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from armoire.errors import ArmoireError
from armoire.io.files import make_folder, read_text, writing

LOCK = ".lock"
TOLD = 500  # characters of a holder's own words that are repeated


@contextlib.contextmanager
def file_lock(path: Path, what: str, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold a lock file as long as a block runs; it is gone afterwards.

    Args:
        path: the lock file; its folder is made where there is none.
        what: what is held, for the sentence told to the next one.
        waiting: called with that sentence before waiting for the holder; without it the next one is turned away.

    Raises:
        ArmoireError: another process holds it, or it cannot be written.
    """
    from filelock import FileLock, Timeout

    missing = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    lock = FileLock(path)
    while not lock.is_locked:
        make_folder(path.parent)
        # The one before may take its folder with it when it ends.
        with writing(path), contextlib.suppress(FileNotFoundError):
            try:
                lock.acquire(timeout=0)
            except Timeout:
                held_by = f"{what} is in use by {_holder(path)}"
                if waiting is None:
                    raise ArmoireError(f"{held_by}; wait until that is over, or choose another folder") from None
                waiting(f"{held_by}; waiting for it to end")
                lock.acquire()
    try:
        with contextlib.suppress(OSError):  # of a full disk: it is held all the same
            path.write_text(_myself(), encoding="utf-8", errors="backslashreplace")
        yield
    finally:
        # Before it is let go: who opened it meanwhile sees that it is no longer there, and makes another.
        with contextlib.suppress(OSError):
            path.unlink()
        lock.release()
        with contextlib.suppress(OSError):  # folders in which nothing came to lie
            for folder in missing:
                folder.rmdir()


def _myself() -> str:
    words = [Path(sys.argv[0]).name or "python", *sys.argv[1:]]
    since = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    return f"process {os.getpid()} on {socket.gethostname()} since {since} ({shlex.join(words)})"


def _holder(path: Path) -> str:
    try:
        told = read_text(path).strip()
    except (OSError, ValueError):
        told = ""
    printable = "".join(c if c.isprintable() else "?" for c in told[:TOLD])
    return printable or "another process"
