"""What comes out of the Hub: once a commit into the cache, every byte compared with what the Hub says it is."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from armoire.errors import ArmoireError
from armoire.hub.client import UnreachableError, asking, client
from armoire.hub.parts import MODEL, PARTS, RUN
from armoire.hub.reference import COMMIT, Reference, Shelf, parse_reference
from armoire.io.files import atomic_folder, sweep
from armoire.io.locks import LOCK, file_lock
from armoire.progress import SILENT, Progress, Task

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoSibling

NEEDED = {"run": RUN, "model": (MODEL,)}
WANTED = {"run": tuple(PARTS), "model": (MODEL,)}
TIMES_AGAIN = 5  # that a server may begin a file anew
AT_ONCE = 1 << 20  # bytes read at a time


def local_folder(path: str | Path, progress: Progress = SILENT) -> Path:
    """The folder of a run: the one given, or what was fetched for `hf:OWNER/NAME`.

    Raises:
        ArmoireError: it is on the Hub and cannot be fetched.
    """
    reference = parse_reference(path)
    return Path(path) if reference is None else fetch(reference, "run", progress)


def fetch(reference: Reference, kind: str = "run", progress: Progress = SILENT) -> Path:
    """The folder of a run or model of the Hub, fetched where this commit of it is not here yet.

    Without a network, what the revision last was here is used, and a note says so.

    Args:
        reference: what of the Hub.
        kind: `run`, all that travels of one; or `model`, its weights alone.
        progress: where to report.

    Raises:
        ArmoireError: it is not there, or not to be had, or not what it should be.
    """
    return fetch_listed(Shelf(reference, kind), lambda: _list(client(), reference, kind), progress)


def fetch_listed(shelf: Shelf, lists: Callable[[], Listing], progress: Progress = SILENT) -> Path:
    """The folder of what a listing names, fetched where this commit of it is not here yet.

    Args:
        shelf: where it goes.
        lists: asks the Hub for the listing.
        progress: where to report.

    Raises:
        ArmoireError: it is not there, or not to be had, or not what it should be.
    """
    reference = shelf.reference
    if reference.is_commit and (kept := shelf.found(reference.revision)):
        return kept
    try:
        listing = lists()
    except UnreachableError as error:
        if (last := shelf.last()) is None:
            raise
        progress.note(f"{error}; taking commit {last[0][:8]} of {reference.repository}, which was fetched before")
        return last[1]
    folder = shelf.found(listing.commit) or _take(listing, shelf, progress)
    with contextlib.suppress(ArmoireError):  # of a cache that may only be read
        shelf.remember(listing.commit)
    return folder


@dataclass(frozen=True)
class Part:
    """A file as the Hub describes it.

    Attributes:
        name: within the repository.
        size: bytes.
        digest: SHA-256 of a large file, else the SHA-1 by which git names a small one.
    """

    name: str
    size: int
    digest: str

    def check(self, file: Path) -> None:
        """See to it that a file is this one.

        Raises:
            ArmoireError: it is not.
        """
        size = file.stat().st_size
        digest = hashlib.sha256() if len(self.digest) == 64 else hashlib.sha1(f"blob {size}\0".encode())
        with file.open("rb") as opened:
            while block := opened.read(AT_ONCE):
                digest.update(block)
        if size != self.size or digest.hexdigest() != self.digest:
            raise ArmoireError(f"{self.name} came otherwise than the Hub says it is (its digest differs); try again")


@dataclass(frozen=True)
class Listing:
    """What is wanted of a commit.

    Attributes:
        reference: the repository.
        commit: of it.
        parts: the files.
        of: `model` or `dataset`, which is what kind of repository it is.
    """

    reference: Reference
    commit: str
    parts: Sequence[Part]
    of: Literal["model", "dataset"] = "model"


def _list(api: HfApi, reference: Reference, kind: str) -> Listing:
    """The files of a run or model."""
    with asking(str(reference)):
        info = api.model_info(
            reference.repository, revision=reference.revision, files_metadata=True, timeout=patience()
        )
        there = {sibling.rfilename: sibling for sibling in info.siblings or []}
        parts = [part_of(there[name], PARTS[name]) for name in WANTED[kind] if name in there]
        commit = commit_of(info.sha)
    for name in NEEDED[kind]:
        if name not in there:
            raise ArmoireError(f"{reference} holds no {name}, so it is no {kind} of armoire's")
    return Listing(reference, commit, parts)


def patience() -> float:
    """Seconds that the Hub has for an answer, as huggingface_hub is set."""
    from huggingface_hub import constants

    return constants.HF_HUB_ETAG_TIMEOUT


def commit_of(told: str | None) -> str:
    """A commit's name; a ValueError where it is none."""
    if not COMMIT.fullmatch(told or ""):
        raise ValueError("it names no commit")
    return str(told)


def part_of(sibling: RepoSibling, largest: int) -> Part:
    """A file of a listing.

    Raises:
        ValueError: the listing does not say what it is.
        ArmoireError: it has more than `largest` bytes.
    """
    digest = sibling.lfs.sha256 if sibling.lfs else sibling.blob_id
    size = sibling.lfs.size if sibling.lfs else sibling.size
    if not isinstance(size, int) or not isinstance(digest, str) or not COMMIT.fullmatch(digest):
        raise ValueError(f"it tells no size or digest of {sibling.rfilename}")
    if size > largest:
        raise ArmoireError(f"{sibling.rfilename} has {size:,} bytes, and {largest:,} at most are fetched")
    return Part(sibling.rfilename, size, digest)


def _take(listing: Listing, shelf: Shelf, progress: Progress) -> Path:
    parts, folder = listing.parts, shelf.at(listing.commit)
    with file_lock(shelf.folder / LOCK, str(listing.reference), progress.note):
        if (kept := shelf.found(listing.commit)) is not None:  # by who file_lock it before
            return kept
        sweep(folder.parent)
        title, total = f"fetching {listing.reference}", sum(part.size for part in parts)
        with atomic_folder(folder) as beside, progress.task(title, total, "bytes", rate=True) as task:
            for part in parts:
                _take_part(listing, part, beside, task)
            shutil.rmtree(beside / ".scratch")
    return folder


def _take_part(listing: Listing, part: Part, folder: Path, task: Task) -> None:
    with asking(f"{part.name} of {listing.reference}"):
        file = client().hf_hub_download(
            listing.reference.repository,
            part.name,
            repo_type=listing.of,
            revision=listing.commit,
            local_dir=folder / ".scratch",
            tqdm_class=_counter(part, task),  # type: ignore[arg-type]
        )
    part.check(Path(file))
    place = folder / part.name
    place.parent.mkdir(parents=True, exist_ok=True)
    Path(file).replace(place)


def _counter(part: Part, task: Task) -> type:
    """What huggingface_hub takes for a progress bar: it tells of the bytes, and stops those that never end."""

    class Counter:
        # What xet keeps beside the bytes that it writes: how fast, and how many it moved, which may be more.
        format_dict: ClassVar[dict[str, float]] = {}
        total = part.size

        def __init__(self, *_: Any, **__: Any) -> None:
            self.n, self.again = 0, 0

        def update(self, n: float | None = 1) -> None:
            self.n += int(n or 0)
            self.again += (n or 0) < 0
            if self.n > part.size or self.again > TIMES_AGAIN:
                raise ArmoireError(f"{part.name} does not end where it should, after {part.size:,} bytes; try again")
            task.advance(int(n or 0))

        def update_transfer(self, n: float | None = 1) -> None:
            pass

        def __enter__(self) -> Counter:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def __getattr__(self, _name: str) -> Any:
            return lambda *_, **__: None

    return Counter
