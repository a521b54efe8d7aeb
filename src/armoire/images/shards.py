"""A source too large to be packed, divided into parts that any process, on any machine, can read by itself.

The division depends on the source and the size of a part alone: whoever divides the same source gets the same parts.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
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

# What another try may mend: a picture is not to be counted as broken because a disk or a server was.
PASSING = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOTCONN}


@runtime_checkable
class Shard(Protocol):
    """Some consecutive pictures of a source."""

    def __len__(self) -> int: ...

    def pictures(self) -> Iterator[tuple[str, Decode]]:
        """The id of each picture, and how to get its pixels."""
        ...


@dataclass(frozen=True)
class ShardedSource:
    """A source in parts.

    Attributes:
        source: what it is, for people.
        digest: changes when a file of it comes, goes or is rewritten.
        parts: all of its pictures, each in one part.
    """

    source: str
    digest: str
    parts: Sequence[Shard] = field(repr=False)

    def __len__(self) -> int:
        """How many pictures there are."""
        return sum(len(part) for part in self.parts)


@dataclass(frozen=True)
class FileShard:
    """Some files below a folder: for each its name, in characters that UTF-8 knows, and where it lies."""

    files: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.files)

    def pictures(self) -> Iterator[tuple[str, Decode]]:
        """See Shard."""
        for name, path in self.files:
            yield name, decoder(lambda path=Path(path): open_file(path))


@dataclass(frozen=True)
class ZipShard:
    """Some members of a zip."""

    archive: str
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def pictures(self) -> Iterator[tuple[str, Decode]]:
        """See Shard."""
        listing = _listing(self.archive)
        for name in self.names:
            yield name, decoder(lambda name=name: listing.open(name))


@dataclass(frozen=True)
class StoreShard:
    """Rows start to stop of a packed store, whose pictures are fitted already."""

    store: str
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def pictures(self) -> Iterator[tuple[str, Decode]]:
        """See Shard."""
        images = _store(self.store)
        ids = images.table["id"].slice(self.start, len(self)).to_pylist()
        for row, name in enumerate(ids, self.start):
            yield name, lambda _fit, row=row: np.array(images.images[row])


def shard_files(path: Path, listing: FileListing, size: int) -> ShardedSource:
    """The pictures of a folder or zip, `size` to a part.

    Raises:
        ArmoireError: there is none.
    """
    names = listing.names
    if not names:
        raise ArmoireError(f"no images in {path}; give a folder or zip of images, or Parquet files with images")
    whole = path.resolve()
    parts: list[Shard] = []
    for start, stop in spans(len(names), size):
        part = tuple(names[start:stop])
        # Absolute, since who reads it may stand elsewhere.
        lying = tuple((name, str(whole / listing.paths[name].relative_to(path))) for name in part if listing.paths)
        parts.append(FileShard(lying) if listing.paths else ZipShard(str(whole), part))
    return ShardedSource(str(whole), listing.digest, parts)


def shard_store(images: ImageSet, size: int) -> ShardedSource:
    """The pictures of a packed set, `size` to a part."""
    if images.store is None:
        raise ArmoireError(f"{images.info.name} lies in memory only; write it to a folder of images first")
    store = str(images.store.resolve())
    parts = [StoreShard(store, start, stop) for start, stop in spans(len(images), size)]
    return ShardedSource(images.info.source or images.info.name, images.info.fingerprint, parts)


def spans(n: int, size: int) -> list[tuple[int, int]]:
    """0 to n in steps of `size`, as (start, stop); the last may be shorter."""
    return list(pairwise([*range(0, n, size), n]))


def decoder(opener: Callable[[], OpenFile]) -> Decode:
    """Decode and fit what `opener` opens; a failing disk or network is an OSError, not a broken picture."""

    def decode(fit: Fit) -> np.ndarray:
        try:
            return read_fitted(opener, fit)
        except RejectedImageError as error:
            if isinstance(cause := error.__context__, OSError) and cause.errno in PASSING:
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
        raise ArmoireError(f"no store at {folder}, or a damaged one; it has to lie where every worker can read it")
    return images
