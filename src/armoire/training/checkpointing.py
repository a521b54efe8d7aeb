"""Saving a training and going on from it: checkpoints, snapshots, stop requests, and the folder they are written to."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from armoire.errors import ArmoireError
from armoire.hub import parse_reference
from armoire.images import ImageSet
from armoire.io.files import parse_json, sweep, write_bytes
from armoire.io.locks import LOCK, file_lock
from armoire.io.tensors import open_tensors, write_tensors
from armoire.progress import Progress
from armoire.training.recipe import LENGTHS, Recipe, parse_recipe
from armoire.training.run import DIVERGED, FREE, SNAPSHOTS, TRACKING, WITHOUT
from armoire.training.schedule import Length, default_steps

FORMAT = "armoire-checkpoint-1"
KEEP = 2
BEST = "best.safetensors"
FOLDER = "checkpoints"


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training, in one safetensors file."""

    step: int  # optimiser steps done, counted over all epochs
    tensors: dict[str, Tensor]  # `model.NAME`, `optimizer.INDEX.NAME`, and `sums` since the last row of the history
    facts: dict[str, Any]  # history, its best row, data fingerprint, recipe, snapshots, seconds since the row, in all


def save_checkpoint(folder: Path, checkpoint: Checkpoint, best: bool = False) -> Path:
    """Write a checkpoint atomically, delete all but the last two, and keep a copy if it is the best so far."""
    header = {"format": FORMAT, "step": str(checkpoint.step), "facts": json.dumps(checkpoint.facts)}
    path = folder / f"step-{checkpoint.step:09d}.safetensors"
    content = write_tensors(folder / BEST if best else path, checkpoint.tensors, header)
    if best:  # the copy first: a training resumed from this step does not reach the end of its epoch again
        write_bytes(path, content)
    found = list_checkpoints(folder)
    # A later one is damaged, or training would have been resumed from it.
    for other in set(found) - set([other for other in found if other.name <= path.name][-KEEP:]):
        other.unlink(missing_ok=True)
    return path


def list_checkpoints(folder: Path) -> list[Path]:
    """Checkpoints from the oldest to the newest, without the copy of the best."""
    return sorted(path for path in folder.glob("step-*.safetensors") if re.fullmatch(r"step-\d{9}", path.stem))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; an ArmoireError where it is damaged, or none."""
    with report_damage(path):
        found = open_tensors(path, FORMAT)
        return Checkpoint(int(found.metadata["step"]), found.read(), parse_json(found.metadata["facts"]))


@contextlib.contextmanager
def report_damage(path: Path) -> Iterator[None]:
    """Raise an ArmoireError for the errors of a checkpoint that lacks something or holds it in another shape."""
    try:
        yield
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        state = "of another version" if getattr(error, "is_other_version", False) else "damaged"
        raise ArmoireError(f"{path} is {state} ({error}); delete it to go on from an earlier one") from None


@contextlib.contextmanager
def lock_folder(out: Path) -> Iterator[None]:
    """Lock a run's folder, created where there is none, against other trainings while the block runs."""
    _check_folder(out)
    with file_lock(out / LOCK, str(out)):
        for folder in (out, *out.iterdir()):  # what a killed process was writing
            sweep(folder)
        yield


def check_out(out: Path, resume: bool) -> None:
    """Raise an ArmoireError where `out` holds anything of use, or is below a file; with `resume` it may hold a run."""
    _check_folder(out)
    begun = {"recipe.toml", FOLDER, SNAPSHOTS, "rejected.csv", WITHOUT, DIVERGED, LOCK, TRACKING}
    if resume or not out.is_dir() or not any(out.iterdir()):
        return
    if {path.name for path in out.iterdir()} - begun or list_checkpoints(out / FOLDER):
        raise ArmoireError(f"{out} already holds something; go on with --resume, choose another --out, or delete it")


def _check_folder(out: Path) -> None:
    if parse_reference(out):
        raise ArmoireError(f"{out} is on the Hub; choose a folder for --out, and `armoire push` it afterwards")
    path = next(path for path in (out, *out.parents) if path.exists())
    if not path.is_dir():
        raise ArmoireError(f"{path} is a file, not a folder; choose another --out")


def newest_checkpoint(
    out: Path, recipe: Recipe, images: ImageSet, snapshots: int | None, progress: Progress
) -> tuple[Path, Checkpoint] | None:
    """The newest readable checkpoint of a run, None where there is none.

    An ArmoireError if it is of another recipe, of other data, or of another number of snapshots.
    """
    for path in reversed(list_checkpoints(out / FOLDER)):
        try:
            checkpoint = load_checkpoint(path)
        except ArmoireError as error:
            progress.note(str(error))
            continue
        with report_damage(path):
            _check_same(checkpoint, out, recipe, images, snapshots)
        return path, checkpoint
    if out.exists():
        progress.note(f"no checkpoint in {out / FOLDER}: starting from step 0")
    return None


def _check_same(checkpoint: Checkpoint, out: Path, recipe: Recipe, images: ImageSet, snapshots: int | None) -> None:
    facts = checkpoint.facts
    saved, now = dict(parse_recipe(facts["recipe"], "the checkpoint")), dict(recipe)
    saved["snapshots"], now["snapshots"] = facts["snapshots"], facts["snapshots"] if snapshots is None else snapshots
    changed = [f"{key} {saved[key]} (now {now[key]})" for key in saved if key not in FREE and saved[key] != now[key]]
    if changed:
        raise ArmoireError(f"{out} was begun with {', '.join(changed)}; resume it unchanged, or choose another --out")
    if facts["data_fingerprint"] != images.info.fingerprint:
        raise ArmoireError(f"{out} was begun on other data; resume it on the same, or choose another --out")


def with_length(recipe: Recipe, checkpoint: Checkpoint | None, images: int) -> Recipe:
    """A recipe that has no length with that of the checkpoint, or with the default for a number of images."""
    if recipe.length:
        return recipe
    saved = {key: checkpoint.facts["recipe"].get(key) for key in LENGTHS} if checkpoint else {}
    return recipe.change(**saved if any(saved.values()) else {"steps": default_steps(images)})


def check_length(recipe: Recipe, length: Length, step: int, steps_per_epoch: int, out: Path) -> None:
    """Raise an ArmoireError where a training has done more steps than the recipe's length."""
    if not length.by_clock and step > length.total:
        done = -(-step // steps_per_epoch)
        more = f"is in its epoch {done} or past it; give --epochs {done}"
        raise ArmoireError(
            f"{out} {more if recipe.epochs else f'has done {step:,} steps; give --steps {step}'} or more"
        )


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[], str]]:
    """Note the first SIGINT or SIGTERM instead of acting on it; the callable returns its name, or "".

    A second one acts as usual. Outside the main thread, where signals cannot be caught, nothing is noted.
    """
    asked: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: ""
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _frame: object) -> None:
        asked.append(signal.Signals(number).name)
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: asked[0] if asked else ""
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
