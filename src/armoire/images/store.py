"""The packed store: a data set as one memory-mapped array and one table, built once.

images.npy     uint8 (n, h, w, c); training images first, then validation, then test
table.parquet  id, split, label, attributes
info.json      name, source, fit, classes, fingerprint, counts
and the files of `reading`
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from armoire.errors import ArmoireError
from armoire.images.imageset import ImageSet, SetInfo, fingerprint
from armoire.images.mapped import allocate, open_array, release
from armoire.images.reading import Reading
from armoire.images.scratch import scratch_of
from armoire.io.files import atomic_folder, cache_folder, read_checksummed, write_checksummed
from armoire.io.locks import file_lock
from armoire.io.tables import read_table, write_table

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = 4
CHUNK = 1024  # images copied at once


def store_path(name: str, key: str) -> Path:
    """The store of a source in the cache."""
    return cache_folder() / "stores" / f"{name}-{key[:12]}-v{VERSION}"


def current_store(store: Path, listing: str) -> ImageSet | None:
    """A store, unless the source, whose digest is `listing`, has changed since it was built."""
    ready = open_store(store)
    return ready if ready is not None and ready.info.listing == listing else None


def open_store(folder: Path) -> ImageSet | None:
    """Open a store, or None where there is none or it is damaged: it is a cache and can be rebuilt."""
    try:
        info = SetInfo.from_dict(read_checksummed(folder / "info.json"))
        images = open_array(folder / "images.npy")
        table = read_table(folder / "table.parquet")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if images.dtype != np.uint8 or images.ndim != 4 or len(images) != table.num_rows:
        return None
    _sweep_scratch(folder)
    return ImageSet(images, table, info, folder)


def _sweep_scratch(folder: Path) -> None:
    """Delete a killed process's scratch folder of a complete store, unless a process that rebuilds it has the lock."""
    scratch = scratch_of(folder)
    if scratch.exists():
        with contextlib.suppress(ArmoireError), file_lock(lock_of(folder), folder.name):
            shutil.rmtree(scratch, ignore_errors=True)


def lock_of(folder: Path) -> Path:
    """The lock file of a store."""
    return folder.with_name(f".{folder.name}.lock")


def write_store(
    folder: Path,
    images: np.ndarray,
    table: pa.Table,
    info: SetInfo,
    reading: Reading | None = None,
    order: np.ndarray | None = None,
) -> ImageSet:
    """Write a store atomically and open it; fills in the fingerprint of `info`.

    The table has n rows in the final order, `order` n indices into `images`, uint8 (m, h, w, c); by default all in
    order.
    """
    order = np.arange(len(images)) if order is None else order
    with atomic_folder(folder) as temporary:
        packed = allocate(temporary / "images.npy", (len(order), *images.shape[1:]))
        for start in range(0, len(order), CHUNK):
            packed[start : start + CHUNK] = images[order[start : start + CHUNK]]
            release(packed)
            release(images)
        packed.flush()
        info = replace(info, fingerprint=fingerprint(packed, table))
        write_table(table, temporary / "table.parquet")
        write_checksummed(temporary / "info.json", asdict(info))
        (reading or Reading()).write(temporary)
        del packed
    built = open_store(folder)
    if built is None:
        raise ArmoireError(f"the store just written to {folder} cannot be read back; is the disk full or failing?")
    return built
