"""The cache, `cache_folder()`: what is stored outside of runs, and can be downloaded or computed again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from armoire.errors import ArmoireError
from armoire.io.files import cache_folder, is_being_written, remove
from armoire.io.locks import LOCK, file_lock

#: Folders of the cache and what they hold; others are listed by their name.
KINDS = {
    "stores": "packed data sets",
    "hub": "downloads from the Hugging Face Hub",
    "fashion-mnist": "download of fashion-mnist",
    "features": "features of data sets, for comparing samples",
    "attribute-classifiers": "attribute classifiers",
    "neighbours": "indexes of latents",
    "explorer": "exported engines and explorers of read-only runs",
}


@dataclass(frozen=True)
class CacheEntry:
    """A file or folder that can be removed on its own."""

    kind: str  # the folder of the cache that holds it
    path: Path
    bytes: int  # its size on the disk


def cache_entries() -> list[CacheEntry]:
    """Everything in the cache, by kind and name."""
    return [CacheEntry(kind.name, path, _size(path)) for kind in _folders(cache_folder()) for path in _parts(kind)]


def clear_cache(note: Callable[[str], None]) -> list[CacheEntry]:
    """Remove everything that no process is writing, and return it; what is in use is reported and stays."""
    removed = []
    for entry in cache_entries():
        try:
            _remove(entry.path)
        except ArmoireError as error:
            note(str(error))
        else:
            removed.append(entry)
    return removed


def _remove(path: Path) -> None:
    name = path.name.removeprefix(".").removesuffix(".scratch")
    with ExitStack() as locks:
        # The locks of packing a data set and of downloading into a repository's folder.
        for lock in (path.with_name(f".{name}.lock"), path / LOCK):
            if lock.exists():
                locks.enter_context(file_lock(lock, str(path)))
        remove(path)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _parts(kind: Path) -> list[Path]:
    """Files and folders of a kind; of the Hub its repositories, HOST/OWNER/NAME and HOST/datasets/OWNER/NAME."""
    if kind.name == "hub":
        owners = [owner for host in _folders(kind) for owner in _folders(host) if owner.name != "datasets"]
        owners += [owner for host in _folders(kind) for owner in _folders(host / "datasets")]
        return sorted(repository for owner in owners for repository in _folders(owner))
    return sorted(path for path in kind.iterdir() if not path.name.endswith(LOCK) and not is_being_written(path))


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
    return sum(file.lstat().st_size for file in files)
