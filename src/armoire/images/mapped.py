"""Memory-mapped arrays, so that a data set may be larger than memory."""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from tokenize import TokenError
from typing import Literal

import numpy as np

MAGIC = b"\x93NUMPY"


def allocate(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """A new uint8 array in a .npy file with its disk space reserved: a full disk raises here, not SIGBUS later."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def open_array(path: Path, mode: Literal["r", "r+"] | None = "r") -> np.ndarray:
    """Open a .npy file, memory-mapped unless `mode` is None; ValueError where it is damaged or holds Python objects."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:  # NumPy would take it for an archive or a pickle
            raise ValueError("not a .npy file")
    with _damage_as_value_error():
        return np.load(path, mmap_mode=mode, allow_pickle=False)


def open_arrays(path: Path) -> dict[str, np.ndarray | None]:
    """Read the arrays of a .npz file, None for one of Python objects; raises as `open_array` does."""
    with _damage_as_value_error(), path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        objects = {name for name in archive.files if _holds_objects(archive, name)}
        return {name: None if name in objects else archive[name] for name in archive.files}


def _holds_objects(archive: np.lib.npyio.NpzFile, name: str) -> bool:
    """Whether an array's header declares Python objects, which only pickle, and so anybody's code, can read."""
    members = archive.zip
    assert members is not None
    with members.open(name if name in members.namelist() else f"{name}.npy") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return False
        header = file.read(4096)
    return b"'|O'" in header or b"'O'" in header


@contextlib.contextmanager
def _damage_as_value_error() -> Iterator[None]:
    try:
        yield
    except (TokenError, SyntaxError, EOFError, TypeError, OverflowError, MemoryError, RecursionError) as error:
        # NumPy parses the header as Python source.
        raise ValueError(f"its header cannot be read: {error}") from None
    except (zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, RuntimeError, AttributeError) as error:
        raise ValueError(f"it is damaged: {error}") from None


def release(array: np.ndarray) -> None:
    """Free the memory of a mapped array or a part of one; its values stay in the file and are read again when used."""
    pages = _pages(array)
    if pages is not None:
        if array.flags.writeable and isinstance(array, np.memmap):
            array.flush()
        pages.madvise(mmap.MADV_DONTNEED)


def _pages(array: object) -> mmap.mmap | None:
    """The mapping below an array, or None where there is none or the system has no madvise."""
    while isinstance(array, np.ndarray):
        array = array.base
    return array if isinstance(array, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED") else None
