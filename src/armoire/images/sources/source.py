"""The interface of every kind of data: what it is called, how it is recognized, and its images and columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path

from armoire.images.columns import Columns
from armoire.images.fit import Fit, How, parse_colour
from armoire.images.imageset import ImageSet, SetInfo
from armoire.images.listing import FileListing, name_below
from armoire.images.store import Build, Read, build_store, ready_store
from armoire.progress import USUAL, Progress

DEFAULT_SIZE = 64


@dataclass(frozen=True)
class Request:
    """The arguments of `load_images`.

    Attributes:
        source: the name of the data set, by which it is loaded again.
        argument: what follows the name and a colon.
        path: of a file or folder.
        listing: the files at `path`.
    """

    source: str
    size: int | None = None
    how: How = "crop"
    background: str = "white"
    channels: int | None = None
    progress: Progress = USUAL
    argument: str = ""
    path: Path = Path()
    listing: FileListing | None = None

    def at(self, path: Path, source: str, listing: FileListing | None = None) -> Request:
        """The same request for the files at a path."""
        return replace(self, path=path.resolve(), source=source, listing=listing)

    @property
    def fit(self) -> Fit:
        return Fit(DEFAULT_SIZE if self.size is None else self.size, self.how, parse_colour(self.background))


@dataclass(frozen=True)
class SourceKind:
    """One kind of data.

    Attributes:
        usage: how to give it, such as `celeba:PATH`, for help and error messages.
        load: loads what a request asks for.
        recognizes: whether a path, at which there are files of these names, is of this kind.
        named: whether it is given as NAME or NAME:ARGUMENT; NAME is the one it is registered by.
        needs_argument: whether NAME alone is not enough.
        argument_is_path: whether the argument is a path on this machine.
    """

    usage: str
    load: Callable[[Request], ImageSet]
    recognizes: Callable[[Path, Sequence[str]], bool] = lambda _path, _names: False
    named: bool = False
    needs_argument: bool = False
    argument_is_path: bool = False


@dataclass(frozen=True)
class Source:
    """The images and columns of one data set.

    Attributes:
        ids: one per image.
        read: the images from one position on.
        columns: their splits, labels and attributes.
        attribute_files: names of the files that the attributes are read from.
        ignored: number of files that are neither images nor tables about them.
        splits_are_final: see `Build`.
    """

    ids: Sequence[str]
    read: Read = field(repr=False)
    columns: Columns = field(repr=False)
    attribute_files: tuple[str, ...] = ()
    ignored: int = 0
    splits_are_final: bool = False


def packed(
    read: Callable[[Request, FileListing], Source], digest: Callable[[FileListing], str] = attrgetter("digest")
) -> Callable[[Request], ImageSet]:
    """The `load` of a kind that is read from files, whose `digest` changes when they do."""

    def load(request: Request) -> ImageSet:
        assert request.listing is not None
        listing, name = request.listing, request.path.stem or "images"

        def read_and_note() -> Source:
            source = read(request, listing)
            if summary := source.columns.summary():
                request.progress.note(f"{request.path.name}: {summary}")
            return source

        return pack(request, name, request.fit, digest(listing), read_and_note, request.channels)

    return load


def pack(
    request: Request, name: str, fit: Fit, digest: str, read: Callable[[], Source], channels: int | None
) -> ImageSet:
    """The store of a source, built by `read` where there is none or `digest` has changed."""
    store, ready = ready_store(name, request.source, fit, digest, channels)
    if ready is not None:
        return ready
    source, path = read(), request.path
    root = path.parent if path.is_file() else path
    ids = _unique([name_below(name, root) for name in source.ids])
    columns = source.columns
    info = SetInfo(
        name, request.source, fit, listing=digest, ignored=source.ignored, attribute_files=source.attribute_files
    )
    build = Build(
        ids, columns.splits, columns.labels, source.read, info, channels, columns.attributes, source.splits_are_final
    )
    return build_store(store, build, request.progress)


def _unique(ids: Sequence[str]) -> list[str]:
    """Ids with the row appended to those that occur more than once."""
    times = Counter(ids)
    return [name if times[name] == 1 else f"{name}#{row}" for row, name in enumerate(ids)]
