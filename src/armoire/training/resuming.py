"""Whether a run may go to a folder, and from which of its checkpoints it goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from armoire.errors import ArmoireError
from armoire.hub import parse_reference
from armoire.images import ImageSet
from armoire.io.files import sweep
from armoire.io.locks import LOCK, file_lock
from armoire.progress import Progress
from armoire.training.checkpoint import Checkpoint, list_checkpoints, load_checkpoint
from armoire.training.recipe import Recipe, parse_recipe
from armoire.training.run import DIVERGED, FREE, TRACKING


@contextlib.contextmanager
def hold_out(out: Path) -> Iterator[None]:
    """Keep other trainings out of a run's folder as long as a block runs; it is made where there is none.

    Raises:
        ArmoireError: another process trains there, or it lies below a file.
    """
    _check_folder(out)
    with file_lock(out / LOCK, str(out)):
        for folder in (out, *out.iterdir()):  # whatever was being written when a process was killed
            sweep(folder)
        yield


def check_out(out: Path, resume: bool) -> None:
    """See to it that a run may go to `out`; a folder in which nothing was saved yet is as good as a new one.

    Raises:
        ArmoireError: it is taken, or lies below a file.
    """
    _check_folder(out)
    begun = {"recipe.toml", "checkpoints", "rejected.csv", DIVERGED, LOCK, TRACKING}
    if resume or not out.is_dir() or not any(out.iterdir()):
        return
    if {path.name for path in out.iterdir()} - begun or list_checkpoints(out / "checkpoints"):
        raise ArmoireError(f"{out} already holds something; go on with --resume, choose another --out, or delete it")


def _check_folder(out: Path) -> None:
    if parse_reference(out):
        raise ArmoireError(f"{out} is on the Hub; choose a folder for --out, and `armoire push` it afterwards")
    path = next(path for path in (out, *out.parents) if path.exists())
    if not path.is_dir():
        raise ArmoireError(f"{path} is a file, not a folder; choose another --out")


def newest_checkpoint(
    out: Path, recipe: Recipe, images: ImageSet, steps_per_epoch: int, progress: Progress
) -> tuple[Path, Checkpoint] | None:
    """The newest checkpoint of a run that can be read, None where there is none.

    Raises:
        ArmoireError: it is of another recipe, of other data, or past the last epoch asked for.
    """
    for path in reversed(list_checkpoints(out / "checkpoints")):
        try:
            checkpoint = load_checkpoint(path)
        except ArmoireError as error:
            progress.note(str(error))
            continue
        with damage_told(path):
            _check_same(checkpoint, out, recipe, images, steps_per_epoch)
        return path, checkpoint
    if out.exists():
        progress.note(f"no checkpoint in {out / 'checkpoints'}: beginning at the beginning")
    return None


@contextlib.contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """Within it, what a checkpoint lacks, or holds in another shape, is told as damage to its file."""
    try:
        yield
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ArmoireError(f"{path} is damaged ({error}); delete it to go on from an earlier one") from None


def _check_same(checkpoint: Checkpoint, out: Path, recipe: Recipe, images: ImageSet, steps_per_epoch: int) -> None:
    saved = parse_recipe(checkpoint.facts["recipe"], "the checkpoint")
    changed = [key for key in Recipe.model_fields if key not in FREE and getattr(saved, key) != getattr(recipe, key)]
    if changed:
        was = ", ".join(f"{key} {getattr(saved, key)} (now {getattr(recipe, key)})" for key in changed)
        raise ArmoireError(f"{out} was begun with {was}; resume it unchanged, or choose another --out")
    if checkpoint.facts["data_fingerprint"] != images.info.fingerprint:
        raise ArmoireError(f"{out} was begun on other data; resume it on the same, or choose another --out")
    if checkpoint.step > recipe.epochs * steps_per_epoch:
        done = -(-checkpoint.step // steps_per_epoch)
        raise ArmoireError(f"{out} is in its epoch {done} or past it; give --epochs {done} or more")
