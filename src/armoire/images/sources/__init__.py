"""The kinds of data that `load_images` reads, one file each; another package registers one in `armoire.sources`."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path, PurePath

from armoire.errors import ArmoireError, did_you_mean
from armoire.images.archives import COMPRESSED, list_source
from armoire.images.fit import AUTOMATIC
from armoire.images.imageset import ImageSet
from armoire.images.listing import FileListing, list_one
from armoire.images.packing import pack
from armoire.images.source import Request, Source, SourceKind
from armoire.images.survey_file import without_duplicates
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
        "tables": "armoire.images.sources.tables:TABLES",
        "webdataset": "armoire.images.sources.webdataset:WEBDATASET",
    },
)
ARCHIVES = (".zip", ".tar", *COMPRESSED)


def load(request: Request) -> ImageSet:
    """Load a data set, packing it into the cache the first time."""
    source, survey = open_source(request), Path(request.without).expanduser().resolve() if request.without else None
    images = pack(
        without_duplicates(source, survey) if survey else source,
        request.fit,
        request.channels,
        request.choice,
        request.progress,
        automatic=request.background == AUTOMATIC,
    )
    return replace(images, info=replace(images.info, without=str(survey))) if survey else images


def open_source(request: Request) -> Source:
    """Open a data set by its name or path."""
    kind, argument = _named(request.source)
    if kind is not None:
        return kind.open(replace(request, argument=argument))
    path = Path(request.source).expanduser()
    if not path.exists():
        raise ArmoireError(f"no data at '{request.source}'; {_advice(request.source)}")
    return open_path(request, path, str(path.resolve()))


def open_path(request: Request, path: Path, source: str) -> Source:
    """Open the files at a path; `source` opens them again."""
    kind, listing = _recognize(path.resolve())
    if not listing.names:
        raise ArmoireError(
            f"no images in {path}; give a folder or zip of JPEG, PNG, WEBP, BMP, GIF, TIFF or HEIC files"
        )
    return kind.open(request.at(path, source, listing))


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


def _recognize(path: Path) -> tuple[SourceKind, FileListing]:
    """The kind of the files at a path, and the files."""
    kinds = [KINDS.get(name) for name in reversed(KINDS.names())]
    if path.is_file() and not path.name.lower().endswith(ARCHIVES):
        one = list_one(path)
        if found := next((kind for kind in kinds if kind.recognizes(path, one)), None):
            return found, one
    listing = list_source(path)
    return next((kind for kind in kinds if kind.recognizes(path, listing)), KINDS.get("folder")), listing


def _advice(source: str) -> str:
    name, names = source.partition(":")[0], [name for name in KINDS.names() if KINDS.get(name).named]
    if name in names:
        return f"give {KINDS.get(name).usage}"
    return did_you_mean(name, names) if difflib.get_close_matches(name, names) else f"give {usage()}"
