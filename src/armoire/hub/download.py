"""Downloads from the Hub: each commit once into the cache, every file verified against the Hub's size and digest."""

from __future__ import annotations

import glob
import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from armoire.errors import ArmoireError
from armoire.hub.cache import HubCache
from armoire.hub.client import UnreachableError, client, hub_errors
from armoire.hub.parts import MODEL, PARTS, REQUIRED
from armoire.hub.reference import COMMIT, Reference, parse_reference
from armoire.io.files import atomic_folder, sweep
from armoire.io.locks import LOCK, file_lock
from armoire.progress import SILENT, Progress, Task

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

RESTARTS = 5  # of files by the server


def local_folder(path: str | Path, progress: Progress = SILENT) -> Path:
    """The folder of a run: `path` itself, or the download of `hf:OWNER/NAME`."""
    reference = parse_reference(path)
    return Path(path) if reference is None else fetch(reference, "run", progress)


def fetch(reference: Reference, kind: str = "run", progress: Progress = SILENT) -> Path:
    """The folder of a run (kind `run`) or of its weights alone (`model`), downloaded if it is not in the cache.

    Without a network it is the last download of the revision, and a note says so.

    Raises:
        ArmoireError: the repository holds no run, cannot be downloaded, or a file is not what the Hub says.
    """

    def select(names: list[str]) -> dict[str, int]:
        for name in REQUIRED if kind == "run" else (MODEL,):
            if name not in names:
                raise ArmoireError(f"{reference} holds no {name}, so it is no {kind} of armoire's")
        return {name: PARTS[name] for name in (PARTS if kind == "run" else (MODEL,)) if name in names}

    cache = HubCache(reference, kind)
    return fetch_files(cache, lambda: list_files(reference, "model", str(reference), select), progress)


@dataclass(frozen=True)
class HubFile:
    """Name in the repository, size in bytes, and digest: SHA-256 of a large file, git's SHA-1 of a small one."""

    name: str
    size: int
    digest: str

    def verify(self, folder: Path) -> None:
        """Raise an ArmoireError unless the file in `folder` has this size and digest."""
        digest = hashlib.sha256() if len(self.digest) == 64 else hashlib.sha1(f"blob {self.size}\0".encode())
        with (folder / self.name).open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        if digest.hexdigest() != self.digest:
            raise ArmoireError(f"the download of {self.name} differs from what the Hub announced; try again")


@dataclass(frozen=True)
class FileListing:
    """The files to download of one commit; `repo_type` is model or dataset."""

    repo_type: str
    commit: str
    files: Sequence[HubFile]


def list_files(
    reference: Reference, repo_type: str, what: str, select: Callable[[list[str]], Mapping[str, int]]
) -> FileListing:
    """The files of a revision that are to be downloaded; `what` is requested, for errors.

    `repo_type` is model or dataset; `select` gives the largest size in bytes of each file, from the names of all.
    """
    with hub_errors(what):
        from huggingface_hub import constants

        info: Any = client().repo_info(
            reference.repository,
            repo_type=repo_type,
            revision=reference.revision,
            files_metadata=True,
            timeout=constants.HF_HUB_ETAG_TIMEOUT,
        )
        if not COMMIT.fullmatch(info.sha or ""):
            raise ValueError("no commit in the answer")
        there = {sibling.rfilename: sibling for sibling in info.siblings or []}
        files = [_described(there[name], largest) for name, largest in select(list(there)).items()]
        return FileListing(repo_type, str(info.sha), files)


def _described(sibling: RepoSibling, largest: int) -> HubFile:
    digest = sibling.lfs.sha256 if sibling.lfs else sibling.blob_id
    size = sibling.lfs.size if sibling.lfs else sibling.size
    if not isinstance(size, int) or not isinstance(digest, str) or not COMMIT.fullmatch(digest):
        raise ValueError(f"no size or digest of {sibling.rfilename} in the answer")
    if size > largest:
        raise ArmoireError(f"{sibling.rfilename} has {size:,} bytes, and {largest:,} at most are downloaded")
    return HubFile(sibling.rfilename, size, digest)


def fetch_files(cache: HubCache, list_files: Callable[[], FileListing], progress: Progress = SILENT) -> Path:
    """The folder with the files of `list_files()`, from the cache where this commit is there."""
    reference = cache.reference
    if reference.is_commit and (cached := cache.find(reference.revision)):
        return cached
    try:
        listing = list_files()
    except UnreachableError as error:
        if (latest := cache.latest()) is None:
            raise
        progress.note(f"{error}; using commit {latest[0][:8]} of {reference.repository}, downloaded before")
        return latest[1]
    folder = cache.find(listing.commit) or _download(listing, cache, progress)
    cache.set_latest(listing.commit)
    return folder


def _download(listing: FileListing, cache: HubCache, progress: Progress) -> Path:
    folder, total = cache.path(listing.commit), sum(file.size for file in listing.files)
    with file_lock(cache.folder / LOCK, str(cache.reference), progress.note):
        if cached := cache.find(listing.commit):  # by the process that had the lock
            return cached
        sweep(folder.parent)
        title = f"downloading {cache.reference}"
        with atomic_folder(folder) as partial, progress.task(title, total, "bytes", rate=True) as task:
            with hub_errors(str(cache.reference)):
                client().snapshot_download(
                    cache.reference.repository,
                    repo_type=listing.repo_type,
                    revision=listing.commit,
                    allow_patterns=[glob.escape(file.name) for file in listing.files],
                    local_dir=partial,
                    tqdm_class=_byte_counter(total, task),  # type: ignore[arg-type]
                )
                for file in listing.files:
                    file.verify(partial)
            shutil.rmtree(partial / ".cache")
    return folder


def _byte_counter(total: int, task: Task) -> type:
    """A progress bar for huggingface_hub that reports to `task`, and stops a server that sends more than `total`."""
    from huggingface_hub.utils import tqdm

    class ByteCounter(tqdm):
        def __init__(self, *args: Any, **settings: Any) -> None:
            # The other bars count files, and bytes on the network, which differ from bytes on disk with xet.
            name = str(settings.get("name", ""))
            self.counts_bytes = settings.get("unit") == "B" and not name.endswith(".transfer")
            self.received, self.restarts = 0, 0
            super().__init__(*args, **settings | {"disable": True})

        def update(self, n: float | None = 1) -> None:
            if self.counts_bytes:
                self.received += int(n or 0)
                self.restarts += (n or 0) < 0
                if self.received > total or self.restarts > RESTARTS:
                    raise ArmoireError(f"the Hub sends more than the {total:,} bytes that it announced; try again")
                task.advance(int(n or 0))

    return ByteCounter
