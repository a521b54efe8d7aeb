"""The files of a folder or zip, and what the folders that they lie in say of them."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BufferedReader, BytesIO
from pathlib import Path, PurePosixPath, PureWindowsPath

from armoire.errors import ArmoireError
from armoire.images.columns import SPLIT_NAMES, held_out_or_none
from armoire.images.decode import OpenFile, RejectedImageError
from armoire.io.files import sha256

# What commonly lies beside pictures and is not one; anything else is tried, and named if it cannot be read.
BESIDE = {".csv", ".tsv", ".txt", ".json", ".jsonl", ".md", ".xml", ".yaml", ".yml", ".html", ".pdf", ".db", ".ini"}
LARGEST_FILE = 256_000_000  # bytes
LARGEST_IN_MEMORY = 16_000_000  # bytes of a member of a zip


@dataclass(frozen=True)
class FileListing:
    """The files of a source, and how to open one.

    Attributes:
        names: paths inside the source, with forward slashes, sorted.
        open: opens one of them, or of those beside them.
        digest: changes when one of them comes, goes or is rewritten.
        beside: the files that are not pictures by their name, and for each something that changes when it does.
        paths: where each file of a folder lies; empty for a zip.
    """

    names: list[str]
    open: Callable[[str], OpenFile]
    digest: str
    beside: dict[str, str]
    paths: dict[str, Path] = field(default_factory=dict, repr=False)


def list_source(path: Path) -> FileListing:
    """Every file of a folder or zip but hidden ones."""
    return list_zip(path) if path.is_file() else list_folder(path)


def list_one(path: Path) -> FileListing:
    """A file by itself."""
    facts = path.stat()
    digest = _digest([f"{path.name}\0{facts.st_size}\0{facts.st_mtime_ns}"])
    return FileListing([path.name], lambda _: open_file(path), digest, {}, {path.name: path})


def list_folder(path: Path) -> FileListing:
    """Every file below a folder but hidden ones; links to folders are not followed, so loops cannot trap it."""
    names, real, stamps, beside = [], {}, [], {}
    for root, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inside = Path(root).relative_to(path).as_posix()
        for file in sorted(files):
            name = file if inside == "." else f"{inside}/{file}"
            if is_hidden(name):
                continue
            facts = _facts(path / name)
            stamp = f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}"
            # Tables hold UTF-8, which a file's name need not be.
            told = name.encode("utf-8", "backslashreplace").decode()
            real[told] = path / name
            if Path(file).suffix.lower() in BESIDE:
                beside[told] = stamp
            else:
                names.append(told)
                stamps.append(stamp)
    return FileListing(names, lambda name: open_file(real[name]), _digest(stamps), beside, real)


def _facts(path: Path) -> os.stat_result:
    try:
        return path.stat()  # of what a link leads to, so that a change of it is noticed
    except OSError:  # a broken link, or a loop of them: it will be named when it is opened
        return path.lstat()


def list_zip(path: Path) -> FileListing:
    """Every file in a zip but hidden ones; nothing is ever unpacked to disk."""
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # of a damaged one struct's and Unicode's errors too
        raise ArmoireError(f"{path} is no zip ({error}); give a folder or zip of images, not one file") from None
    files = [m for m in archive.infolist() if m.filename and not m.is_dir()]  # one without a name cannot be told of
    members = {m.filename: m for m in files if not is_hidden(m.filename)}
    names = sorted(name for name in members if PurePosixPath(name).suffix.lower() not in BESIDE)
    facts = path.stat()

    def open_member(name: str) -> OpenFile:
        member = members[name]
        if member.file_size > LARGEST_FILE:
            raise RejectedImageError(f"{member.file_size:,} bytes are more than {LARGEST_FILE:,}")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise RejectedImageError("a link, which archives are not followed to")
        try:
            if member.file_size > LARGEST_IN_MEMORY:
                return _on_disk(archive, member)
            return BytesIO(archive.read(member))
        except Exception as error:  # damaged archives raise zlib, struct and zipfile errors alike
            raise RejectedImageError(f"damaged in the archive: {error}") from None

    beside = dict.fromkeys(members.keys() - set(names), "")  # the archive's own stamp speaks for them
    return FileListing(names, open_member, _digest([f"{facts.st_size}\0{facts.st_mtime_ns}"]), beside)


def open_file(path: Path) -> OpenFile:
    """Open a plain file of a bearable size; RejectedImageError for anything else."""
    # A device or a pipe would block for ever; only what is a plain file in the end is opened.
    facts = path.stat()
    if not stat.S_ISREG(facts.st_mode):
        raise RejectedImageError("not a plain file")
    if facts.st_size == 0:
        raise RejectedImageError("empty file")
    if facts.st_size > LARGEST_FILE:
        raise RejectedImageError(f"{facts.st_size:,} bytes are more than {LARGEST_FILE:,}")
    return path.open("rb")


def _on_disk(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> BufferedReader:
    """A large member as a file without a name, which is gone once it is closed."""
    with tempfile.TemporaryFile() as file, archive.open(member) as packed:
        shutil.copyfileobj(packed, file)
        file.seek(0)
        return os.fdopen(os.dup(file.fileno()), "rb")


def name_below(name: str, folder: Path) -> str:
    """An image's id without the folders of this machine: of an absolute path what is below `folder`, or its last part.

    Ids travel: in a pushed run, an exported site, a table of latents.
    """
    path = next((kind(name) for kind in (PurePosixPath, PureWindowsPath) if kind(name).is_absolute()), None)
    if path is None:
        return name
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name or name


def is_hidden(name: str) -> bool:
    """Whether a file is one that people do not see."""
    return any((part[:1] == "." and part not in (".", "..")) or part == "__MACOSX" for part in name.split("/"))


def _digest(stamps: list[str]) -> str:
    return sha256("\n".join(stamps).encode("utf-8", "surrogateescape"))


def splits_and_labels(names: Sequence[str]) -> tuple[list[str | None], list[str | None]]:
    """Splits and labels from sub-folder names: [train|valid|test/]LABEL/.../picture."""
    places = [PurePosixPath(name).parts[:-1] for name in names]
    while places[0] and len({place[0] if place else "" for place in places}) == 1:
        places = [place[1:] for place in places]
    splits: list[str | None] = [None] * len(names)
    tops = {place[0].lower() for place in places if place}
    if tops and tops <= SPLIT_NAMES.keys():
        # A stray picture beside the split folders was held out by nobody.
        splits = held_out_or_none([SPLIT_NAMES[place[0].lower()] if place else "train" for place in places])
        places = [place[1:] for place in places]
    return splits, [place[0] if place else None for place in places]
