"""Pictures with what is known of each, from any source that can list them, packed once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from armoire.images.columns import Columns
from armoire.images.fit import Fit
from armoire.images.imageset import ImageSet, SetInfo
from armoire.images.listing import name_below
from armoire.images.store import Entry, Pictures, build_store, ready_store
from armoire.progress import Progress


@dataclass(frozen=True)
class Source:
    """What a source lists.

    Attributes:
        ids: a name for each picture.
        pictures: they themselves.
        known: what is said of them.
        files: names of the files that attributes were read from.
        ignored: number of files that are neither pictures nor say anything of them.
    """

    ids: Sequence[str]
    pictures: Pictures = field(repr=False)
    known: Columns = field(repr=False)
    files: tuple[str, ...] = ()
    ignored: int = 0


def pack_source(
    path: Path,
    source: str,
    digest: str,
    read: Callable[[], Source],
    fit: Fit,
    progress: Progress,
    channels: int | None = None,
) -> ImageSet:
    """The store of a source, built where it is not there or the source has changed.

    Args:
        path: where the source lies; the set is called so.
        source: what to give to `load_images` to get it again.
        digest: changes when the source does.
        read: lists the source.
        fit: how the pictures are fitted.
        progress: where to report.
        channels: 1 or 3; detected where not given.
    """
    name = path.stem or "images"
    store, ready = ready_store(name, source, fit, digest, channels)
    if ready is not None:
        return ready
    records = read()
    known = records.known
    if said := known.sentence():
        progress.note(f"{path.name}: {said}")
    root = path.parent if path.is_file() else path
    ids = [name_below(name, root) for name in records.ids]
    entries = [Entry(*row) for row in zip(_each_once(ids), known.splits, known.labels, strict=True)]
    info = SetInfo(name, source, fit, listing=digest, ignored=records.ignored, attribute_files=records.files)
    return build_store(store, entries, records.pictures, info, progress, channels, known.attributes)


def _each_once(ids: Sequence[str]) -> list[str]:
    """Names, with the row after those that others have too."""
    times = Counter(ids)
    return [name if times[name] == 1 else f"{name}#{row}" for row, name in enumerate(ids)]
