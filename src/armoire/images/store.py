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
CHUNK = 1024  # images decoded between two saves of the scratch folder
AHEAD = 4  # images per thread submitted to the decoding threads: bounds memory, whatever the size of the set

#: Decoders of a source's images from one position on, in order.
Read = Callable[[int], Iterable[Decode]]


@dataclass(frozen=True)
class Build:
    """Everything that a store is built from.

    Attributes:
        ids: one per image.
        splits: None where the source states none.
        labels: class names, None where the source states none.
        read: the images.
        info: metadata; `listing` changes with the source.
        channels: 1 or 3; None for 1 where every pixel of every image is grey, else 3.
        attributes: one value per image: 1 yes, -1 no, 0 unknown.
        splits_are_final: keep the stated splits even where none is left to train on, or none is held out. Images
            without a stated split are divided into 90 % train and 10 % test by their content.
    """

    ids: Sequence[str]
    splits: Sequence[str | None]
    labels: Sequence[str | None]
    read: Read
    info: SetInfo
    channels: int | None
    attributes: Mapping[str, Int8[np.ndarray, " n"]]
    splits_are_final: bool = False


def store_path(name: str, key: str) -> Path:
    """The store of a source in the cache."""
    return cache_folder() / "stores" / f"{name}-{key[:12]}-v{VERSION}"


def read_files(names: Sequence[str], opener: Callable[[str], OpenFile]) -> Read:
    """Images that are opened one by one by their names."""
    return lambda start: (partial(read_fitted, partial(opener, name)) for name in names[start:])


def ready_store(
    name: str, source: str, fit: Fit, listing: str, channels: int | None = None
) -> tuple[Path, ImageSet | None]:
    """The path of a source's store, and the store itself where it exists and the source has not changed."""
    key = (source.encode(), fit.to_json().encode())
    store = store_path(name, sha256(*key))
    ready = _current(store, listing)
    if channels and (ready is None or ready.info.fit.channels != channels):
        # Another store than the one whose channels were detected.
        store = store_path(name, sha256(*key, repr(channels).encode()))
        ready = _current(store, listing)
    return store, ready


def _current(store: Path, listing: str) -> ImageSet | None:
    ready = open_store(store)
    return ready if ready is not None and ready.info.listing == listing else None


def open_store(folder: Path) -> ImageSet | None:
    """Open a store, or None where there is none or it is damaged: it is a cache and can be rebuilt."""
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
    """Delete a killed process's scratch folder of a complete store, unless a process that rebuilds it has the lock."""
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
    """Write a store atomically and open it; fills in the fingerprint and counts of `info`.

    Args:
        folder: the store.
        images: uint8 (m, h, w, c).
        table: n rows, in the final order.
        info: of the set.
        rejected: (name, reason) of images that could not be read.
        order: n indices into `images`; by default all in order.
    """
    order = np.arange(len(images)) if order is None else order
    with atomic_folder(folder) as temporary:
        packed = allocate(temporary / "images.npy", (len(order), *images.shape[1:]))
        for start in range(0, len(order), CHUNK):
            packed[start : start + CHUNK] = images[order[start : start + CHUNK]]
            release(packed)
            release(images)
        packed.flush()
        info = replace(info, fingerprint=fingerprint(packed, table), rejected=len(rejected))
        write_table(table, temporary / "table.parquet")
        write_checksummed(temporary / "info.json", asdict(info))
        with (temporary / "rejected.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("name", "reason"), *rejected])
        del packed
    built = open_store(folder)
    if built is None:
        raise ArmoireError(f"the store just written to {folder} cannot be read back; is the disk full or failing?")
    return built


def build_store(folder: Path, build: Build, progress: Progress) -> ImageSet:
    """Decode all images in parallel and pack those that can be read; a killed build resumes where it stopped."""
    info, channels = build.info, build.channels
    with file_lock(_lock(folder), f"{info.source or info.name}, which is being read,", progress.note):
        ready = _current(folder, info.listing)
        if ready is not None and channels in (None, ready.info.fit.channels):
            shutil.rmtree(scratch_of(folder), ignore_errors=True)
            return ready  # built by another process in the meantime
        sweep(folder.parent, folder.name)
        fit = replace(info.fit, channels=channels or 3)
        shape = (len(build.ids), fit.canvas, fit.canvas, fit.channels)
        ids = (f"{name}\0".encode() for name in build.ids)
        scratch = Scratch(folder, sha256(info.listing.encode(), fit.to_json().encode(), *ids), shape)
        try:
            built = _pack(folder, build, scratch, _decode_all(build.read, fit, scratch, progress, info.name))
        except Exception:  # not KeyboardInterrupt: an interrupted reading can be resumed
            scratch.delete()
            raise
        scratch.delete()
        return built


def _pack(folder: Path, build: Build, scratch: Scratch, outcomes: Sequence[Outcome]) -> ImageSet:
    readable = [i for i, outcome in enumerate(outcomes) if not outcome.reason]
    rejected = [(name, o.reason) for name, o in zip(build.ids, outcomes, strict=True) if o.reason]
    if len(readable) < 2:
        raise ArmoireError(_too_few(build.info.source, len(readable), rejected))
    splits = [build.splits[i] or outcomes[i].split for i in readable]
    splits = splits if build.splits_are_final else _complete(splits)
    by_split = sorted(range(len(readable)), key=lambda k: SPLITS.index(splits[k]))
    rows = [readable[k] for k in by_split]
    order = np.asarray(rows)
    classes, labels = _classes([build.labels[i] for i in rows])
    attributes = {name: values[order] for name, values in build.attributes.items()}
    channels = build.channels or (1 if all(outcomes[i].grey for i in readable) else 3)
    return write_store(
        folder,
        scratch.pixels if channels == scratch.pixels.shape[3] else scratch.pixels[..., :channels],
        make_table([build.ids[i] for i in rows], [splits[k] for k in by_split], labels, attributes),
        replace(build.info, fit=replace(build.info.fit, channels=channels), classes=classes),
        rejected,
        order,
    )


def _decode_all(read: Read, fit: Fit, scratch: Scratch, progress: Progress, name: str) -> list[Outcome]:
    def decode(position: int, picture: Decode) -> Outcome:
        try:
            pixels = picture(fit)
        except RejectedImageError as error:
            return Outcome(str(error))
        scratch.pixels[position] = pixels
        # Channel by channel: most colour images differ in the first two.
        grey = all(np.array_equal(pixels[..., 0], pixels[..., c]) for c in range(1, pixels.shape[-1]))
        content = pixels[..., :1] if grey else pixels  # grey in one channel or in three is the same image
        return Outcome(grey=grey, split=split_by_content(content.tobytes()))

    done, total = len(scratch.outcomes), len(scratch.pixels)
    if done:
        progress.note(f"resuming {name} at image {done + 1:,} of {total:,}")
    threads = os.cpu_count() or 1
    with (
        no_warnings(),
        progress.task(f"reading {name}", total, "images", done=done, rate=True) as task,
        ThreadPoolExecutor(threads) as pool,
    ):
        futures = (pool.submit(decode, position, picture) for position, picture in enumerate(read(done), done))
        outcomes: list[Outcome] = []
        for outcome in _in_order(futures, AHEAD * threads):
            outcomes.append(outcome)
            task.advance()
            if len(outcomes) == CHUNK:
                scratch.append(outcomes)
                outcomes = []
        if outcomes:
            scratch.append(outcomes)
    if len(scratch.outcomes) != total:
        raise ArmoireError(f"{name} changed while it was read; run it again")
    return scratch.outcomes


def _in_order(futures: Iterator[Future[Outcome]], ahead: int) -> Iterator[Outcome]:
    """The results in order, with at most `ahead` submitted before they are needed."""
    waiting: deque[Future[Outcome]] = deque()
    for future in futures:
        waiting.append(future)
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _classes(names: Sequence[str | None]) -> tuple[tuple[str, ...], list[int | None]]:
    """Class names and the class number of each image; none where there are fewer than two classes."""
    classes = tuple(sorted({name for name in names if name is not None}, key=_natural))
    if len(classes) < 2:
        return (), [None] * len(names)
    number = {name: i for i, name in enumerate(classes)}
    return classes, [None if name is None else number[name] for name in names]


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key by which 2 comes before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name) if part]


def _complete(splits: list[str]) -> list[str]:
    """The splits, changed so that at least one image is held out and one is left to train on."""
    if "train" not in splits:
        splits = ["train" if split == "valid" else split for split in splits]
    if "train" not in splits:
        return ["train"] * (len(splits) - 1) + ["test"]
    if set(splits) == {"train"}:
        return [*splits[:-1], "test"]
    return splits


def _too_few(source: str, readable: int, rejected: list[tuple[str, str]]) -> str:
    why = f"; {len(rejected)} could not be read, the first, {rejected[0][0]}, is {rejected[0][1]}" if rejected else ""
    return f"{source} holds {readable} readable image{'s' * (readable != 1)}{why}; give a folder or zip of at least 2"
