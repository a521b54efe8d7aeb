"""The training loop: order, batch, terms, objective, step; and what it leaves behind on the way."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from armoire.errors import ArmoireError, TrainingInterruptedError
from armoire.files import make_folder, write_text
from armoire.images import ImageSet
from armoire.images.mosaic import mosaic, save_png
from armoire.model import Autoencoder, to_pixels, to_unit
from armoire.progress import SILENT, Progress, Task
from armoire.training.averages import Averages, Sums, average_over, book_scale, look
from armoire.training.checkpoint import (
    Checkpoint,
    list_checkpoints,
    load_checkpoint,
    pack_optimizer,
    save_checkpoint,
    unpack_optimizer,
)
from armoire.training.feed import Feed
from armoire.training.machine import keep_memory, pick_device
from armoire.training.randomness import generator, order
from armoire.training.recipe import Recipe, parse_recipe
from armoire.training.run import Run
from armoire.training.schedule import learning_rate
from armoire.training.stopping import stop_requests

SECONDS_BETWEEN_CHECKPOINTS = 120.0
STEPS_BETWEEN_LOOKS = 10  # how often the losses are fetched from the device, to be shown and checked
PREVIEWS = 12


def train(
    recipe: Recipe,
    images: ImageSet,
    out: str | Path,
    resume: bool = False,
    device: str = "auto",
    progress: Progress = SILENT,
) -> Run:
    """Train a recipe on the training images of a data set and leave a run behind.

    On a CPU the same recipe, seed, data and number of threads give the same bits, interrupted and resumed or not.

    Args:
        recipe: what to train, and how.
        images: the data; its test split (valid where there is none) is only ever measured on.
        out: the run's folder.
        resume: go on from the newest checkpoint in `out`; begin where there is none.
        device: auto, cpu, cuda or mps.
        progress: where to report.

    Raises:
        ArmoireError: `out` is not free, the settings do not fit, or the objective stopped being finite.
        TrainingInterruptedError: Ctrl-C or SIGTERM; the state is saved.
    """
    return _Training(recipe, images, Run(Path(out)), pick_device(device), progress).run(resume)


def check_out(out: Path, resume: bool) -> None:
    """See to it that a run may go to `out`; a folder in which nothing was saved yet is as good as a new one.

    Raises:
        ArmoireError: it is taken, or lies below a file.
    """
    for path in (out, *out.parents):
        if path.exists():
            if not path.is_dir():
                raise ArmoireError(f"{path} is a file, not a folder; choose another --out")
            break
    begun = {"recipe.toml", "checkpoints", "rejected.csv"}
    if resume or not out.is_dir() or not any(out.iterdir()):
        return
    if {path.name for path in out.iterdir()} - begun or list_checkpoints(out / "checkpoints"):
        raise ArmoireError(f"{out} already holds something; go on with --resume, choose another --out, or delete it")


@dataclass
class _Training:
    recipe: Recipe
    images: ImageSet
    out: Run
    device: torch.device
    progress: Progress
    step: int = 0
    seconds: float = 0.0  # spent in the epoch so far
    history: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        keep_memory()
        recipe, images = self.recipe, self.images
        self.train_images = images.split("train").first(recipe.limit)
        self.feed = Feed(self.train_images.images, self.device)
        if recipe.norm == "batch" and min(recipe.batch, len(self.feed)) < 2:
            raise ArmoireError(
                f"recipe {recipe.name} normalises by batches, and one image has no statistics: "
                "give at least 2 training images and a --batch of 2 or more"
            )
        self.held_out = Feed(images.split(images.held_out).images, self.device)
        self.model = Autoencoder(recipe.architecture(images), generator(recipe.seed, "weights")).to(self.device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=recipe.lr, fused=self.device.type != "mps")
        # A batch of one image has no statistics to normalise by, and so ends an epoch early.
        self.steps_per_epoch = max(1, -(-(len(self.feed) - (len(self.feed) % recipe.batch == 1)) // recipe.batch))
        self.sums = Sums(self.device)

    @property
    def total(self) -> int:
        return self.recipe.epochs * self.steps_per_epoch

    @property
    def folder(self) -> Path:
        return self.out.path / "checkpoints"

    def run(self, resume: bool) -> Run:
        check_out(self.out.path, resume)
        if resume:
            self._restore()
        make_folder(self.folder)
        write_text(self.out.path / "recipe.toml", self.recipe.to_toml(comments=True))
        done = self._images_before(self.step)
        with (
            stop_requests() as stop,
            self.progress.task(
                f"training {self.recipe.name}", self._images_before(self.total), "images", done, rate=True
            ) as task,
        ):
            while self.step < self.total:
                self._epoch(task, stop)
        if resume:  # a kill between the last checkpoint and these would have left them one epoch behind
            self.out.write_history(self.history)
            self.out.write_model(self.model, self.recipe, self.images, self.step, self.recipe.epochs)
        return self.out

    def _restore(self) -> None:
        for path in reversed(list_checkpoints(self.folder)):
            try:
                checkpoint = load_checkpoint(path)
            except ArmoireError as error:
                self.progress.note(str(error))
                continue
            try:
                self._check_same(checkpoint)
                self._unpack(checkpoint)
            except (KeyError, TypeError, ValueError, RuntimeError) as error:
                raise ArmoireError(f"{path} is damaged ({error}); delete it to go on from an earlier one") from None
            self.progress.note(f"going on from {path.name}, {self.step:,} of {self.total:,} steps done")
            return
        if self.out.path.exists():
            self.progress.note(f"no checkpoint in {self.folder}: beginning at the beginning")

    def _check_same(self, checkpoint: Checkpoint) -> None:
        saved = parse_recipe(checkpoint.facts["recipe"], "the checkpoint")
        changed = [
            key
            for key in Recipe.model_fields
            if key not in ("epochs", "name", "summary", "data") and getattr(saved, key) != getattr(self.recipe, key)
        ]
        if changed:
            was = ", ".join(f"{key} {getattr(saved, key)} (now {getattr(self.recipe, key)})" for key in changed)
            raise ArmoireError(f"{self.out.path} was begun with {was}; resume it unchanged, or choose another --out")
        if checkpoint.facts["data_fingerprint"] != self.images.info.fingerprint:
            raise ArmoireError(
                f"{self.out.path} was begun on other data; resume it on the same, or choose another --out"
            )
        if checkpoint.step > self.total:
            done = -(-checkpoint.step // self.steps_per_epoch)
            raise ArmoireError(f"{self.out.path} is in its epoch {done} or past it; give --epochs {done} or more")

    def _epoch(self, task: Task, stop: Callable[[], str]) -> None:
        self.model.train()
        epoch = self.step // self.steps_per_epoch
        indices = order(self.recipe.seed, epoch, len(self.feed))
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
            asked = stop()
            if last:
                self._end_epoch(epoch)
            elif asked or time.monotonic() - since_save > SECONDS_BETWEEN_CHECKPOINTS:
                self._check_finite(losses)
                self._save()
                since_save = time.monotonic()
            if asked:
                if not last:
                    epochs = self.step / self.steps_per_epoch
                    self.out.write_model(self.model, self.recipe, self.images, self.step, epochs)
                raise TrainingInterruptedError(
                    f"stopped by {asked} after {self.step:,} of {self.total:,} steps; all is saved in {self.out.path}, "
                    "and --resume goes on from there"
                )

    def _step(self, chosen: Tensor) -> Tensor:
        x = self.feed.batch(chosen)
        lr = learning_rate(self.recipe, self.step, self.total)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        terms = look(self.model, x, self.recipe, generator(self.recipe.seed, "step", self.step, self.device))
        loss = terms.objective(self.recipe.beta).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.sums.add(terms)
        self.step += 1
        return loss.detach()

    def _show(self, losses: list[Tensor], task: Task, chosen: Tensor) -> None:
        self._check_finite(losses)
        so_far = self.sums.averages(self.recipe.beta)
        task.advance(len(chosen), distortion=so_far.distortion, rate=so_far.rate)

    def _check_finite(self, losses: list[Tensor]) -> None:
        if not losses or torch.isfinite(stacked := torch.stack(losses)).all():
            return
        raise self._diverged(self.step - len(losses) + 1 + int((~torch.isfinite(stacked)).nonzero()[0]))

    def _diverged(self, step: int) -> ArmoireError:
        saved = list_checkpoints(self.folder)
        good = f"the last good checkpoint is {saved[-1]}" if saved else "no checkpoint was written before"
        lr = learning_rate(self.recipe, step - 1, self.total)
        return ArmoireError(
            f"training stopped at step {step:,}: the objective is no longer finite, most likely because the learning "
            f"rate ({lr:.2g} there) is too high: try --lr {self.recipe.lr / 10:.2g}; {good}"
        )

    def _end_epoch(self, epoch: int) -> None:
        trained = self.sums.averages(self.recipe.beta)
        held_out = average_over(self.model, self.held_out, self.recipe)
        if not math.isfinite(held_out.objective):
            raise self._diverged(self.step)
        split = self.images.held_out
        seen = min(len(self.feed), self.steps_per_epoch * self.recipe.batch)
        row: dict[str, float] = {"epoch": epoch + 1, "step": self.step}
        for name, averages in (("train", trained), (split, held_out)):
            row |= {f"{name}_{key}_nats": getattr(averages, key) for key in ("distortion", "rate", "objective")}
            if book := book_scale(self.recipe, averages):
                row |= {f"{name}_book_{key}": value for key, value in book.to_dict().items()}
        row |= {
            "learning_rate": learning_rate(self.recipe, self.step - 1, self.total),
            "seconds": round(self.seconds, 3),
            "images_per_second": round(seen / self.seconds, 1),
        }
        best = all(row[f"{split}_objective_nats"] < past[f"{split}_objective_nats"] for past in self.history)
        self.history.append(row)
        self.sums, self.seconds = Sums(self.device), 0.0
        self._save(best)
        self.out.write_history(self.history)
        self.out.write_model(self.model, self.recipe, self.images, self.step, epoch + 1)
        self._preview(epoch + 1)
        self.progress.note(_epoch_line(self.recipe, split, row, held_out))

    def _save(self, best: bool = False) -> None:
        tensors = {f"model.{name}": t for name, t in self.model.state_dict().items()}
        tensors |= pack_optimizer(self.optimizer) | {"sums": self.sums.values}
        if not all(torch.isfinite(t).all() for t in tensors.values()):
            raise self._diverged(self.step)
        facts = {
            "recipe": self.recipe.model_dump(),
            "data_fingerprint": self.images.info.fingerprint,
            "history": self.history,
            "seconds": self.seconds,
        }
        save_checkpoint(self.folder, Checkpoint(self.step, tensors, facts), best)

    def _unpack(self, checkpoint: Checkpoint) -> None:
        self.model.load_state_dict(checkpoint.part("model"))
        unpack_optimizer(self.optimizer, checkpoint.part("optimizer"))
        self.sums = Sums(self.device, checkpoint.tensors["sums"])
        self.step, self.history = checkpoint.step, checkpoint.facts["history"]
        self.seconds = checkpoint.facts["seconds"]

    def _images_before(self, step: int) -> int:
        """Images shown to the model before a step."""
        epochs, steps = divmod(step, self.steps_per_epoch)
        an_epoch = min(len(self.feed), self.steps_per_epoch * self.recipe.batch)
        return epochs * an_epoch + steps * self.recipe.batch

    @torch.no_grad()
    def _preview(self, epoch: int) -> None:
        """A grid: held-out images, their reconstructions and, for a VAE, draws from N(0, I)."""
        self.model.eval()
        real = self.images.split(self.images.held_out).images[:PREVIEWS]
        x = to_unit(torch.from_numpy(np.array(real)).to(self.device))
        rows = [np.asarray(real), to_pixels(self.model(x))]
        if self.recipe.posterior == "gaussian":
            z = torch.randn(len(real), self.recipe.latent, generator=generator(self.recipe.seed, "preview"))
            rows.append(to_pixels(self.model.decode(z.to(self.device))))
        scale = max(1, 64 // real.shape[1])
        save_png(self.out.path / "previews" / f"epoch-{epoch:04d}.png", mosaic(np.concatenate(rows), len(real)), scale)


def _epoch_line(recipe: Recipe, split: str, row: dict[str, float], held_out: Averages) -> str:
    book = book_scale(recipe, held_out)
    in_book = f", book scale {book.total_loss:.4g}" if book else ""
    return (
        f"epoch {row['epoch']}/{recipe.epochs}: {split} distortion {held_out.distortion:.1f}, rate {held_out.rate:.2f} "
        f"nats{in_book}; {row['images_per_second']:,.0f} images/s"
    )
