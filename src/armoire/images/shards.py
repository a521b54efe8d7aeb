"""A source that is too large to pack, as shards that any process on any machine can read by itself.

The shards depend on the source and the shard size alone: sharding the same source again gives the same shards.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from armoire.errors import ArmoireError
from armoire.images.decode import OpenFile, RejectedImageError
from armoire.images.fit import Decode, Fit, read_fitted
from armoire.images.imageset import ImageSet
from armoire.images.listing import FileListing, list_zip, open_file
from armoire.images.store import open_store

# Errors of a disk or network: the shard is tried again, and the image is not counted as damaged.
TRANSIENT = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOTCONN}


@runtime_checkable
class Shard(Protocol):
    """Consecutive images of a source."""

    def __len__(self) -> int: ...

    def pictures(self) -> Iterator[tuple[str, Decode]]:
        """The id of each image and the function that gives its pixels."""
        ...


@dataclass(frozen=True)
class ShardedSource:
    """A source in shards.

    Attributes:
        source: its path or name.
        digest: changes when one of its files is added, removed or rewritten.
        shards: every image is in exactly one of them.
    """

    source: str
    digest: str
    shards: Sequence[Shard] = field(repr=False)

    def __len__(self) -> int:
        """Number of images."""
        return sum(len(shard) for shard in self.shards)


@dataclass(frozen=True)
class FileShard:
    """Files below a folder, as names in UTF-8 and absolute paths, or members of a zip, as names."""

    names: tuple[str, ...]
    paths: tuple[str, ...] = ()
    archive: str = ""

    def __len__(self) -> int:
        return len(self.names)

    def pictures(self) -> Iterator[tuple[str, Decode]]:
        open_one = _listing(self.archive).open if self.archive else lambda path: open_file(Path(path))
        for name, where in zip(self.names, self.paths or self.names, strict=True):
            yield name, decoder(partial(open_one, where))


@dataclass(frozen=True)
class StoreShard:
    """Rows start to stop of a packed store, whose images are fitted already."""

    store: str
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def pictures(self) -> Iterator[tuple[str, Decode]]:
        images = _store(self.store)
        ids = images.table["id"].slice(self.start, len(self)).to_pylist()
        for row, name in enumerate(ids, self.start):
            yield name, lambda _fit, row=row: np.array(images.images[row])


def shard_files(path: Path, listing: FileListing, size: int) -> ShardedSource:
    """Shards of `size` images of a folder or zip; ArmoireError where it holds none."""
    names = listing.names
    if not names:
        raise ArmoireError(f"no images in {path}; give a folder or zip of images, or Parquet files with images")
    absolute = path.resolve()
    shards: list[Shard] = []
    for start, stop in spans(len(names), size):
        part = tuple(names[start:stop])
        paths = tuple(str(absolute / listing.paths[name].relative_to(path)) for name in part if listing.paths)
        shards.append(FileShard(part, paths, "" if listing.paths else str(absolute)))
    return ShardedSource(str(absolute), listing.digest, shards)


def shard_store(images: ImageSet, size: int) -> ShardedSource:
    """Shards of `size` images of a packed set."""
    if images.store is None:
        raise ArmoireError(f"{images.info.name} is in memory only; write it to a folder of images first")
    store = str(images.store.resolve())
    shards = [StoreShard(store, start, stop) for start, stop in spans(len(images), size)]
    return ShardedSource(images.info.source or images.info.name, images.info.fingerprint, shards)


def spans(n: int, size: int) -> list[tuple[int, int]]:
    """0 to n in steps of `size`, as (start, stop); the last may be shorter."""
    return list(pairwise([*range(0, n, size), n]))


def decoder(opener: Callable[[], OpenFile]) -> Decode:
    """Decode and fit what `opener` opens; a failing disk or network raises OSError instead of rejecting the image."""

    def decode(fit: Fit) -> np.ndarray:
        try:
            return read_fitted(opener, fit)
        except RejectedImageError as error:
            if isinstance(cause := error.__context__, OSError) and cause.errno in TRANSIENT:
                raise cause from None
            raise

    return decode


@lru_cache(maxsize=1)
def _listing(archive: str) -> FileListing:
    return list_zip(Path(archive))


@lru_cache(maxsize=1)
def _store(folder: str) -> ImageSet:
    images = open_store(Path(folder))
    if images is None:
        raise ArmoireError(f"no store at {folder}, or a damaged one; put it where every worker can read it")
    return images
