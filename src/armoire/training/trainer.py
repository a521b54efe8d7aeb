"""The epochs of a training: batches, steps, measurements on the held-out images, and what is written to the run."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from armoire.errors import ArmoireError, TrainingInterruptedError
from armoire.images import ImageSet
from armoire.images.sources.celeba import may_be_shown
from armoire.io.files import make_folder, write_text
from armoire.model import Autoencoder
from armoire.progress import SILENT, Progress, Task
from armoire.training.averages import RunningMeans, average_over
from armoire.training.batches import Batches
from armoire.training.checkpointing import (
    FOLDER,
    Checkpoint,
    check_out,
    list_checkpoints,
    newest_checkpoint,
    report_damage,
    save_checkpoint,
    snapshot_steps,
    stop_requests,
)
from armoire.training.distributed import DistributedContext, join
from armoire.training.history import epoch_line, expectations, jump, measured, schedules
from armoire.training.latent_size import with_latent
from armoire.training.machine import keep_memory, pick_device
from armoire.training.preview import histograms, save_preview
from armoire.training.public import public_recipe
from armoire.training.randomness import generator, permutation
from armoire.training.recipe import Recipe
from armoire.training.run import DIVERGED, Run
from armoire.training.schedule import learning_rate
from armoire.training.step import StepDone, Stepper
from armoire.training.synchronised import synchronise
from armoire.training.tracking import Tracking, tracker_names

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
) -> Run:
    """Train a recipe on the training images of a data set and write a run.

    On a CPU the same recipe, seed, data and number of threads give the same bits, interrupted and resumed or not. In
    the processes that torchrun starts it trains one model together, and the first of them writes the run.

    The test split of the images (valid where there is none) is only measured on. `on_step` is called after each
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
        if recipe.latent == "auto":
            before = run.path / "recipe.toml" if resume else None
            recipe = distributed.from_first(lambda: with_latent(recipe, images, before, progress))
        tracking = Tracking(names, run, recipe.showable and may_be_shown(images.info), progress.note)
        trainer = _Trainer(recipe, images, run, chosen, progress, distributed, tracking, snapshots, on_step)
        return trainer.run(resume)


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
    step: int = 0
    seconds: float = 0.0  # spent in the epoch so far
    history: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        keep_memory()
        recipe, images, self.folder = self.recipe, self.images, self.out.path / FOLDER
        # Processes on one machine share the pages of a mapped file; a GPU gets a copy each.
        mapped = self.distributed.size > 1 and self.device.type == "cpu"
        self.train_images = Batches(images.split("train").draw(recipe.limit, recipe.seed).images, self.device, mapped)
        self.held_out = Batches(images.split(images.held_out).images, self.device, mapped)
        n = len(self.train_images)
        if recipe.norm == "batch" and min(recipe.batch, n) < 2:
            raise ArmoireError(
                f"recipe {recipe.name} normalises by batches, and one image has no statistics: "
                "give at least 2 training images and a --batch of 2 or more"
            )
        # A last batch of one image, which has no statistics to normalise by, is left out.
        self.steps_per_epoch = max(1, -(-(n - (n % recipe.batch == 1)) // recipe.batch))
        self.total = recipe.epochs * self.steps_per_epoch
        self.model = Autoencoder(recipe.architecture(images), generator(recipe.seed, "weights")).to(self.device)
        synchronise(self.model, self.distributed)
        self.stepper = Stepper(self.model, recipe, self.total, self.distributed)
        self.means = RunningMeans(self.device)

    def run(self, resume: bool) -> Run:
        self.distributed.from_first(lambda: check_out(self.out.path, resume))
        if resume:
            self._restore()
        self.snapshot_steps = snapshot_steps(self.snapshots, self.total) if self.snapshots else set()
        if self.distributed.is_first:
            self._prepare_folder()
        summary = self.images.reading.summary(len(self.images)) if self.images.store else []
        for line in [*summary, *expectations(self.recipe, len(self.train_images), self.total)]:
            self.progress.note(line)
        info = self.images.info
        settings = public_recipe(self.recipe, info).model_dump(mode="json") | {"data_fingerprint": info.fingerprint}
        images_in_all, done = self._images_before(self.total), self._images_before(self.step)
        title, out = f"training {self.recipe.name}", self.out.path
        with (
            self.tracking.following(settings, self.history, resume),
            stop_requests() as stop,
            self.progress.task(title, images_in_all, "images", done, rate=True, into=out) as task,
        ):
            while self.step < self.total:
                self._epoch(task, stop)
        if resume:  # a kill between the last checkpoint and these would have left them one epoch behind
            self._write()
        return self.out

    def _restore(self) -> None:
        given = (self.out.path, self.recipe, self.images, self.steps_per_epoch, self.snapshots, self.progress)
        # Read by one process: the others may be on machines that do not have the file.
        found = self.distributed.from_first(lambda: newest_checkpoint(*given))
        if found is None:
            return
        path, checkpoint = found
        with report_damage(path):
            self.stepper.unpack(checkpoint.tensors)
            # The sums are those of all processes, and are added up again.
            self.means = RunningMeans(self.device, checkpoint.tensors["sums"] if self.distributed.is_first else None)
            self.step, facts = checkpoint.step, checkpoint.facts
            self.history, self.seconds, self.snapshots = facts["history"], facts["seconds"], facts["snapshots"]
        self.progress.note(f"going on from {path.name}, {self.step:,} of {self.total:,} steps done")

    def _prepare_folder(self) -> None:
        make_folder(self.folder)
        write_text(self.out.path / "recipe.toml", self.recipe.to_toml(comments=True))
        (self.out.path / DIVERGED).unlink(missing_ok=True)
        for step, path in self.out.snapshots.items():
            if step > self.step:  # of a training that was begun here before
                path.unlink()

    def _epoch(self, task: Task, stop: Callable[[], str]) -> None:
        self.model.train()
        epoch = self.step // self.steps_per_epoch
        indices = permutation(self.recipe.seed, epoch, len(self.train_images))
        last_save = began = time.monotonic()
        before = self.seconds
        losses: list[Tensor] = []
        for position in range(self.step % self.steps_per_epoch, self.steps_per_epoch):
            chosen = indices[position * self.recipe.batch : (position + 1) * self.recipe.batch]
            losses.append(self._step(chosen))
            self.seconds = before + time.monotonic() - began
            last = position + 1 == self.steps_per_epoch
            if len(losses) == STEPS_BETWEEN_REPORTS or last:
                self._report(losses, task, chosen)
                losses = []
            else:
                task.advance(len(chosen))
            asked, save = self._agree(stop(), time.monotonic() - last_save > SECONDS_BETWEEN_CHECKPOINTS)
            if last:
                self._end_epoch(epoch)
            elif asked or save:
                self._check_finite(losses)
                self._save()
                last_save = time.monotonic()
            if asked:
                self._stop(asked, last)

    def _step(self, chosen: Tensor) -> Tensor:
        done = self.stepper.step(self.train_images, chosen, self.step)
        self.means.add(done.terms)
        self.step = done.step
        if self.on_step:
            self.on_step(done)
        if self.step in self.snapshot_steps:
            self._check_finite([done.objective])
            self._check_weights(self.model.state_dict())
            self._write_model(self.out.snapshot(self.step))
        return done.objective

    def _agree(self, asked: str, save: bool) -> tuple[str, bool]:
        """The same decision in all processes: stop if any was asked to, save if the first one is due to."""
        number = signal.Signals[asked].value if asked else 0
        number, due = self.distributed.largest(number, int(save and self.distributed.is_first))
        return signal.Signals(number).name if number else "", bool(due)

    def _stop(self, asked: str, epoch_ended: bool) -> None:
        if not epoch_ended:
            self._write_model()
        # torchrun ends all processes as soon as one has ended.
        self.distributed.wait()
        raise TrainingInterruptedError(
            f"stopped by {asked} after {self.step:,} of {self.total:,} steps; all is saved in {self.out.path}, "
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
        lr = learning_rate(self.recipe, step - 1, self.total)
        if self.distributed.is_first:
            self.out.write_diverged(step, lr)
        return ArmoireError(
            f"training stopped at step {step:,}: the objective is no longer finite, most likely because the learning "
            f"rate ({lr:.2g} there) is too high: try --lr {self.recipe.lr / 10:.2g}; {good}"
        )

    def _end_epoch(self, epoch: int) -> None:
        recipe, split = self.recipe, self.images.held_out
        trained = self.means.averages(recipe.beta, self.distributed)
        held_out = average_over(self.model, self.held_out, recipe, self.distributed)
        if not math.isfinite(held_out.objective):
            raise self._diverged(self.step)
        row: dict[str, float] = {"epoch": epoch + 1, "step": self.step}
        row |= measured(recipe, "train", trained) | measured(recipe, split, held_out)
        row |= schedules(recipe, self.step - 1, self.total)
        row["seconds"] = round(self.seconds, 3)
        row["images_per_second"] = round(self._images_before(self.steps_per_epoch) / self.seconds, 1)
        warning = jump(recipe, row, self.history, split, self.model.pixels)
        best = all(row[f"{split}_objective_nats"] < past[f"{split}_objective_nats"] for past in self.history)
        self.history.append(row)
        self.means, self.seconds = RunningMeans(self.device), 0.0
        if self.distributed.is_first:  # before the checkpoint: a training resumed from it draws no preview of the epoch
            path = self.out.preview(epoch + 1)
            save_preview(path, self.model, self.images, recipe)
            self.tracking.epoch(row, path, lambda: histograms(self.model, self.held_out))
        self._save(best)
        self._write()
        self.progress.note(epoch_line(recipe, split, row, held_out) + warning)

    def _write(self) -> None:
        if self.distributed.is_first:
            self.out.write_history(self.history)
        self._write_model()

    def _write_model(self, path: Path | None = None) -> None:
        if self.distributed.is_first:
            epochs, steps = divmod(self.step, self.steps_per_epoch)
            epoch = self.step / self.steps_per_epoch if steps else epochs
            self.out.write_model(self.model, self.recipe, self.images, self.step, epoch, self.history, path)

    def _save(self, best: bool = False) -> None:
        tensors = self.stepper.pack() | {"sums": self.distributed.sum(self.means.values)}
        self._check_weights(tensors)
        facts = {
            "recipe": self.recipe.model_dump(),
            "data_fingerprint": self.images.info.fingerprint,
            "history": self.history,
            "seconds": self.seconds,
            "snapshots": self.snapshots or 0,
        }
        if self.distributed.is_first:
            save_checkpoint(self.folder, Checkpoint(self.step, tensors, facts), best)

    def _check_weights(self, tensors: dict[str, Tensor]) -> None:
        if not all(torch.isfinite(t).all() for t in tensors.values()):
            raise self._diverged(self.step)

    def _images_before(self, step: int) -> int:
        """Images seen by the model before a step."""
        epochs, steps = divmod(step, self.steps_per_epoch)
        an_epoch = min(len(self.train_images), self.steps_per_epoch * self.recipe.batch)
        return epochs * an_epoch + steps * self.recipe.batch
