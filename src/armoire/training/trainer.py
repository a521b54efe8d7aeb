"""The loop of a training: batches, steps, and measurements on the held-out images."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from armoire.errors import ArmoireError, TrainingInterruptedError
from armoire.images import ImageSet
from armoire.images.sources.celeba import may_be_shown
from armoire.model import Autoencoder
from armoire.progress import SILENT, Progress, Task
from armoire.training import decisions
from armoire.training.automatic import left_to_data, with_choices
from armoire.training.averages import RunningMeans, at_fitted_scale, average_over
from armoire.training.best_weights import BestWeights
from armoire.training.checkpointing import (
    FOLDER,
    Checkpoint,
    check_length,
    check_out,
    list_checkpoints,
    newest_checkpoint,
    report_damage,
    stop_requests,
    with_length,
)
from armoire.training.distributed import DistributedContext, join
from armoire.training.history import expectations, jump, measured, overfitted, row_line, schedules, too_few
from armoire.training.initial import start_from_components
from armoire.training.machine import keep_memory, pick_device
from armoire.training.parts import Parts
from armoire.training.randomness import generator
from armoire.training.recipe import Recipe
from armoire.training.run import Run
from armoire.training.run_writer import RunWriter
from armoire.training.schedule import Length, learning_rate
from armoire.training.step import StepDone, Stepper
from armoire.training.synchronised import synchronise
from armoire.training.tracking import Tracking, tracker_names
from armoire.training.warm_start import WarmStart
from armoire.training.without_paths import public_recipe

SECONDS_BETWEEN_CHECKPOINTS = 120.0
STEPS_BETWEEN_REPORTS = 10  # how often the losses are fetched from the device, to be reported and checked
OnStep = Callable[[StepDone], None]


def fit_epochs(
    recipe: Recipe,
    images: ImageSet,
    out: str | Path,
    *,
    resume: bool = False,
    device: str | torch.device | None = "auto",
    progress: Progress = SILENT,
    track: str | Sequence[str] = (),
    snapshots: int | None = None,
    on_step: OnStep | None = None,
    warm_start: WarmStart | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Run:
    """Train a recipe on the training images of a data set and write a run.

    On a CPU the same recipe, seed, data and number of threads give the same bits, interrupted and resumed or not. In
    the processes that torchrun starts it trains one model together, and the first of them writes the run.

    The test split of the images (valid where there is none) is only measured on. `clock` gives the seconds that a
    recipe's minutes are counted in. `on_step` is called after each
    optimiser step, in every process with its own rows of the batch, before anything is saved; an exception that it
    raises ends the training. The other options, and what is raised, are those of `armoire.train`.
    """
    if snapshots is not None and snapshots < 0:
        raise ArmoireError(f"--snapshots should be 0 or more, not {snapshots}")
    chosen = pick_device(device)
    distributed = join(chosen)
    names = tracker_names(track) if distributed.is_first else ()
    with distributed.together():
        progress = progress if distributed.is_first else SILENT
        run = Run(Path(out))
        if warm_start:
            recipe = warm_start.check(recipe, images)
        if left_to_data(recipe):
            before = run.path / "recipe.toml" if resume else None
            recipe = distributed.from_first(lambda: with_choices(recipe, images, before, progress))
        tracking = Tracking(names, run, recipe.showable and may_be_shown(images.info), progress.note)
        given = (recipe, images, run, chosen, progress, distributed, tracking, snapshots, on_step, clock, warm_start)
        return _Trainer(*given).run(resume)


@dataclass
class _Trainer:
    recipe: Recipe
    images: ImageSet
    out: Run
    device: torch.device
    progress: Progress
    distributed: DistributedContext
    tracking: Tracking
    snapshots: int | None
    on_step: OnStep | None
    clock: Callable[[], float]
    warm_start: WarmStart | None
    step: int = 0
    seconds: float = 0.0  # spent on steps since the last row of the history
    spent: float = 0.0  # seconds of the training, in the processes before
    history: list[dict[str, float]] = field(default_factory=list)
    started_from: dict[str, str] = field(default_factory=dict)  # the run whose weights the training began with

    def __post_init__(self) -> None:
        keep_memory()
        recipe, images, self.folder = self.recipe, self.images, self.out.path / FOLDER
        # Processes on one machine share the pages of a mapped file; a GPU gets a copy each.
        mapped = self.distributed.size > 1 and self.device.type == "cpu"
        self.parts = Parts.of(recipe, images, self.device, mapped)
        if recipe.norm == "batch" and min(recipe.batch, len(self.parts)) < 2:
            raise ArmoireError(
                f"recipe {recipe.name} normalises by batches, and one image has no statistics: "
                "give at least 2 training images and a --batch of 2 or more"
            )
        self.model = Autoencoder(recipe.architecture(images), generator(recipe.seed, "weights")).to(self.device)
        synchronise(self.model, self.distributed)
        self.stepper = Stepper(self.model, recipe, self.distributed)
        self.means = RunningMeans(self.device)
        self.best = BestWeights(self.folder, "validation" if self.parts.validation else images.held_out)

    def run(self, resume: bool) -> Run:
        self.distributed.from_first(lambda: check_out(self.out.path, resume))
        self._restore(resume)
        if not self.step and self.recipe.start == "components":
            start_from_components(self.model, self.parts, self.recipe, self.distributed)
        if not self.step and self.warm_start:
            self.warm_start.load_into(self.model)
            self.started_from = self.warm_start.provenance
        given = (self.out, self.recipe, self.images, self.parts, self.model, self.tracking)
        self.writer = RunWriter(*given, self.distributed.is_first, self.started_from)
        self.writer.prepare(self.step)
        summary = self.images.reading.summary(len(self.images)) if self.images.store else []
        for line in [*summary, *expectations(len(self.parts), len(self.parts.validation or ()), self.length)]:
            self.progress.note(line)
        info = self.images.info
        settings = public_recipe(self.recipe, info).model_dump(mode="json") | {"data_fingerprint": info.fingerprint}
        images_in_all = None if self.length.by_clock else self.parts.images(self.length.total)
        title, out, done = f"training {self.recipe.name}", self.out.path, self.parts.images(self.step)
        with (
            self.tracking.following(settings, self.history, resume),
            stop_requests() as stop,
            self.progress.task(title, images_in_all, "images", done, rate=True, into=out) as task,
        ):
            self.length.start(self.step, self.spent)
            while not self._is_over():
                self._train_until_measured(task, stop)
        if self.step > self._measured_step:  # interrupted when its minutes were over
            self._measure()
        self._finish(resume)
        return self.out

    def _restore(self, resume: bool) -> None:
        given = (self.out.path, self.recipe, self.images, self.snapshots, self.progress)
        # Read by one process: the others may be on machines that do not have the file.
        found = self.distributed.from_first(lambda: newest_checkpoint(*given)) if resume else None
        path, checkpoint = found or (self.folder, None)
        recipe = self.recipe = with_length(self.recipe, checkpoint, len(self.parts))
        self.length = Length(recipe, self.parts.steps_per_epoch, self.parts.measured, self.clock)
        if checkpoint is None:
            return
        with report_damage(path):
            check_length(recipe, self.length, checkpoint.step, self.parts.steps_per_epoch, self.out.path)
            self.stepper.unpack(checkpoint.tensors)
            # The sums are those of all processes, and are added up again.
            self.means = RunningMeans(self.device, checkpoint.tensors["sums"] if self.distributed.is_first else None)
            self.step, facts = checkpoint.step, checkpoint.facts
            self.history, self.seconds, self.snapshots = facts["history"], facts["seconds"], facts["snapshots"]
            self.best.row = facts.get("best", {})
            self.started_from = facts.get("started_from", {})
            self.spent = facts.get("seconds_in_all", 0.0)
            self.length.start(self.step, self.spent)
        self.progress.note(f"going on from {path.name}, {self.length.describe(self.step)} done")

    @property
    def _measured_step(self) -> int:
        """The step of the last row of the history."""
        return int(self.history[-1]["step"]) if self.history else 0

    def _is_over(self) -> bool:
        return self.length.is_over or overfitted(self.best.row, self.history, self.length)

    def _train_until_measured(self, task: Task, stop: Callable[[], str]) -> None:
        self.model.train()
        last_save = began = time.monotonic()
        before = self.seconds
        losses: list[Tensor] = []
        while True:
            chosen = self.parts.of_step(self.step)
            losses.append(self._step(chosen))
            self.seconds = before + time.monotonic() - began
            due = decisions.is_due(self.length, self.step, self.distributed)
            if len(losses) == STEPS_BETWEEN_REPORTS or due:
                self._report(losses, task, chosen)
                losses = []
            else:
                task.advance(len(chosen))
            save = time.monotonic() - last_save > SECONDS_BETWEEN_CHECKPOINTS
            asked, save = decisions.stop_and_save(stop(), save, self.distributed)
            if due:
                self._measure()
            elif asked or save:
                self._check_finite(losses)
                self._save()
                last_save = time.monotonic()
            if asked:
                self._stop(asked, due)
            if due:
                return

    def _step(self, chosen: Tensor) -> Tensor:
        done = self.stepper.step(self.parts.train, chosen, self.step, self.length)
        self.means.add(done.terms)
        self.step = done.step
        decisions.move(self.length, self.step, self.distributed)
        if self.on_step:
            self.on_step(done)
        if self.snapshots and self.length.passed(self.snapshots):
            self._check_finite([done.objective])
            self._check_weights(self.model.state_dict())
            self._write_weights(snapshot=True)
        return done.objective

    def _stop(self, asked: str, is_measured: bool) -> None:
        if not is_measured:
            self._write_weights()
        # torchrun ends all processes as soon as one has ended.
        self.distributed.wait()
        raise TrainingInterruptedError(
            f"stopped by {asked} after {self.length.describe(self.step)}; all is saved in {self.out.path}, "
            "and --resume (in Python resume=True) goes on from there"
        )

    def _report(self, losses: list[Tensor], task: Task, chosen: Tensor) -> None:
        self._check_finite(losses)
        so_far = self.means.averages(self.recipe.beta, self.distributed)
        task.advance(len(chosen), distortion=so_far.distortion, rate=so_far.rate)

    def _check_finite(self, losses: list[Tensor]) -> None:
        if not losses or torch.isfinite(stacked := self.distributed.sum(torch.stack(losses))).all():
            return
        raise self._diverged(self.step - len(losses) + 1 + int((~torch.isfinite(stacked)).nonzero()[0]))

    def _diverged(self, step: int) -> ArmoireError:
        saved = list_checkpoints(self.folder)
        good = f"the last good checkpoint is {saved[-1]}" if saved else "no checkpoint was written before"
        lr = learning_rate(self.recipe, self.length.at(step - 1), self.length.total)
        self.writer.diverged(step, lr)
        return ArmoireError(
            f"training stopped at step {step:,}: the objective is no longer finite, most likely because the learning "
            f"rate ({lr:.2g} there) is too high: try --lr {self.recipe.lr / 10:.2g}; {good}"
        )

    def _measure(self) -> None:
        recipe, parts, split, began = self.recipe, self.parts, self.images.held_out, self.length.seconds
        trained = self.means.averages(recipe.beta, self.distributed)
        row: dict[str, float] = {"epoch": parts.epochs(self.step), "step": self.step}
        row |= measured(recipe, "train", trained)
        with self.stepper.average.in_use():
            if parts.validation:
                validated = average_over(self.model, parts.validation, recipe, self.distributed)
                # By the training images a scale would be too small, and the rate would weigh too little: over-fitting.
                row |= measured(recipe, "validation", at_fitted_scale(self.model, validated, recipe))
            held_out = average_over(self.model, parts.held_out, recipe, self.distributed)
        averaged = self.length.seconds
        if not math.isfinite(held_out.objective):
            raise self._diverged(self.step)
        row |= measured(recipe, split, held_out)
        row |= schedules(recipe, self.length.at(self.step - 1), self.length.total)
        row["seconds"] = round(self.seconds, 3)
        seen = parts.images(self.step) - parts.images(self._measured_step)
        row["images_per_second"] = round(seen / self.seconds, 1)
        warning = jump(recipe, row, self.history, split, self.model.pixels)
        best = self.best.is_improved_by(row, recipe, self.length)
        self.history.append(row)
        self.means, self.seconds = RunningMeans(self.device), 0.0
        with self.stepper.average.in_use():
            # Before the checkpoint: a training resumed from it draws no preview of the row.
            self.writer.row(self.history)
        self._save(best)
        self._write()
        # The first time, drawing and saving load what later ones have.
        self.length.measured(self.step, (self.length.seconds if self.history[1:] else averaged) - began)
        self.progress.note(row_line(recipe, self.length, split, row, held_out) + warning)
        if self.length.by_clock and len(self.history) == 2:  # the first steps are slower
            for line in too_few(self.length.steps(self.step)):
                self.progress.note(line)

    def _finish(self, resume: bool) -> None:
        if resume:  # a kill between the last checkpoint and these would have left them one row behind
            self._write()
        if not self.parts.validation or self.best.step == self.step or not self.distributed.is_first:
            return
        try:
            self.best.restore(self.model)
        except ArmoireError as error:
            self.progress.note(f"{error}; the last weights are kept")
            return
        self.writer.weights(self.best.step, self.history, steps_done=self.step)
        self.progress.note(self.best.report(self.step, self.length))

    def _write(self) -> None:
        self.writer.history(self.history)
        self._write_weights()

    def _write_weights(self, snapshot: bool = False) -> None:
        with self.stepper.average.in_use():
            self.writer.weights(self.step, self.history, snapshot=snapshot)

    def _save(self, best: bool = False) -> None:
        tensors = self.stepper.pack() | {"sums": self.distributed.sum(self.means.values)}
        self._check_weights(tensors)
        given = self.length.total / 1000 if self.length.by_clock and self.length.is_over else 0.0
        facts = {
            "recipe": self.recipe.model_dump(),
            "data_fingerprint": self.images.info.fingerprint,
            "history": self.history,
            "best": self.best.row,
            "started_from": self.started_from,
            "seconds": self.seconds,
            "seconds_in_all": max(given, self.length.seconds),
            "snapshots": self.snapshots or 0,
        }
        self.writer.checkpoint(Checkpoint(self.step, tensors, facts), best)

    def _check_weights(self, tensors: dict[str, Tensor]) -> None:
        if not all(torch.isfinite(t).all() for t in tensors.values()):
            raise self._diverged(self.step)
