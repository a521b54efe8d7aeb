"""Files that are complete or absent, never half: written beside, flushed, renamed.

The recipe is the one of LWN's "Ensuring data reaches disk": write a temporary file in the same folder, fsync it,
rename it over the target, fsync the folder.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import time
import tomllib
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from armoire.errors import ArmoireError

AT_FDCWD, RENAME_EXCHANGE = -100, 2  # of Linux: <fcntl.h>, <linux/fs.h>
ABANDONED_SECONDS = 24 * 60 * 60  # after which nobody is still writing
LARGEST_TEXT = 16_000_000  # bytes of a text file that is read as a whole


def cache_folder() -> Path:
    """Where armoire keeps what it can make again: $ARMOIRE_CACHE, else ~/.cache/armoire."""
    return Path(os.environ.get("ARMOIRE_CACHE") or Path.home() / ".cache" / "armoire").expanduser()


def make_folder(path: Path) -> Path:
    """Make a folder and its parents; one sentence where that is not allowed."""
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an operating system's refusal to write `path` into an ArmoireError."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ArmoireError(
            f"cannot write {path}: {reason}; choose another place or mend its permissions or free space"
        ) from error


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a name beside `path` (same suffix) to write to; on success it takes the place of `path` in one step."""
    beside = path.with_name(f".{path.stem[:40]}.{uuid.uuid4().hex[:8]}.part{path.suffix}")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield beside
            sync(beside)
            beside.replace(path)
            sync(path.parent)
    finally:
        with contextlib.suppress(OSError):  # what stopped the writing stops this too, and has been told
            beside.unlink()


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a folder beside `path` to fill; on success it becomes `path`, replacing what was there."""
    beside = path.with_name(f".{path.name[:40]}.{uuid.uuid4().hex[:8]}.part")
    try:
        with writing(path):
            beside.mkdir(parents=True)
            yield beside
            for part in (*beside.rglob("*"), beside):
                sync(part)
            _put(beside, path)
            sync(path.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _put(beside: Path, path: Path) -> None:
    """Rename a folder; no folder is renamed over a full one: the two change places, or the old one steps aside."""
    try:
        beside.rename(path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    else:
        return
    old = beside.with_suffix(".old")
    if _exchange(beside, path):
        beside.rename(old)
    else:
        path.rename(old)
        try:
            beside.rename(path)
        except OSError:
            old.rename(path)
            raise
    shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Give two folders each other's name in one step, where the system can: Linux, on most file systems."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    return rename is not None and rename(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0


def sweep(folder: Path, name: str = "", older: float = 0) -> None:
    """Remove what killed processes left half-written in a folder.

    Args:
        folder: where.
        name: of the file or folder that was to be written; all of them without.
        older: seconds since its last change; 0 where no other process can be writing there.
    """
    for path in list(folder.iterdir()) if folder.is_dir() else ():
        if _unfinished(name).fullmatch(path.name):
            with contextlib.suppress(OSError):
                if time.time() - path.lstat().st_mtime >= older:
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def is_being_written(path: Path) -> bool:
    """Whether a file or folder is half-written, and was changed within the last day."""
    unfinished = _unfinished().fullmatch(path.name) is not None
    return unfinished and time.time() - path.lstat().st_mtime < ABANDONED_SECONDS


def _unfinished(name: str = "") -> re.Pattern[str]:
    return re.compile(rf"\.{re.escape(name[:40])}.*\.[0-9a-f]{{8}}\.(part|old)(\.\w+)?")


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_path(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a binary file atomically."""
    with atomic_path(path) as beside:
        beside.write_bytes(content)


def read_text(path: Path, largest: int = LARGEST_TEXT) -> str:
    """A UTF-8 text file of a bearable size.

    Raises:
        OSError: it cannot be read, or is no plain file.
        ValueError: it is too large, or not UTF-8.
    """
    facts = path.stat()
    # A pipe or a device would keep its reader waiting for ever.
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(errno.EINVAL, "no plain file", str(path))
    if facts.st_size > largest:
        raise ValueError(f"{facts.st_size:,} bytes are more than {largest:,}")
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()


def parse_json(text: str) -> Any:
    """JSON from text; ValueError whatever is wrong with it."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_json(path: Path) -> Any:
    """JSON from a file.

    Raises:
        OSError, ValueError: as `read_text` and `parse_json`.
    """
    return parse_json(read_text(path))


def write_checksummed(path: Path, content: dict[str, Any]) -> None:
    """Write an object as JSON, atomically, with an entry `sha256` that tells whether anything was changed since."""
    write_text(path, json.dumps(with_checksum(content), ensure_ascii=False, indent=1) + "\n")


def read_checksummed(path: Path) -> dict[str, Any]:
    """What `write_checksummed` wrote, without its checksum.

    Raises:
        OSError, ValueError: as `read_json`; and where it is not, or no longer, what was written.
    """
    found = read_json(path)
    content = {name: value for name, value in found.items() if name != "sha256"} if isinstance(found, dict) else {}
    if found != with_checksum(content):
        raise ValueError("its digest is not that of its content")
    return content


def with_checksum(content: dict[str, Any]) -> dict[str, Any]:
    """An object and the SHA-256 of it: of its canonical JSON, names sorted and nothing between."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return content | {"sha256": sha256(text.encode())}


def parse_toml(text: str) -> dict[str, Any]:
    """TOML from text; ValueError whatever is wrong with it."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def sha256(*parts: bytes | memoryview) -> str:
    """Hexadecimal SHA-256 of the parts, one after the other."""
    return sha256_of(parts)


def sha256_of(parts: Iterable[bytes | memoryview]) -> str:
    """The same of parts that come one by one."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
