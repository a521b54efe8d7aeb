"""Locks between processes: one writes a run or packs a data set, and an error names it to the next one.

The lock is the operating system's (flock or its like), so it ends with its process, however that ends. The file's text
only describes the process that has it.
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
LONGEST = 500  # characters of a lock file's text that an error repeats


@contextlib.contextmanager
def file_lock(path: Path, what: str, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Lock `what` by a file, created with its folder and removed afterwards, while the block runs.

    Where another process has the lock, an ArmoireError says which; with `waiting`, that is called with the sentence
    instead, and the process waits for the other to end.
    """
    from filelock import FileLock, Timeout

    missing = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    lock = FileLock(path)
    while not lock.is_locked:
        make_folder(path.parent)
        # The process that had it may remove the folder when it ends.
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
        with contextlib.suppress(OSError):  # of a full disk: the lock holds without a text
            path.write_text(_this_process(), encoding="utf-8", errors="backslashreplace")
        yield
    finally:
        # Before the release: a process that opened it meanwhile notices that it is gone, and creates another.
        with contextlib.suppress(OSError):
            path.unlink()
        lock.release()
        with contextlib.suppress(OSError):  # folders that stayed empty
            for folder in missing:
                folder.rmdir()


def _this_process() -> str:
    words = [Path(sys.argv[0]).name or "python", *sys.argv[1:]]
    since = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    return f"process {os.getpid()} on {socket.gethostname()} since {since} ({shlex.join(words)})"


def _holder(path: Path) -> str:
    try:
        text = read_text(path).strip()[:LONGEST]
    except (OSError, ValueError):
        text = ""
    return "".join(c if c.isprintable() else "?" for c in text) or "another process"
