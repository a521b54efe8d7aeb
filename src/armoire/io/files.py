"""Atomic writes: a file is complete or absent, also after a crash.

As in LWN's "Ensuring data reaches disk": write a temporary file in the same folder, fsync it, rename it, fsync the
folder.
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
    """The folder of the cache: $ARMOIRE_CACHE, else ~/.cache/armoire."""
    return Path(os.environ.get("ARMOIRE_CACHE") or Path.home() / ".cache" / "armoire").expanduser()


def relative(path: Path) -> Path:
    """A path as people read it: relative to the working directory where it is below that."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def file_name(name: str) -> str:
    """A file name, without its ending, for an untrusted name such as that of an attribute or a class.

    A slash in one is no folder, and a/b is not a:b.
    """
    safe = re.sub(r"[^\w .-]", "_", name)
    return safe if safe == name else f"{safe}-{sha256(name.encode())[:6]}"


def make_folder(path: Path) -> Path:
    """Create a folder and its parents."""
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
            f"cannot write {path}: {reason}; choose another path, or fix its permissions or free space"
        ) from error


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary file in the same folder; on success it is renamed to `path` in one step."""
    temporary = path.with_name(f".{path.stem[:40]}.{uuid.uuid4().hex[:8]}.part{path.suffix}")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
    finally:
        with contextlib.suppress(OSError):  # what failed above may fail here too
            temporary.unlink()


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder next to `path` to fill; on success it becomes `path`, replacing what was there."""
    temporary = path.with_name(f".{path.name[:40]}.{uuid.uuid4().hex[:8]}.part")
    try:
        with writing(path):
            temporary.mkdir(parents=True)
            yield temporary
            for part in (*temporary.rglob("*"), temporary):
                sync(part)
            _replace(path, temporary)
            sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace(path: Path, temporary: Path) -> None:
    """Rename a folder to `path`; where that is a folder with files, the two are exchanged, or it is renamed first."""
    old = temporary.with_suffix(".old")
    try:
        temporary.rename(path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        if _exchange(temporary, path):
            temporary.rename(old)
        else:
            path.rename(old)
            try:
                temporary.rename(path)
            except OSError:
                old.rename(path)
                raise
        shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange the names of two folders in one step, where the system can: Linux, on most file systems."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    return rename is not None and rename(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0


def sweep(folder: Path, name: str = "", older: float = 0) -> None:
    """Remove the temporary files of killed processes in a folder: of one name, or of all.

    Those changed less than `older` seconds ago stay; 0 where no other process can be writing there.
    """
    for path in list(folder.iterdir()) if folder.is_dir() else ():
        if _unfinished(name).fullmatch(path.name):
            with contextlib.suppress(OSError, ArmoireError):
                if time.time() - path.lstat().st_mtime >= older:
                    remove(path)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that it holds."""
    with writing(path):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def is_being_written(path: Path) -> bool:
    """Whether a file or folder is half-written, and was changed within the last day."""
    unfinished = _unfinished().fullmatch(path.name) is not None
    return unfinished and time.time() - path.lstat().st_mtime < ABANDONED_SECONDS


def _unfinished(name: str = "") -> re.Pattern[str]:
    return re.compile(rf"\.{re.escape(name[:40])}.*\.[0-9a-f]{{8}}\.(part|old)(\.\w+)?")


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a binary file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def read_text(path: Path, largest: int = LARGEST_TEXT) -> str:
    """A UTF-8 text file; ValueError where it is too large or not UTF-8, OSError where it cannot be read."""
    status = path.stat()
    # Reading a pipe or a device may never end.
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "no regular file", str(path))
    if status.st_size > largest:
        raise ValueError(f"{status.st_size:,} bytes are more than {largest:,}")
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()


def parse_json(text: str) -> Any:
    """JSON from text; ValueError whatever is wrong with it."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_json(path: Path) -> Any:
    """JSON from a file; errors as `read_text` and `parse_json`."""
    return parse_json(read_text(path))


def write_checksummed(path: Path, content: dict[str, Any]) -> None:
    """Write an object as JSON, atomically, with its checksum as an entry `sha256`."""
    write_text(path, json.dumps(with_checksum(content), ensure_ascii=False, indent=1) + "\n")


def read_checksummed(path: Path) -> dict[str, Any]:
    """What `write_checksummed` wrote, without its checksum; ValueError also where that does not hold."""
    found = read_json(path)
    content = {name: value for name, value in found.items() if name != "sha256"} if isinstance(found, dict) else {}
    if found != with_checksum(content):
        raise ValueError("its digest is not that of its content")
    return content


def with_checksum(content: dict[str, Any]) -> dict[str, Any]:
    """An object with the SHA-256 of its canonical JSON: names sorted, no spaces."""
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
