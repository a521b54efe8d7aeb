"""From a recipe and images to a wardrobe."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from armoire.errors import ArmoireError
from armoire.images import ImageSet, from_array
from armoire.images.inputs import Images
from armoire.images.source import Request
from armoire.images.sources import load
from armoire.io.files import write_bytes
from armoire.priors import FEWEST
from armoire.priors.flow import check_installed as check_flow
from armoire.progress import SILENT, USUAL, Progress
from armoire.training import Recipe, Run, fit_epochs, load_recipe
from armoire.training.checkpointing import check_out, lock_folder
from armoire.training.distributed import join
from armoire.training.machine import pick_device
from armoire.training.run import WITHOUT
from armoire.training.tracking import tracker_names
from armoire.training.trainer import OnStep
from armoire.training.warm_start import WarmStart
from armoire.wardrobe.own_training import data_settings
from armoire.wardrobe.wardrobe import RunLike, Wardrobe


def train(
    recipe: str | Recipe,
    images: Images | None = None,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    device: str | torch.device | None = "auto",
    progress: Progress = USUAL,
    track: str | Sequence[str] = (),
    snapshots: int | None = None,
    on_step: OnStep | None = None,
    start_from: RunLike | None = None,
    **settings: Any,
) -> Wardrobe:
    """Train a recipe, encode its data, and open the run; under torchrun, in every process.

    Args:
        recipe: the name of one, a .toml file's path, or a Recipe.
        images: an ImageSet, or what `load_images` or `from_array` takes; by default the recipe's own data.
        out: the run's folder, by default runs/RECIPE.
        resume: continue an interrupted training of `out`.
        device: see `Wardrobe.open`.
        progress: where to report.
        track: one or several of the trackers `tensorboard`, `trackio` and `wandb`.
        snapshots: number of snapshots of the weights to store in RUN/snapshots, evenly spaced over the steps, the last
            step included; by default as many as the resumed training, or none.
        on_step: called after each optimiser step with an `armoire.training.StepDone`, in every process.
        start_from: a run of the same network, as `Wardrobe.open` takes it, whose weights the training starts from. What
            depends on the number of latent dimensions starts anew where that differs.
        **settings: settings of the recipe to change, e.g. epochs=3.

    Raises:
        ArmoireError: an argument is invalid, or training diverged.
        TrainingInterruptedError: Ctrl-C or SIGTERM; the state is saved.
    """
    chosen = (recipe if isinstance(recipe, Recipe) else load_recipe(recipe)).change(**settings)
    distributed = join(pick_device(device))
    options = {"resume": resume, "track": track, "snapshots": snapshots, "on_step": on_step, "start_from": start_from}
    with distributed.together(), contextlib.ExitStack() as stack:
        run, images = _train(chosen, images, out, stack, device, progress, **options)
        if not distributed.is_first:
            distributed.wait()
            return Wardrobe.open(run.path, images, device=device)
        wardrobe = Wardrobe.open(run.path, images, device=device, progress=progress)
        finish(wardrobe)
        distributed.wait()
        return wardrobe


def finish(wardrobe: Wardrobe) -> None:
    """Encode the data, measure what is usual and fit the recipe's prior, where a run lacks them."""
    _ = wardrobe.latents, wardrobe.calibration
    kind, train = wardrobe.recipe.prior, wardrobe.latents.split("train")
    if kind == "none" or wardrobe.has_prior(kind):
        return
    if len(train) < FEWEST:
        default = wardrobe.prior().name
        wardrobe.progress.note(
            f"{len(train)} training images are too few to fit a prior to: samples come from {default}"
        )
        return
    wardrobe.fit_prior(kind, seed=wardrobe.recipe.seed, if_better=True)


def take_part(
    recipe: Recipe,
    images: Images | None = None,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    device: str | torch.device | None = "auto",
    snapshots: int | None = None,
    start_from: RunLike | None = None,
) -> None:
    """`train` as a process other than the first, which may be on a machine that does not see the run."""
    distributed = join(pick_device(device))
    with distributed.together(), contextlib.ExitStack() as stack:
        options = {"resume": resume, "track": (), "snapshots": snapshots, "start_from": start_from}
        _train(recipe, images, out, stack, device, SILENT, **options)
        distributed.wait()


def _train(
    chosen: Recipe,
    images: Images | None,
    out: str | Path | None,
    stack: contextlib.ExitStack,
    device: str | torch.device | None,
    progress: Progress,
    start_from: RunLike | None = None,
    **options: Any,
) -> tuple[Run, ImageSet]:
    """Train; `stack` holds the lock on the folder, `options` are those of `fit_epochs`."""
    distributed = join(pick_device(device))
    progress = progress if distributed.is_first else SILENT
    path = Path(out or Path("runs") / chosen.name).expanduser()
    # Checked first: reading the data and training can take long.
    if chosen.prior == "flow":
        distributed.from_first(check_flow)
    distributed.from_first(lambda: tracker_names(options["track"]))
    distributed.from_first(lambda: stack.enter_context(lock_folder(path)))
    distributed.from_first(lambda: check_out(path, options["resume"]))
    warm_start = None if start_from is None else WarmStart.of(_run_of(start_from, progress))
    images = distributed.in_turns(lambda: load_for(chosen, images, progress))
    images.check()
    chosen = chosen.change(**data_settings(chosen, images))
    run = fit_epochs(chosen, images, path, device=device, progress=progress, warm_start=warm_start, **options)
    if images.info.rejected and images.store and distributed.is_first:
        write_bytes(path / "rejected.csv", (images.store / "rejected.csv").read_bytes())
    if images.info.without and distributed.is_first:  # the survey may not stay where it is
        write_bytes(path / WITHOUT, Path(images.info.without).read_bytes())
    return run, images


def _run_of(given: RunLike, progress: Progress) -> Run:
    if isinstance(given, Wardrobe):
        return given.run
    return given if isinstance(given, Run) else Run.open(given, progress)


def load_for(recipe: Recipe, images: Images | None, progress: Progress) -> ImageSet:
    """The images that a recipe is to be trained on, as `train` takes them; by default the recipe's own."""
    in_memory = images is not None and not isinstance(images, str | Path)
    if recipe.without and in_memory and not (isinstance(images, ImageSet) and images.info.without):
        raise ArmoireError("without is for data that are named; load_images(.., without=..) takes it, too")
    if isinstance(images, ImageSet):
        return images
    if images is not None and not isinstance(images, str | Path):
        return from_array(images, background=recipe.background)
    source = str(images or recipe.data)
    if not source:
        raise ArmoireError(f"recipe {recipe.name} brings no data of its own; give some with --data")
    # Without notes: the training reports how the data were read.
    return load(
        Request(source, recipe.size, recipe.fit, recipe.background, None, recipe.choice, progress, recipe.without)
    )
