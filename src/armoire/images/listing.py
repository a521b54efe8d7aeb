"""The files of a folder, and how to open files safely; `archives` lists those of a zip or tar."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, TypeVar

from armoire.images.decode import OpenFile, RejectedImageError
from armoire.io.files import cache_folder, sha256

# Common companions of image files. Any other file is tried, and reported if it cannot be read.
SIDECARS = {
    *(".csv", ".tsv", ".txt", ".json", ".jsonl", ".md", ".xml", ".yaml", ".yml", ".html", ".pdf", ".rst", ".rtf"),
    *(".db", ".ini", ".log", ".idx", ".lock", ".py", ".ipynb", ".sh", ".md5", ".sha1", ".sha256", ".sfv"),
    *(".xls", ".xlsx", ".doc", ".docx", ".toml", ".cfg", ".info", ".names", ".data", ".mat", ".pkl", ".url"),
}
SIDECAR_STEMS = {"license", "licence", "copying", "notice", "authors", "readme", "_success", "makefile", "version"}
CHECKSUMS = re.compile(r"(md5|sha\d*|checksums?)(sums?)?(\..*)?")
THUMBNAILS = {"thumbs", "thumbnails", "thumbnail", "thumb", "@eadir"}
IMAGE_ENDINGS = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".png", ".apng", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"),
    *(".heic", ".heif"),
}
LARGEST_FILE = 256_000_000  # bytes
RUN_FILES = {"recipe.toml", "model.safetensors"}

F = TypeVar("F", bound="FileListing")


@dataclass(frozen=True)
class Ignored:
    """A file or folder of a source that is not read, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class FileListing(ABC):
    """The files of a folder or archive; it can be pickled."""

    path: Path  # of the folder or archive, absolute
    names: list[str]  # sorted paths inside of it, with forward slashes, of the files that may be images
    digest: str  # changes when one of these files is added, removed or rewritten
    sidecars: dict[str, str]  # the other files, each with a stamp that changes when the file does
    ignored: tuple[Ignored, ...] = ()  # what is not listed, and why
    # where a file is stored, for those that their name does not lead to
    places: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def root_name(self) -> str:
        """The name of the folder that is listed, "" for an archive."""
        return ""

    @abstractmethod
    def open(self, name: str) -> OpenFile:
        """Open a file by its name; RejectedImageError where it cannot be."""

    def part(self: F, names: Sequence[str]) -> F:
        """The listing of these files alone."""
        places = {name: self.places[name] for name in names if name in self.places}
        return replace(self, names=list(names), sidecars={}, ignored=(), places=places)

    def without(self: F, ignored: Mapping[str, str]) -> F:
        """The listing without some names, each with the reason."""
        more = tuple(Ignored(name, reason) for name, reason in ignored.items())
        return replace(self, names=[n for n in self.names if n not in ignored], ignored=self.ignored + more)


class FolderListing(FileListing):
    """The files below a folder."""

    @property
    def root_name(self) -> str:
        return self.path.name

    def open(self, name: str) -> OpenFile:
        return open_file(self.path / self.places.get(name, name))


def list_folder(path: Path) -> FolderListing:
    """The files below a folder; links to folders are followed, each folder once."""
    path = path.resolve()
    entries, ignored = _walk(path)
    found: dict[str, tuple[str, str]] = {}  # the name on the disk, and a stamp
    for inside, status in entries:
        name = readable(inside)
        if name in found:  # two spellings of one name
            name = inside.encode("utf-8", "backslashreplace").decode()
        found[name] = inside, stamp_of(inside, status)
    places = {name: inside for name, (inside, _) in found.items() if name != inside}
    sidecars = {name: stamp for name, (_, stamp) in found.items() if is_sidecar(name)}
    names = sorted(found.keys() - sidecars.keys())
    digest = digest_of(sorted(found[name][1] for name in names))
    listing = FolderListing(path, names, digest, sidecars, tuple(ignored), places)
    return listing.without(thumbnails(names))


def list_one(path: Path) -> FolderListing:
    """The listing of a single file, in its folder."""
    path = path.resolve()
    return FolderListing(path.parent, [path.name], digest_of([stamp_of(path.name, path.stat())]), {})


def _walk(path: Path) -> tuple[list[tuple[str, os.stat_result]], list[Ignored]]:
    """Path inside the folder and status of every file, and what is left out."""
    files: list[tuple[str, os.stat_result]] = []
    ignored: list[Ignored] = []
    seen: dict[tuple[int, int], str] = {}
    cache = cache_folder().resolve()
    for root, folders, here in os.walk(path, followlinks=True):
        inside = Path(root).relative_to(path).as_posix()
        prefix = "" if inside == "." else f"{inside}/"
        status = _status(root)
        if (other := seen.setdefault((status.st_dev, status.st_ino), inside)) != inside:
            ignored.append(Ignored(prefix, f"a link to {other}/, which is read already"))
            folders[:], here = [], []
        elif prefix and (set(here) >= RUN_FILES or Path(root) == cache):
            ignored.append(Ignored(prefix, "a run or the cache of armoire"))
            folders[:], here = [], []
        ignored += [Ignored(f"{prefix}{name}/", "hidden") for name in folders if is_hidden(name)]
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        ignored += [Ignored(f"{prefix}{name}", "hidden") for name in here if is_hidden(name)]
        files += [(f"{prefix}{name}", _status(f"{root}/{name}")) for name in sorted(here) if not is_hidden(name)]
    return files, ignored


def _status(path: str) -> os.stat_result:
    try:
        # Of a link's target, so that a change of it is noticed; pathlib is slow for a million files.
        return os.stat(path)  # noqa: PTH116
    except OSError:  # a broken link or a loop of links, reported when it is opened
        return os.lstat(path)


def thumbnails(names: Iterable[str]) -> dict[str, str]:
    """Names of copies in folders of thumbnails, with the reason; none where all images are in such a folder."""
    names = list(names)
    found = {n: "in a folder of thumbnails" for n in names if {p.lower() for p in n.split("/")[:-1]} & THUMBNAILS}
    return found if len(found) < len(names) else {}


def is_sidecar(name: str) -> bool:
    """Whether a file is a common companion of images, by its name."""
    name = name.rpartition("/")[2].lower()
    return (
        os.path.splitext(name)[1] in SIDECARS  # noqa: PTH122
        or name.partition(".")[0] in SIDECAR_STEMS
        or CHECKSUMS.fullmatch(name) is not None
    )


def has_image_ending(name: str) -> bool:
    """Whether a name has the ending of an image format that is read."""
    return PurePosixPath(name).suffix.lower() in IMAGE_ENDINGS


def readable(name: str) -> str:
    """A path as it is shown and compared: NFC, as tables are written; bytes that are not UTF-8 are escaped."""
    return unicodedata.normalize("NFC", name).encode("utf-8", "backslashreplace").decode()


def open_file(path: Path) -> OpenFile:
    """Open a regular file of at most `LARGEST_FILE` bytes; RejectedImageError for anything else."""
    # Opening a device or a pipe would block for ever.
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise RejectedImageError("not a regular file")
    if status.st_size == 0:
        raise RejectedImageError("empty file")
    check_size(status.st_size)
    return path.open("rb")


def open_bytes(content: bytes) -> OpenFile:
    """Bytes as an open file; RejectedImageError where there are none or more than `LARGEST_FILE`."""
    if not content:
        raise RejectedImageError("empty file")
    check_size(len(content))
    return BytesIO(content)


def check_size(size: int) -> None:
    """Raise RejectedImageError for more than `LARGEST_FILE` bytes."""
    if size > LARGEST_FILE:
        raise RejectedImageError(f"{size:,} bytes are more than {LARGEST_FILE:,}")


def name_below(name: str, folder: Path) -> str:
    """An image's id without this machine's folders: an absolute path relative to `folder`, or its last part.

    Ids are published: in a pushed run, an exported site, a table of latents.
    """
    path = next((kind(name) for kind in (PurePosixPath, PureWindowsPath) if kind(name).is_absolute()), None)
    if path is None:
        return name
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name or name


def is_hidden(name: str) -> bool:
    """Whether a part of a path begins with a dot or is macOS's `__MACOSX`."""
    return any((part[:1] == "." and part not in (".", "..")) or part == "__MACOSX" for part in name.split("/"))


def stamp_of(name: str, status: os.stat_result) -> str:
    """What changes when a file is renamed or rewritten."""
    return f"{name}\0{status.st_size}\0{status.st_mtime_ns}"


def digest_of(stamps: Iterable[str]) -> str:
    """A digest of the stamps of files."""
    return sha256("\n".join(stamps).encode("utf-8", "surrogateescape"))


def numbered(names: Iterable[str]) -> Iterator[str]:
    """Names with `#2`, `#3`, ... appended to those that occurred before."""
    times: dict[str, int] = {}
    for name in names:
        times[name] = times.get(name, 0) + 1
        yield name if times[name] == 1 else f"{name}#{times[name]}"
