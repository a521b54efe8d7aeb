"""The packed store: a data set as one memory-mapped array and one table, built once.

images.npy     uint8 (n, h, w, c); training images first, then validation, then test
table.parquet  id, split, label, attributes
info.json      name, source, fit, classes, fingerprint, counts
rejected.csv   name, reason
"""

from __future__ import annotations

import contextlib
import csv
import os
import re
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int8

from armoire.errors import ArmoireError
from armoire.images.decode import OpenFile, RejectedImageError
from armoire.images.fit import Decode, Fit, no_warnings, read_fitted
from armoire.images.imageset import SPLITS, ImageSet, SetInfo, fingerprint, make_table, split_by_content
from armoire.images.mapped import allocate, open_array, release
from armoire.images.scratch import Outcome, Scratch, scratch_of
from armoire.io.files import atomic_folder, cache_folder, read_checksummed, sha256, sweep, write_checksummed
from armoire.io.locks import file_lock
from armoire.io.tables import read_table, write_table
from armoire.progress import Progress

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = 2
CHUNK = 1024  # images after which it is made certain that they need not be read again
AHEAD = 4  # images a thread that are handed to the decoding threads: bounds memory, whatever the size of the set

#: The pictures of a source from one of its positions on, each once, in their order.
Pictures = Callable[[int], Iterable[Decode]]


@dataclass(frozen=True)
class Entry:
    """One picture that a source lists: its name there, and its split and class where the source states them."""

    id: str
    split: str | None = None
    label: str | None = None


def store_path(name: str, key: str) -> Path:
    """Where the store of a source lies in the cache."""
    return cache_folder() / "stores" / f"{name}-{key[:12]}-v{VERSION}"


def opened(names: Sequence[str], opener: Callable[[str], OpenFile]) -> Pictures:
    """Pictures that can be opened one by one, by their names."""
    return lambda start: (partial(read_fitted, partial(opener, name)) for name in names[start:])


def ready_store(
    name: str, source: str, fit: Fit, listing: str, channels: int | None = None
) -> tuple[Path, ImageSet | None]:
    """Where the store of a source has its place, and the store itself if it is there and the source has not changed."""
    key = (source.encode(), fit.to_json().encode())
    store = store_path(name, sha256(*key))
    ready = _current(store, listing)
    if channels and (ready is None or ready.info.fit.channels != channels):
        # Apart from the store whose channels were detected, which is what they are when none are asked for.
        store = store_path(name, sha256(*key, repr(channels).encode()))
        ready = _current(store, listing)
    return store, ready


def _current(store: Path, listing: str) -> ImageSet | None:
    ready = open_store(store)
    return ready if ready is not None and ready.info.listing == listing else None


def open_store(folder: Path) -> ImageSet | None:
    """Open a store, or None where there is none or it is damaged: it is a cache, and can be built again."""
    try:
        info = SetInfo.from_dict(read_checksummed(folder / "info.json"))
        images = open_array(folder / "images.npy")
        table = read_table(folder / "table.parquet")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if images.dtype != np.uint8 or images.ndim != 4 or len(images) != table.num_rows:
        return None
    _sweep_scratch(folder)
    return ImageSet(images, table, info, folder)


def _sweep_scratch(folder: Path) -> None:
    """Remove what was read for a store that is there, where a kill left it; whoever reads anew holds the lock."""
    scratch = scratch_of(folder)
    if scratch.exists():
        with contextlib.suppress(ArmoireError), file_lock(_lock(folder), folder.name):
            shutil.rmtree(scratch, ignore_errors=True)


def _lock(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.lock")


def write_store(
    folder: Path,
    images: np.ndarray,
    table: pa.Table,
    info: SetInfo,
    rejected: Sequence[tuple[str, str]] = (),
    order: np.ndarray | None = None,
) -> ImageSet:
    """Write a store in one step and open it.

    Args:
        folder: where it goes.
        images: uint8 (m, h, w, c).
        table: n rows, in the final order.
        info: its fingerprint and counts are filled in here.
        rejected: (name, reason) of pictures that could not be read.
        order: n indices into `images`; by default all of them as they are.
    """
    order = np.arange(len(images)) if order is None else order
    with atomic_folder(folder) as beside:
        packed = allocate(beside / "images.npy", (len(order), *images.shape[1:]))
        for start in range(0, len(order), CHUNK):
            packed[start : start + CHUNK] = images[order[start : start + CHUNK]]
            release(packed)
            release(images)
        packed.flush()
        info = replace(info, fingerprint=fingerprint(packed, table), rejected=len(rejected))
        write_table(table, beside / "table.parquet")
        write_checksummed(beside / "info.json", asdict(info))
        with (beside / "rejected.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("name", "reason"), *rejected])
        del packed
    built = open_store(folder)
    if built is None:
        raise ArmoireError(f"the store just written to {folder} cannot be read back; is the disk full or failing?")
    return built


def build_store(
    folder: Path,
    entries: Sequence[Entry],
    pictures: Pictures,
    info: SetInfo,
    progress: Progress,
    channels: int | None = None,
    attributes: Mapping[str, Int8[np.ndarray, " n"]] | None = None,
    splits_are_final: bool = False,
) -> ImageSet:
    """Decode every entry in parallel and pack what can be read; a reading that was killed goes on where it stopped.

    Args:
        folder: the store.
        entries: what the source says of the pictures.
        pictures: they themselves.
        info: what is known of the set; `listing` changes with the source.
        progress: where to report.
        channels: 1 or 3; detected where not given: 1 when every pixel of every picture is grey.
        attributes: for each attribute one value an entry: 1 yes, -1 no, 0 unknown.
        splits_are_final: keep the stated splits even where nothing is left to train on, or nothing is held out.
            Entries without a stated split are divided into 90 % train and 10 % test by their content.
    """
    with file_lock(_lock(folder), f"{info.source or info.name}, which is being read in,", progress.note):
        ready = open_store(folder)
        if ready is not None and ready.info.listing == info.listing and channels in (None, ready.info.fit.channels):
            shutil.rmtree(scratch_of(folder), ignore_errors=True)
            return ready  # another process has built it meanwhile
        sweep(folder.parent, folder.name)
        return _build(folder, entries, pictures, info, progress, channels, attributes, splits_are_final)


def _build(
    folder: Path,
    entries: Sequence[Entry],
    pictures: Pictures,
    info: SetInfo,
    progress: Progress,
    channels: int | None,
    attributes: Mapping[str, Int8[np.ndarray, " n"]] | None,
    splits_are_final: bool,
) -> ImageSet:
    fit = replace(info.fit, channels=channels or 3)
    shape = (len(entries), fit.canvas, fit.canvas, fit.channels)
    key = sha256(info.listing.encode(), fit.to_json().encode(), *(f"{e.id}\0".encode() for e in entries))
    scratch = Scratch(folder, key, shape)
    try:
        outcomes = _decode_all(pictures, fit, scratch, progress, info.name)
        kept = [i for i, outcome in enumerate(outcomes) if not outcome.reason]
        rejected = [(e.id, o.reason) for e, o in zip(entries, outcomes, strict=True) if o.reason]
        if len(kept) < 2:
            raise ArmoireError(_too_few(info.source, len(kept), rejected))
        splits = [entries[i].split or outcomes[i].split for i in kept]
        splits = splits if splits_are_final else _splits(splits)
        by_split = sorted(range(len(kept)), key=lambda k: SPLITS.index(splits[k]))
        order = np.asarray(kept)[by_split]
        rows = [entries[i] for i in order]
        classes, labels = _classes([e.label for e in rows])
        known = {name: values[order] for name, values in (attributes or {}).items()}
        channels = channels or (1 if all(outcomes[i].grey for i in kept) else 3)
        built = write_store(
            folder,
            scratch.pixels if channels == fit.channels else scratch.pixels[..., :channels],
            make_table([e.id for e in rows], [splits[k] for k in by_split], labels, known),
            replace(info, fit=replace(info.fit, channels=channels), classes=classes),
            rejected,
            order,
        )
    except Exception:  # not a KeyboardInterrupt: who stops a long reading may want to go on with it
        scratch.delete()
        raise
    scratch.delete()
    return built


def _decode_all(pictures: Pictures, fit: Fit, scratch: Scratch, progress: Progress, name: str) -> list[Outcome]:
    def decode(position: int, picture: Decode) -> Outcome:
        try:
            pixels = picture(fit)
        except RejectedImageError as error:
            return Outcome(str(error))
        scratch.pixels[position] = pixels
        # Channel by channel: most pictures in colour are known by the first two.
        grey = all(np.array_equal(pixels[..., 0], pixels[..., c]) for c in range(1, pixels.shape[-1]))
        content = pixels[..., :1] if grey else pixels  # grey or as grey in three channels: the same picture
        return Outcome(grey=grey, split=split_by_content(content.tobytes()))

    done, total = len(scratch.outcomes), len(scratch.pixels)
    if done:
        progress.note(f"going on with {name} at image {done + 1:,} of {total:,}, where reading it was stopped")
    threads = os.cpu_count() or 1
    with (
        no_warnings(),
        progress.task(f"reading {name}", total, "images", done=done, rate=True) as task,
        ThreadPoolExecutor(threads) as pool,
    ):
        waiting = (pool.submit(decode, position, picture) for position, picture in enumerate(pictures(done), done))
        outcomes: list[Outcome] = []
        for outcome in _results(waiting, AHEAD * threads):
            outcomes.append(outcome)
            task.advance()
            if len(outcomes) == CHUNK:
                scratch.keep(outcomes)
                outcomes = []
        if outcomes:
            scratch.keep(outcomes)
    if len(scratch.outcomes) != total:
        raise ArmoireError(f"{name} changed while it was read; run it again")
    return scratch.outcomes


def _results(futures: Iterator[Future[Outcome]], ahead: int) -> Iterator[Outcome]:
    """The results in their order, with so many begun before they are asked for."""
    waiting: deque[Future[Outcome]] = deque()
    for future in futures:
        waiting.append(future)
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _classes(names: Sequence[str | None]) -> tuple[tuple[str, ...], list[int | None]]:
    """Class names, and the number of each image's class; one class alone tells nothing."""
    classes = tuple(sorted({name for name in names if name is not None}, key=_natural))
    if len(classes) < 2:
        return (), [None] * len(names)
    number = {name: i for i, name in enumerate(classes)}
    return classes, [None if name is None else number[name] for name in names]


def _natural(name: str) -> list[tuple[int, str]]:
    """2 comes before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name) if part]


def _splits(splits: list[str]) -> list[str]:
    """Make sure that something is held out and something is left to train on."""
    if "train" not in splits:
        splits = ["train" if split == "valid" else split for split in splits]
    if "train" not in splits:
        return ["train"] * (len(splits) - 1) + ["test"]
    if set(splits) == {"train"}:
        return [*splits[:-1], "test"]
    return splits


def _too_few(source: str, kept: int, rejected: list[tuple[str, str]]) -> str:
    why = f"; {len(rejected)} could not be read, the first, {rejected[0][0]}, is {rejected[0][1]}" if rejected else ""
    return f"{source} holds {kept} readable image{'s' * (kept != 1)}{why}; give a folder or zip of at least 2"
