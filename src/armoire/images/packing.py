"""From a source to a packed store: all cores decode, and a killed reading resumes where it stopped."""

from __future__ import annotations

import re
import shutil
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import FileIO
from itertools import count
from pathlib import Path
from typing import TypeVar

import numpy as np
from filelock import FileLock

from armoire.errors import ArmoireError
from armoire.images import decode
from armoire.images.columns import FREE, ColumnChoice, Columns, label_by_pattern
from armoire.images.decode import RejectedImageError
from armoire.images.examine import SAMPLE, examine
from armoire.images.fit import Decode, Fit, no_warnings
from armoire.images.imageset import ImageSet, Reading, SetInfo, make_table, split_by_content
from armoire.images.listing import Ignored, numbered
from armoire.images.rows import SPLITS
from armoire.images.scratch import Outcome, Scratch, scratch_of
from armoire.images.source import Source
from armoire.images.store import current_store, lock_of, store_path, write_store
from armoire.io.files import sha256, sweep
from armoire.io.locks import file_lock
from armoire.io.workers import WorkerDiedError, cores, run_tasks
from armoire.progress import Progress

CHUNK = 128  # images decoded by one task, at most
SAVED = 1024  # images between two saves of the scratch folder

T = TypeVar("T")


@dataclass(frozen=True)
class _Chunk:
    """Consecutive images, and where their pixels go.

    Attributes:
        source: these images alone.
        fit: how they are fitted.
        pixels: the array's file.
        offset: position in it of the first image, in bytes.
    """

    source: Source
    fit: Fit
    pixels: str
    offset: int


@dataclass(frozen=True)
class _Plan:
    """How a source is packed: see `pack`."""

    fit: Fit
    channels: int | None
    automatic: bool
    label_pattern: str


def pack(
    source: Source,
    wanted: Fit,
    channels: int | None,
    choice: ColumnChoice,
    progress: Progress,
    *,
    automatic: bool = False,
) -> ImageSet:
    """The store of a source, built where there is none or the source has changed.

    Args:
        source: the images.
        wanted: how they are to be fitted.
        channels: 1 or 3; None for 1 where every pixel of every image is grey, else 3.
        choice: how the source's columns are read, part of the store's key.
        progress: where to report.
        automatic: choose the background by the images, where the source does not state how it is fitted.

    Raises:
        ArmoireError: it has no two readable images, or a disk or network fails.
    """
    fit, channels = source.fit(wanted), channels or source.channels
    automatic = automatic and fit == wanted
    folder = store_of(source, fit, choice, automatic=automatic)
    ready = current_store(folder, source.digest)
    if channels and (ready is None or ready.info.fit.channels != channels):
        # Another store than the one whose channels were detected.
        folder = store_of(source, fit, choice, automatic=automatic, channels=channels)
        ready = current_store(folder, source.digest)
    if ready is not None:
        return ready
    return _build(folder, source, _Plan(fit, channels, automatic, choice.label_pattern), progress)


def store_of(
    source: Source, fit: Fit, choice: ColumnChoice = FREE, *, automatic: bool = False, channels: int | None = None
) -> Path:
    """The store of a source that is read in this way; for the arguments see `pack`."""
    return store_path(
        source.name,
        sha256(f"{source.origin}{source.selection}\0{fit.to_json()}\0{choice}\0{automatic}{channels}".encode()),
    )


def _build(folder: Path, source: Source, plan: _Plan, progress: Progress) -> ImageSet:
    with file_lock(lock_of(folder), f"{source.origin}, which is being read,", progress.note):
        ready = current_store(folder, source.digest)
        if ready is not None and plan.channels in (None, ready.info.fit.channels):
            shutil.rmtree(scratch_of(folder), ignore_errors=True)
            return ready  # built by another process in the meantime
        sweep(folder.parent, folder.name)
        decoded, notes = examine(source.sample(SAMPLE), replace(plan.fit, channels=plan.channels or 3), plan.automatic)
        shape = (len(source), decoded.canvas, decoded.canvas, decoded.channels)
        ids = (f"{name}\0".encode() for name in source.ids)
        columns = source.columns  # before all images are decoded: its errors are the user's
        if plan.label_pattern:
            columns = label_by_pattern(columns, source.ids, plan.label_pattern)
        columns = replace(columns, notes=(*columns.notes, *notes))
        scratch = Scratch(folder, sha256(source.digest.encode(), decoded.to_json().encode(), *ids), shape)
        try:
            _decode_all(source, decoded, scratch, progress)
            built = _write(folder, source, columns, decoded, plan.channels, scratch)
        except Exception:  # not KeyboardInterrupt: an interrupted reading can be resumed
            scratch.delete()
            raise
        scratch.delete()
        return built


def _write(
    folder: Path, source: Source, columns: Columns, fit: Fit, channels: int | None, scratch: Scratch
) -> ImageSet:
    outcomes = scratch.outcomes
    ids = list(numbered(source.ids))
    readable = [i for i, outcome in enumerate(outcomes) if not outcome.reason]
    rejected = [Ignored(name, o.reason) for name, o in zip(ids, outcomes, strict=True) if o.reason]
    if len(readable) < 2:
        raise ArmoireError(_too_few(source.origin, len(readable), rejected))
    splits = [columns.splits[i] or outcomes[i].split for i in readable]
    splits = splits if source.splits_are_final else _complete(splits)
    by_split = sorted(range(len(readable)), key=lambda k: SPLITS.index(splits[k]))
    order = np.asarray([readable[k] for k in by_split])
    classes, labels = _classes([columns.labels[i] for i in order], columns.classes)
    table = make_table(
        [ids[i] for i in order],
        [splits[k] for k in by_split],
        labels,
        {name: values[order] for name, values in columns.attributes.items()},
    )
    channels = channels or (1 if all(outcomes[i].grey for i in readable) else 3)
    info = SetInfo(
        source.name,
        source.origin,
        replace(fit, channels=channels),
        classes,
        rejected=len(rejected),
        ignored=len(source.ignored),
        left_out=len(source.left_out),
        listing=source.digest,
        attribute_files=_attribute_files(columns),
    )
    reading = Reading(columns.roles, columns.notes, tuple(rejected), tuple(source.ignored))
    return write_store(folder, scratch.pixels[..., :channels], table, info, reading, order)


def _attribute_files(columns: Columns) -> tuple[str, ...]:
    return tuple(dict.fromkeys(role.table for role in columns.roles if role.role == "attribute" and role.table))


def _decode_all(source: Source, fit: Fit, scratch: Scratch, progress: Progress) -> None:
    """Decode what is missing, in order, and save the outcomes."""
    done, total = len(scratch.outcomes), len(source)
    if done:
        progress.note(f"resuming {source.name} at image {done + 1:,} of {total:,}")
    workers = cores()
    size = max(1, min(CHUNK, (total - done) // (4 * workers)))
    pixels, image_bytes = scratch.pixels, scratch.pixels[0].nbytes
    offsets = count(pixels.offset + done * image_bytes, size * image_bytes)
    parts = zip(source.chunks(done, size), offsets, strict=False)
    chunks = (_Chunk(part, fit, str(scratch.pixels_path), offset) for part, offset in parts)
    processes = workers if total - done >= source.processes_from else 0
    found: list[Outcome] = []
    with progress.task(f"reading {source.name}", total, "images", done=done, rate=True) as task:
        for outcomes in _in_order(_decoded(chunks, processes)):
            found += outcomes
            task.advance(len(outcomes))
            if len(found) >= SAVED:
                scratch.append(found)
                found = []
        if found:
            scratch.append(found)
    if len(scratch.outcomes) != total:
        raise ArmoireError(f"{source.name} changed while it was read; run it again")


def _decoded(chunks: Iterable[_Chunk], processes: int) -> Iterator[tuple[int, list[Outcome]]]:
    """The position and the outcomes of each chunk, as they end."""
    try:
        if processes < 2:
            yield from enumerate(_in_threads(chunks, cores()))
        else:
            yield from run_tasks(_decode_in_worker, chunks, processes)
    except WorkerDiedError as error:
        assert isinstance(error.task, _Chunk)
        ids = error.task.source.ids
        raise ArmoireError(
            f"processes die over the images {ids[0]} to {ids[-1]}; take the one that kills them out of the data"
        ) from None
    except OSError as error:  # of a disk or network
        raise ArmoireError(f"reading stopped: {error}; run the command again to resume it") from None


def _in_threads(chunks: Iterable[_Chunk], threads: int) -> Iterator[list[Outcome]]:
    """The outcomes of each chunk in order; few chunks are taken ahead of time."""
    running: deque[Future[list[Outcome]]] = deque()
    with no_warnings(), ThreadPoolExecutor(threads) as pool:
        for chunk in chunks:
            running.append(pool.submit(_decode, chunk))
            if len(running) > 2 * threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def _decode_in_worker(chunk: _Chunk) -> list[Outcome]:
    usual, decode.large_images = decode.large_images, FileLock(f"{chunk.pixels}.lock")  # for all workers together
    try:
        with no_warnings():
            return _decode(chunk)
    finally:
        decode.large_images = usual


def _decode(chunk: _Chunk) -> list[Outcome]:
    """Write the pixels of a chunk into the array; returns the outcome of each image."""
    side, channels = chunk.fit.canvas, chunk.fit.channels
    # Written as a file: a page fault per mapped page takes longer than the copy.
    with Path(chunk.pixels).open("r+b", buffering=0) as file:
        outcomes = []
        for i, image in enumerate(chunk.source.read(0, len(chunk.source))):
            file.seek(chunk.offset + i * side * side * channels)
            outcomes.append(_outcome(file, image, chunk.fit))
    return outcomes


def _outcome(file: FileIO, image: Decode, fit: Fit) -> Outcome:
    try:
        pixels = image(fit)
    except RejectedImageError as error:
        return Outcome(str(error))
    file.write(pixels.tobytes())
    # Channel by channel: most colour images differ in the first two.
    grey = all(np.array_equal(pixels[..., 0], pixels[..., c]) for c in range(1, pixels.shape[-1]))
    content = pixels[..., :1] if grey else pixels  # grey in one channel or in three is the same image
    return Outcome(grey=grey, split=split_by_content(content.tobytes()))


def _in_order(results: Iterator[tuple[int, T]]) -> Iterator[T]:
    """Results of the positions 0, 1, 2, ... in this order."""
    waiting: dict[int, T] = {}
    following = 0
    for position, result in results:
        waiting[position] = result
        while following in waiting:
            yield waiting.pop(following)
            following += 1


def _classes(names: Sequence[str | None], declared: Sequence[str]) -> tuple[tuple[str, ...], list[int | None]]:
    """Class names, in the declared, else in natural order, and the number of each image; none for fewer than two."""
    found = {name for name in names if name is not None}
    classes = tuple(name for name in declared if name in found) + tuple(sorted(found - set(declared), key=_natural))
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


def _too_few(origin: str, readable: int, rejected: Sequence[Ignored]) -> str:
    why = (
        f"; {len(rejected)} could not be read, the first, {rejected[0].name}, is {rejected[0].reason}"
        if rejected
        else ""
    )
    return f"{origin} holds {readable} readable image{'s' * (readable != 1)}{why}; give a folder or zip of at least 2"
