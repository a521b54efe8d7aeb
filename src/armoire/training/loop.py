"""The training loop: order, batch, terms, objective, step; and what it leaves behind on the way."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from armoire.errors import ArmoireError, TrainingInterruptedError
from armoire.images import ImageSet
from armoire.images.sources.celeba import may_be_shown
from armoire.io.files import make_folder, write_text
from armoire.model import Autoencoder, Terms
from armoire.model.draws import Draws
from armoire.progress import SILENT, Progress, Task
from armoire.training.adversary import Adversary
from armoire.training.averages import RunningMeans, average_over, forward
from armoire.training.batches import Batches
from armoire.training.checkpoint import (
    Checkpoint,
    list_checkpoints,
    pack_optimizer,
    save_checkpoint,
    unpack_optimizer,
)
from armoire.training.distributed import DistributedContext, join
from armoire.training.expectations import expectations
from armoire.training.history import epoch_line, jump, measured
from armoire.training.machine import keep_memory, pick_device
from armoire.training.preview import histograms, save_preview
from armoire.training.public import public_recipe
from armoire.training.randomness import generator, permutation
from armoire.training.recipe import Recipe
from armoire.training.resuming import check_out, damage_told, newest_checkpoint
from armoire.training.run import DIVERGED, Run
from armoire.training.schedule import learning_rate
from armoire.training.stopping import stop_requests
from armoire.training.synchronised import synchronise
from armoire.training.tracking import Tracking, tracker_names

SECONDS_BETWEEN_CHECKPOINTS = 120.0
STEPS_BETWEEN_LOOKS = 10  # how often the losses are fetched from the device, to be shown and checked


def train(
    recipe: Recipe,
    images: ImageSet,
    out: str | Path,
    resume: bool = False,
    device: str | torch.device | None = "auto",
    progress: Progress = SILENT,
    track: str | Sequence[str] = (),
) -> Run:
    """Train a recipe on the training images of a data set and leave a run behind.

    On a CPU the same recipe, seed, data and number of threads give the same bits, interrupted and resumed or not. In
    the processes that torchrun starts it trains one model together; the first of them writes the run.

    Args:
        recipe: what to train, and how.
        images: the data; its test split (valid where there is none) is only ever measured on.
        out: the run's folder.
        resume: go on from the newest checkpoint in `out`; begin where there is none.
        device: auto (CUDA where there is a GPU for it, else the CPU), cpu, cuda or mps (untested).
        progress: where to report.
        track: trackers that follow it: tensorboard, trackio, wandb. They change nothing, and nothing hangs on them.

    Raises:
        ArmoireError: `out` is not free, the settings do not fit, a tracker is not installed, or the objective stopped
            being finite.
        TrainingInterruptedError: Ctrl-C or SIGTERM; the state is saved.
    """
    chosen = pick_device(device)
    distributed = join(chosen)
    names = tracker_names(track) if distributed.is_first else ()
    with distributed.together():
        progress = progress if distributed.is_first else SILENT
        run = Run(Path(out))
        tracking = Tracking(names, run, recipe.showable and may_be_shown(images.info), progress.note)
        return _Training(recipe, images, run, chosen, progress, distributed, tracking).run(resume)


class _Forward(nn.Module):
    """`forward` as a module's forward, which is what DistributedDataParallel wants."""

    def __init__(self, model: Autoencoder, recipe: Recipe) -> None:
        super().__init__()
        self.model, self.recipe = model, recipe

    def forward(self, x: Tensor, draws: Draws) -> Terms:
        return forward(self.model, x, self.recipe, draws)


@dataclass
class _Training:
    recipe: Recipe
    images: ImageSet
    out: Run
    device: torch.device
    progress: Progress
    distributed: DistributedContext
    tracking: Tracking
    step: int = 0
    seconds: float = 0.0  # spent in the epoch so far
    history: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        keep_memory()
        recipe, images = self.recipe, self.images
        self.train_images = images.split("train").first(recipe.limit)
        # Processes on one machine share the pages of a mapped file; a GPU is worth a copy each.
        mapped = self.distributed.size > 1 and self.device.type == "cpu"
        self.feed = Batches(self.train_images.images, self.device, mapped)
        if recipe.norm == "batch" and min(recipe.batch, len(self.feed)) < 2:
            raise ArmoireError(
                f"recipe {recipe.name} normalises by batches, and one image has no statistics: "
                "give at least 2 training images and a --batch of 2 or more"
            )
        self.held_out = Batches(images.split(images.held_out).images, self.device, mapped)
        self.model = Autoencoder(recipe.architecture(images), generator(recipe.seed, "weights")).to(self.device)
        synchronise(self.model, self.distributed)
        self.forward = self.distributed.parallel(_Forward(self.model, recipe))
        self.adversary = self._invite_adversary()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=recipe.lr, fused=self.device.type != "mps")
        # A batch of one image has no statistics to normalise by, and so ends an epoch early.
        self.steps_per_epoch = max(1, -(-(len(self.feed) - (len(self.feed) % recipe.batch == 1)) // recipe.batch))
        self.sums = RunningMeans(self.device)

    def _invite_adversary(self) -> Adversary | None:
        if not self.recipe.adversarial:
            return None
        if self.distributed.size > 1:
            raise ArmoireError(
                f"recipe {self.recipe.name} has a critic, which is trained in one process only; start it without "
                "torchrun, or with --set adversarial=0"
            )
        _, _, image_channels = self.images.shape
        return Adversary(image_channels, self.recipe.adversarial, self.recipe.seed, self.device)

    @property
    def total(self) -> int:
        return self.recipe.epochs * self.steps_per_epoch

    @property
    def folder(self) -> Path:
        return self.out.path / "checkpoints"

    def run(self, resume: bool) -> Run:
        self.distributed.from_first(lambda: check_out(self.out.path, resume))
        if resume:
            self._restore()
        if self.distributed.is_first:
            make_folder(self.folder)
            write_text(self.out.path / "recipe.toml", self.recipe.to_toml(comments=True))
            (self.out.path / DIVERGED).unlink(missing_ok=True)
        for line in expectations(self.recipe, len(self.feed), self.total):
            self.progress.note(line)
        done = self._images_before(self.step)
        info = self.images.info
        settings = public_recipe(self.recipe, info).model_dump(mode="json") | {"data_fingerprint": info.fingerprint}
        with (
            self.tracking.following(settings, self.history, resume),
            stop_requests() as stop,
            self.progress.task(
                f"training {self.recipe.name}",
                self._images_before(self.total),
                "images",
                done,
                rate=True,
                into=self.out.path,
            ) as task,
        ):
            while self.step < self.total:
                self._epoch(task, stop)
        if resume:  # a kill between the last checkpoint and these would have left them one epoch behind
            self._write(self.recipe.epochs)
        return self.out

    def _restore(self) -> None:
        given = (self.out.path, self.recipe, self.images, self.steps_per_epoch, self.progress)
        # Read in one place: the other processes may be on machines that do not see it.
        found = self.distributed.from_first(lambda: newest_checkpoint(*given))
        if found is None:
            return
        path, checkpoint = found
        with damage_told(path):
            self._unpack(checkpoint)
        self.progress.note(f"going on from {path.name}, {self.step:,} of {self.total:,} steps done")

    def _epoch(self, task: Task, stop: Callable[[], str]) -> None:
        self.model.train()
        epoch = self.step // self.steps_per_epoch
        indices = permutation(self.recipe.seed, epoch, len(self.feed))
        since_save = began = time.monotonic()
        before = self.seconds
        losses: list[Tensor] = []
        for position in range(self.step % self.steps_per_epoch, self.steps_per_epoch):
            chosen = indices[position * self.recipe.batch : (position + 1) * self.recipe.batch]
            losses.append(self._step(chosen))
            self.seconds = before + time.monotonic() - began
            last = position + 1 == self.steps_per_epoch
            if len(losses) == STEPS_BETWEEN_LOOKS or last:
                self._show(losses, task, chosen)
                losses = []
            else:
                task.advance(len(chosen))
            asked, save = self._agree(stop(), time.monotonic() - since_save > SECONDS_BETWEEN_CHECKPOINTS)
            if last:
                self._end_epoch(epoch)
            elif asked or save:
                self._check_finite(losses)
                self._save()
                since_save = time.monotonic()
            if asked:
                self._stop(asked, last)

    def _agree(self, asked: str, save: bool) -> tuple[str, bool]:
        """What to do after a step, the same in all processes: stop if any was asked to, save if the first means to."""
        number = signal.Signals[asked].value if asked else 0
        number, due = self.distributed.largest(number, int(save and self.distributed.is_first))
        return signal.Signals(number).name if number else "", bool(due)

    def _stop(self, asked: str, epoch_ended: bool) -> None:
        if not epoch_ended and self.distributed.is_first:
            epochs = self.step / self.steps_per_epoch
            self.out.write_model(self.model, self.recipe, self.images, self.step, epochs, self.history)
        # torchrun ends all as soon as one has ended.
        self.distributed.wait()
        raise TrainingInterruptedError(
            f"stopped by {asked} after {self.step:,} of {self.total:,} steps; all is saved in {self.out.path}, "
            "and --resume (in Python resume=True) goes on from there"
        )

    def _step(self, chosen: Tensor) -> Tensor:
        lr = learning_rate(self.recipe, self.step, self.total)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        draws = generator(self.recipe.seed, "step", self.step, self.device)
        x = self.feed.batch(chosen[self.distributed.share(len(chosen))])
        terms = self.forward(x, self.distributed.draws(draws, len(chosen)))
        # These rows' part of the mean over the batch. The parts add up, where the processes' gradients are averaged.
        loss = terms.objective(self.recipe.beta).sum() / len(chosen)
        self.optimizer.zero_grad()
        if self.adversary and self.step >= self.recipe.adversarial_from * self.total:
            self.adversary.step(x, terms, self.model.likelihood, self.recipe.beta, lr)
        else:
            (loss * self.distributed.size).backward()
        if self.recipe.clip:  # after the gradients were averaged: every process scales by the same norm
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimizer.step()
        self.sums.add(terms)
        self.step += 1
        return loss.detach()

    def _show(self, losses: list[Tensor], task: Task, chosen: Tensor) -> None:
        self._check_finite(losses)
        so_far = self.sums.averages(self.recipe.beta, self.distributed)
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
        trained = self.sums.averages(self.recipe.beta, self.distributed)
        held_out = average_over(self.model, self.held_out, self.recipe, self.distributed)
        if not math.isfinite(held_out.objective):
            raise self._diverged(self.step)
        split = self.images.held_out
        seen = min(len(self.feed), self.steps_per_epoch * self.recipe.batch)
        row: dict[str, float] = {"epoch": epoch + 1, "step": self.step}
        row |= measured(self.recipe, "train", trained) | measured(self.recipe, split, held_out)
        row |= {
            "learning_rate": learning_rate(self.recipe, self.step - 1, self.total),
            "seconds": round(self.seconds, 3),
            "images_per_second": round(seen / self.seconds, 1),
        }
        jumped = jump(self.recipe, row, self.history, split, self.model.pixels)
        best = all(row[f"{split}_objective_nats"] < past[f"{split}_objective_nats"] for past in self.history)
        self.history.append(row)
        self.sums, self.seconds = RunningMeans(self.device), 0.0
        if self.distributed.is_first:  # before the checkpoint, for what goes on from that draws no more of this epoch
            path = self.out.preview(epoch + 1)
            save_preview(path, self.model, self.images, self.recipe)
            self.tracking.epoch(row, path, lambda: histograms(self.model, self.held_out))
        self._save(best)
        self._write(epoch + 1)
        self.progress.note(epoch_line(self.recipe, split, row, held_out) + jumped)

    def _write(self, epochs: int) -> None:
        if self.distributed.is_first:
            self.out.write_history(self.history)
            self.out.write_model(self.model, self.recipe, self.images, self.step, epochs, self.history)

    def _save(self, best: bool = False) -> None:
        tensors = {f"model.{name}": t for name, t in self.model.state_dict().items()}
        tensors |= pack_optimizer(self.optimizer) | {"sums": self.distributed.sum(self.sums.values)}
        if self.adversary:
            tensors |= {f"adversary.{name}": t for name, t in self.adversary.pack().items()}
        if not all(torch.isfinite(t).all() for t in tensors.values()):
            raise self._diverged(self.step)
        facts = {
            "recipe": self.recipe.model_dump(),
            "data_fingerprint": self.images.info.fingerprint,
            "history": self.history,
            "seconds": self.seconds,
        }
        if self.distributed.is_first:
            save_checkpoint(self.folder, Checkpoint(self.step, tensors, facts), best)

    def _unpack(self, checkpoint: Checkpoint) -> None:
        self.model.load_state_dict(checkpoint.part("model"))
        unpack_optimizer(self.optimizer, checkpoint.part("optimizer"))
        if self.adversary:
            self.adversary.unpack(checkpoint.part("adversary"))
        # Of all processes together; they are added up again.
        self.sums = RunningMeans(self.device, checkpoint.tensors["sums"] if self.distributed.is_first else None)
        self.step, self.history = checkpoint.step, checkpoint.facts["history"]
        self.seconds = checkpoint.facts["seconds"]

    def _images_before(self, step: int) -> int:
        """Images shown to the model before a step."""
        epochs, steps = divmod(step, self.steps_per_epoch)
        an_epoch = min(len(self.feed), self.steps_per_epoch * self.recipe.batch)
        return epochs * an_epoch + steps * self.recipe.batch
