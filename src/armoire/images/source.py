"""The one interface of every kind of data: ids, columns, and images by their position."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path, PurePosixPath

from armoire.images.columns import FREE, ColumnChoice, Columns
from armoire.images.fit import AUTOMATIC, Decode, Fit, How, parse_colour, read_fitted
from armoire.images.listing import FileListing, Ignored
from armoire.progress import USUAL, Progress

DEFAULT_SIZE = 64


@dataclass(frozen=True)
class Request:
    """The arguments of `load_images`.

    Attributes:
        source: the name of the data set, by which it is loaded again.
        choice: how its columns are read, where that is not to be guessed.
        without: a survey.csv, whose duplicates are left out.
        argument: what follows the name and a colon.
        path: of a file or folder.
        listing: the files at `path`.
    """

    source: str
    size: int | None = None
    how: How = "crop"
    background: str = AUTOMATIC
    channels: int | None = None
    choice: ColumnChoice = FREE
    progress: Progress = USUAL
    without: str = ""
    argument: str = ""
    path: Path = Path()
    listing: FileListing | None = None

    def at(self, path: Path, source: str, listing: FileListing) -> Request:
        """The same request for the files at a path."""
        return replace(self, path=path.resolve(), source=source, listing=listing)

    @property
    def name(self) -> str:
        """The name of the files at `path`."""
        return self.path.stem or "images"

    @property
    def files(self) -> FileListing:
        """The files at `path`, for a kind that is opened by its path."""
        assert self.listing is not None
        return self.listing

    @property
    def fit(self) -> Fit:
        return Fit(DEFAULT_SIZE if self.size is None else self.size, self.how, parse_colour(self.background))


class Source(ABC):
    """Where images come from: ids, columns, and images by their position.

    Opening a source lists its files; its tables are read when `columns` is first asked for. Every file is accounted
    for: it is an image, a table that gave a column, or it is `ignored` for a reason.

    Attributes:
        name: of the data set, short.
        origin: the argument of `load_images` that opens it again.
        digest: changes when one of its files does.
        channels: 1 or 3, of every image; None where that depends on the images.
        processes_from: number of images from which processes read faster than threads, although they have to start.
        splits_are_final: keep the stated splits even where none is left to train on, or none is held out.
        left_out: ids of images that are left out as duplicates; they are `ignored` too.
        selection: digest of what is left out, "" for nothing.
    """

    name: str
    origin: str
    digest: str
    channels: int | None = None
    processes_from: float = 1000  # below, starting them takes longer than they save
    splits_are_final = False
    left_out: Sequence[str] = ()
    selection: str = ""

    @cached_property
    def ids(self) -> Sequence[str]:
        """The id of each image."""
        return self.list_ids()

    @cached_property
    def columns(self) -> Columns:
        """Splits, labels and attributes, one of each for every id."""
        return self.describe()

    @abstractmethod
    def list_ids(self) -> Sequence[str]:
        """The id of each image, read once."""

    def describe(self) -> Columns:
        """Splits, labels and attributes, read once."""
        return Columns.unknown(len(self))

    @abstractmethod
    def read(self, start: int, stop: int) -> Iterator[Decode]:
        """Images `start` to `stop`, each as the function that gives its pixels."""

    @abstractmethod
    def part(self, start: int, stop: int) -> Source:
        """Images `start` to `stop` without their columns, which can be pickled and read in another process."""

    def chunks(self, start: int, size: int) -> Iterator[Source]:
        """The images from `start` on in parts of up to `size`, in order."""
        return (self.part(first, min(first + size, len(self))) for first in range(start, len(self), size))

    def sample(self, n: int) -> list[Decode]:
        """Up to n images, evenly spread."""
        step = max(1, -(-len(self) // n))
        return [image for start in range(0, len(self), step) for image in self.read(start, start + 1)]

    @property
    def ignored(self) -> Sequence[Ignored]:
        """Files and folders that are neither images nor tables that are used."""
        return ()

    def fit(self, wanted: Fit) -> Fit:
        """How its images are fitted where `wanted` is asked for."""
        return wanted

    def __len__(self) -> int:
        return len(self.ids)


#: Files in which labels may be, by their endings.
NOT_READ = {
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".numbers"), "a spreadsheet; save it as CSV to use it"),
    **dict.fromkeys((".json", ".jsonl"), "JSON without rows that name images; give a row per image to use it"),
}


class FileSource(Source):
    """Image files of a folder or archive.

    Attributes:
        listing: the files.
        names: of the images, in their order.
    """

    def __init__(self, name: str, origin: str, listing: FileListing, names: Sequence[str], digest: str) -> None:
        self.name, self.origin, self.listing, self.names, self.digest = name, origin, listing, names, digest

    def list_ids(self) -> Sequence[str]:
        return self.names

    @property
    def ignored(self) -> Sequence[Ignored]:
        used = {*self.names, *self.columns.tables}
        rest = [name for name in (*self.listing.names, *self.listing.sidecars) if name not in used]
        return [*self.listing.ignored, *(Ignored(name, _why_not(name)) for name in sorted(rest))]

    def read(self, start: int, stop: int) -> Iterator[Decode]:
        return (partial(read_fitted, partial(self.listing.open, name)) for name in self.names[start:stop])

    def part(self, start: int, stop: int) -> Source:
        names = self.names[start:stop]
        return FileSource(self.name, self.origin, self.listing.part(names), names, self.digest)


def _why_not(name: str) -> str:
    """The reason why a file is neither an image nor a table of them, with what to do where people keep labels so."""
    return NOT_READ.get(PurePosixPath(name).suffix.lower(), "not an image, nor a table of them")


@dataclass(frozen=True)
class SourceKind:
    """One kind of data.

    Attributes:
        usage: how to give it, such as `celeba:PATH`, for help and error messages.
        open: opens what a request asks for.
        recognizes: whether a listing is of this kind.
        named: whether it is given as NAME or NAME:ARGUMENT; NAME is the one it is registered by.
        needs_argument: whether NAME alone is not enough.
        argument_is_path: whether the argument is a path on this machine.
    """

    usage: str
    open: Callable[[Request], Source]
    recognizes: Callable[[Path, FileListing], bool] = lambda _path, _listing: False
    named: bool = False
    needs_argument: bool = False
    argument_is_path: bool = False
