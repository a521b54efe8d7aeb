"""The files of a folder or zip, and how to open them safely."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BufferedReader, BytesIO
from pathlib import Path, PurePosixPath, PureWindowsPath

from armoire.errors import ArmoireError
from armoire.images.decode import OpenFile, RejectedImageError
from armoire.io.files import sha256

# Common companions of image files. Any other file is tried, and reported if it cannot be read.
SIDECARS = {".csv", ".tsv", ".txt", ".json", ".jsonl", ".md", ".xml", ".yaml", ".yml", ".html", ".pdf", ".db", ".ini"}
LARGEST_FILE = 256_000_000  # bytes
LARGEST_IN_MEMORY = 16_000_000  # bytes of a member of a zip


@dataclass(frozen=True)
class FileListing:
    """The files of a source, without hidden ones.

    Attributes:
        names: sorted paths inside the source, with forward slashes, of the files that may be images.
        open: opens a file by its name.
        digest: changes when one of these files is added, removed or rewritten.
        sidecars: the other files, each with a stamp that changes when the file does.
        paths: absolute or relative path of every file of a folder; empty for a zip.
    """

    names: list[str]
    open: Callable[[str], OpenFile]
    digest: str
    sidecars: dict[str, str]
    paths: dict[str, Path] = field(default_factory=dict, repr=False)


def list_source(path: Path) -> FileListing:
    """The files of a folder or zip."""
    return list_zip(path) if path.is_file() else list_folder(path)


def list_one(path: Path) -> FileListing:
    """A single file."""
    status = path.stat()
    digest = _digest([f"{path.name}\0{status.st_size}\0{status.st_mtime_ns}"])
    return FileListing([path.name], lambda _: open_file(path), digest, {}, {path.name: path})


def list_folder(path: Path) -> FileListing:
    """The files below a folder; links to folders are not followed, so that loops end."""
    names, paths, stamps, sidecars = [], {}, [], {}
    for root, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inside = Path(root).relative_to(path).as_posix()
        for file in sorted(files):
            name = file if inside == "." else f"{inside}/{file}"
            if is_hidden(name):
                continue
            status = _status(path / name)
            stamp = f"{name}\0{status.st_size}\0{status.st_mtime_ns}"
            # Tables hold UTF-8; a file name need not be UTF-8.
            utf8 = name.encode("utf-8", "backslashreplace").decode()
            paths[utf8] = path / name
            if Path(file).suffix.lower() in SIDECARS:
                sidecars[utf8] = stamp
            else:
                names.append(utf8)
                stamps.append(stamp)
    return FileListing(names, lambda name: open_file(paths[name]), _digest(stamps), sidecars, paths)


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()  # of a link's target, so that a change of it is noticed
    except OSError:  # a broken link or a loop of links, reported when it is opened
        return path.lstat()


def list_zip(path: Path) -> FileListing:
    """The files in a zip; nothing is unpacked to disk under its own name."""
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # a damaged archive also raises struct and Unicode errors
        raise ArmoireError(f"{path} is not a zip ({error}); give a folder or zip of images, not one file") from None
    files = [m for m in archive.infolist() if m.filename and not m.is_dir()]
    members = {m.filename: m for m in files if not is_hidden(m.filename)}
    names = sorted(name for name in members if PurePosixPath(name).suffix.lower() not in SIDECARS)
    status = path.stat()
    sidecars = dict.fromkeys(members.keys() - set(names), "")  # the archive's stamp covers them
    digest = _digest([f"{status.st_size}\0{status.st_mtime_ns}"])
    return FileListing(names, lambda name: _open_member(archive, members[name]), digest, sidecars)


def _open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> OpenFile:
    check_size(member.file_size)
    if stat.S_ISLNK(member.external_attr >> 16):
        raise RejectedImageError("a link, which is not followed in an archive")
    try:
        if member.file_size > LARGEST_IN_MEMORY:
            return _unpack_to_disk(archive, member)
        return BytesIO(archive.read(member))
    except Exception as error:  # damaged archives raise zlib, struct and zipfile errors alike
        raise RejectedImageError(f"damaged in the archive: {error}") from None


def _unpack_to_disk(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> BufferedReader:
    """A large member as an unnamed temporary file, deleted when it is closed."""
    with tempfile.TemporaryFile() as file, archive.open(member) as packed:
        shutil.copyfileobj(packed, file)
        file.seek(0)
        return os.fdopen(os.dup(file.fileno()), "rb")


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


def _digest(stamps: list[str]) -> str:
    return sha256("\n".join(stamps).encode("utf-8", "surrogateescape"))
