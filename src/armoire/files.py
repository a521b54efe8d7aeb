"""Files that are complete or absent, never half: written beside, flushed, renamed.

The recipe is the one of LWN's "Ensuring data reaches disk": write a temporary file in the same folder, fsync it,
rename it over the target, fsync the folder.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from armoire.errors import ArmoireError


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
            _sync(beside)
            beside.replace(path)
            _sync(path.parent)
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
                _sync(part)
            _put(beside, path)
            _sync(path.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _put(beside: Path, path: Path) -> None:
    """Rename a folder; what was at `path` steps aside for a moment, since no folder is renamed over a full one."""
    try:
        beside.rename(path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    else:
        return
    old = beside.with_suffix(".old")
    path.rename(old)
    try:
        beside.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_path(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a binary file atomically."""
    with atomic_path(path) as beside:
        beside.write_bytes(content)


def write_safetensors(path: Path, tensors: dict[str, Any], metadata: dict[str, str]) -> bytes:
    """Write torch tensors atomically, equal contents as equal bytes: the library alone shuffles the header's entries.

    Format: eight bytes of header length (little-endian), the header as JSON, the tensors.
    """
    from safetensors.torch import save

    content = save({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, metadata)
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    ordered = {"__metadata__": dict(sorted(header.pop("__metadata__").items()))} | dict(sorted(header.items()))
    text = json.dumps(ordered, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin aligned
    content = len(text).to_bytes(8, "little") + text + content[start:]
    write_bytes(path, content)
    return content


def sha256(*parts: bytes | memoryview) -> str:
    """Hexadecimal SHA-256 of the parts, one after the other."""
    return sha256_of(parts)


def sha256_of(parts: Iterable[bytes | memoryview]) -> str:
    """The same of parts that come one by one."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
