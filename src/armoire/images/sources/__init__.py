"""The kinds of data that `load_images` reads, one file each; another package registers one in `armoire.sources`."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path, PurePath

from armoire.errors import ArmoireError, did_you_mean
from armoire.images.imageset import ImageSet
from armoire.images.listing import FileListing, list_one, list_source
from armoire.images.sources.source import Request, SourceKind
from armoire.registry import Registry

#: A kind of files that is registered later is tried earlier.
KINDS: Registry[SourceKind] = Registry(
    "source",
    "armoire.sources",
    {
        "fashion-mnist": "armoire.images.sources.fashion_mnist:FASHION_MNIST",
        "drawn-faces": "armoire.images.sources.drawn_faces:DRAWN_FACES",
        "celeba": "armoire.images.sources.celeba:CELEBA",
        "hf": "armoire.images.sources.hub:HUB",
        "folder": "armoire.images.sources.folder:FOLDER",
        "arrays": "armoire.images.sources.arrays:ARRAYS",
        "webdataset": "armoire.images.sources.webdataset:WEBDATASET",
        "tables": "armoire.images.sources.tables:TABLES",
    },
)


def load(request: Request) -> ImageSet:
    """Load a data set by its name or path."""
    kind, argument = _named(request.source)
    if kind is not None:
        return kind.load(replace(request, argument=argument))
    path = Path(request.source).expanduser()
    if not path.exists():
        raise ArmoireError(f"no data at '{request.source}'; {_advice(request.source)}")
    return load_path(request, path, str(path.resolve()))


def load_path(request: Request, path: Path, source: str) -> ImageSet:
    """Load the files at a path; `source` loads them again."""
    kind, listing = recognize(path)
    if not listing.names:
        raise ArmoireError(f"no images in {path}; give a folder or zip of JPEG, PNG, WEBP, BMP, GIF or TIFF files")
    return kind.load(request.at(path, source, listing))


def recognize(path: Path) -> tuple[SourceKind, FileListing]:
    """The kind of the files at a path, and the files."""
    if path.is_file() and (kind := _of_files(path, [path.name])):
        return kind, list_one(path)
    listing = list_source(path)
    return _of_files(path, listing.names) or KINDS.get("folder"), listing


def list_images(source: str) -> FileListing | None:
    """The image files of a folder or zip; None for data that has to be packed before it can be sharded."""
    path = Path(source).expanduser()
    if _named(source)[0] is not None or not path.exists():
        return None
    kind, listing = recognize(path)
    return listing if kind is KINDS.get("folder") else None


def source_path(source: str) -> Path | None:
    """The path that a source names; None for a data set that is known by its name alone."""
    kind, argument = _named(source)
    if kind is None:
        return Path(source)
    return Path(argument) if kind.argument_is_path and argument else None


def public_source(source: str) -> str:
    """A source without the folders of this machine: `/a/b` becomes `b`, `celeba:/a/b.zip` becomes `celeba:b.zip`."""
    path, (kind, _) = source_path(source), _named(source)
    if path is None:
        return source
    if kind is None:
        return PurePath(path).name
    name = source.partition(":")[0]
    return f"{name}:{path.name}" if kind.needs_argument else name


def usage() -> str:
    """How to give data, as one list of all kinds."""
    kinds = [KINDS.get(name) for name in KINDS.names()]
    return ", ".join(sorted((kind.usage for kind in kinds), key=lambda text: " " in text))


def _named(source: str) -> tuple[SourceKind | None, str]:
    """The kind that a source names and its argument."""
    name, _, argument = source.partition(":")
    kind = KINDS.get(name) if name in KINDS.names() else None
    found = kind is not None and kind.named and (argument or not kind.needs_argument)
    return (kind, argument) if found else (None, "")


def _of_files(path: Path, names: list[str]) -> SourceKind | None:
    kinds = (KINDS.get(name) for name in reversed(KINDS.names()))
    return next((kind for kind in kinds if kind.recognizes(path, names)), None)


def _advice(source: str) -> str:
    name, names = source.partition(":")[0], [name for name in KINDS.names() if KINDS.get(name).named]
    if name in names:
        return f"give {KINDS.get(name).usage}"
    return did_you_mean(name, names) if difflib.get_close_matches(name, names) else f"give {usage()}"
