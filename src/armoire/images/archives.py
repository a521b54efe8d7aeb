"""The files of a zip or tar, read in place: nothing is unpacked to disk under its own name, and no link is followed."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from armoire.errors import ArmoireError
from armoire.images.decode import OpenFile, RejectedImageError
from armoire.images.listing import (
    FileListing,
    FolderListing,
    Ignored,
    check_size,
    digest_of,
    is_hidden,
    is_sidecar,
    list_folder,
    numbered,
    open_bytes,
    readable,
    stamp_of,
    thumbnails,
)

LARGEST_IN_MEMORY = 16_000_000  # bytes of a member of a zip
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
UTF8_FLAG = 0x800


class Member(NamedTuple):
    """A file in an archive, where it is, and why it is ignored, "" where it is not."""

    name: str
    place: Any
    reason: str


class ZipListing(FileListing):
    """The files of one or several zips; a place is the zip's name and the position in its directory."""

    def open(self, name: str) -> OpenFile:
        zip_name, position = self.places[name]
        archive = _zip(str(self.path / zip_name))
        member = archive.infolist()[position]
        check_size(member.file_size)
        try:
            if member.file_size > LARGEST_IN_MEMORY:
                return _unpack_to_disk(archive, member)
            return BytesIO(archive.read(member))
        except Exception as error:  # damaged archives raise zlib, struct and zipfile errors alike
            raise RejectedImageError(f"damaged in the archive: {error}") from None


class TarListing(FileListing):
    """The files of one or several tars; a place is the tar's name, and the offset and size in bytes."""

    def open(self, name: str) -> OpenFile:
        tar_name, offset, size = self.places[name]
        check_size(size)
        with (self.path / tar_name).open("rb") as file:
            file.seek(offset)
            content = file.read(size)
        if len(content) < size:
            raise RejectedImageError(f"cut off: only {len(content):,} of {size:,} bytes exist")
        return open_bytes(content)


def list_source(path: Path) -> FolderListing | ZipListing | TarListing:
    """The files of a folder, zip or tar."""
    if path.is_dir():
        return list_folder(path)
    if path.name.lower().endswith(COMPRESSED):
        raise ArmoireError(f"{path} is compressed, and images already are; unpack it to a .tar or a folder")
    if path.suffix.lower() == ".tar":
        return list_tars(path.resolve().parent, [path.name])
    return list_zips(path.resolve().parent, [path.name])


def list_zips(root: Path, zips: Sequence[str]) -> ZipListing:
    """The files in zips below a folder; of several, each is a folder of its own."""
    _zip.cache_clear()  # a file may have changed
    prefixes = {name: f"{name[:-4]}/" if len(zips) > 1 else "" for name in zips}
    return _listing(ZipListing, root, zips, (m for name in zips for m in _zip_members(root, name, prefixes[name])))


def _zip_members(root: Path, zip_name: str, prefix: str) -> Iterator[Member]:
    path = root / zip_name
    try:
        members = _zip(str(path)).infolist()
    except Exception as error:  # a damaged archive also raises struct and Unicode errors
        raise ArmoireError(f"{path} is not a zip ({error}); give a folder or zip of images, not one file") from None
    # Names without the flag for UTF-8 are in the code page of whoever made the zip.
    raw = [m.orig_filename.encode("cp437", "replace") for m in members if not m.flag_bits & UTF8_FLAG]
    code = _encoding(b"\n".join(raw))
    for position, member in enumerate(members):
        name = member.orig_filename.partition("\0")[0]  # as zipfile does
        if not member.flag_bits & UTF8_FLAG:
            name = name.encode("cp437", "replace").decode(code, "backslashreplace")
        name = readable(name.replace("\\", "/"))  # Windows programs write backslashes
        link = "a link, which is not followed in an archive" if stat.S_ISLNK(member.external_attr >> 16) else ""
        if name and not name.endswith("/"):
            yield Member(prefix + name, (zip_name, position), "hidden" if is_hidden(name) else link)


def _encoding(names: bytes) -> str:
    for code in ("utf-8", "cp949", "cp932", "gb18030"):
        try:
            names.decode(code)
        except UnicodeDecodeError:
            continue
        return code
    return "cp437"


def list_tars(root: Path, tars: Sequence[str]) -> TarListing:
    """The files in tars below a folder; what follows a damaged part of one is ignored."""
    return _listing(TarListing, root, tars, (member for name in tars for member in _tar_members(root, name)))


def _tar_members(root: Path, tar_name: str) -> Iterator[Member]:
    n = 0
    try:
        with tarfile.open(root / tar_name, "r:") as archive:
            while (member := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # else it stores every member
                if member.isdir():
                    continue
                name, reason = readable(member.name.replace("\\", "/").removeprefix("./")), ""
                if not member.isreg() or member.issparse():
                    reason = "not a regular file; links are not followed in an archive"
                elif is_hidden(name):
                    reason = "hidden"
                yield Member(name, (tar_name, member.offset_data, member.size), reason)
                n += not reason
    except (tarfile.TarError, OSError, ValueError, EOFError, OverflowError) as error:
        if not n:
            raise ArmoireError(
                f"{root / tar_name} is not a tar archive ({error}); give one, or a folder or zip of images"
            ) from None
        yield Member(tar_name, None, f"damaged after {n:,} files ({error}); the rest cannot be listed")


L = TypeVar("L", ZipListing, TarListing)


def _listing(kind: type[L], root: Path, archives: Sequence[str], members: Iterable[Member]) -> L:
    """A listing of the members of archives; of several under one name, the later ones are numbered."""
    members = list(members)
    found = [member for member in members if not member.reason]
    ignored = tuple(Ignored(member.name, member.reason) for member in members if member.reason)
    places = dict(zip(numbered(member.name for member in found), (member.place for member in found), strict=True))
    names = sorted(name for name in places if not is_sidecar(name))
    sidecars = dict.fromkeys(sorted(places.keys() - set(names)), "")  # the archive's stamp covers them
    digest = digest_of(stamp_of(name, (root / name).stat()) for name in archives)
    listing = kind(root, names, digest, sidecars, ignored, places)
    return listing.without(thumbnails(names))


@lru_cache(maxsize=4)
def _zip(path: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def _unpack_to_disk(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> BufferedReader:
    """A large member as an unnamed temporary file, deleted when it is closed."""
    with tempfile.TemporaryFile() as file, archive.open(member) as packed:
        shutil.copyfileobj(packed, file)
        file.seek(0)
        return os.fdopen(os.dup(file.fileno()), "rb")
