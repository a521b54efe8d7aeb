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
    """A new uint8 array in a .npy file whose place on the disk is certain: a full disk is told now, not by a crash."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def open_array(path: Path, mode: Literal["r", "r+"] | None = "r") -> np.ndarray:
    """Open a .npy file, memory-mapped unless `mode` is None.

    Raises:
        ValueError: it is damaged, or holds Python objects.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:  # NumPy would take it for an archive, or a pickle
            raise ValueError("it is no .npy file")
    with _damage_told():
        return np.load(path, mmap_mode=mode, allow_pickle=False)


def open_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of a .npz file.

    Raises:
        ValueError: it is damaged, or holds Python objects.
        OSError: it cannot be read.
    """
    with _damage_told(), path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


@contextlib.contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except (TokenError, SyntaxError, EOFError, TypeError, OverflowError, MemoryError, RecursionError) as error:
        # NumPy reads the header as Python's source.
        raise ValueError(f"its header cannot be read: {error}") from None
    except (zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, RuntimeError, AttributeError) as error:
        raise ValueError(f"it is damaged: {error}") from None


def release(array: np.ndarray) -> None:
    """Let go of the memory that a mapped array, or a part of one, takes; its values stay in the file, and come back."""
    pages = _pages(array)
    if pages is not None:
        if array.flags.writeable and isinstance(array, np.memmap):
            array.flush()
        pages.madvise(mmap.MADV_DONTNEED)


def _pages(array: object) -> mmap.mmap | None:
    """What an array is mapped by, if it is and if the system lets itself be advised."""
    while isinstance(array, np.ndarray):
        array = array.base
    return array if isinstance(array, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED") else None
