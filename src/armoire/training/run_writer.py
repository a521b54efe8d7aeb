"""What a training writes to its run, in the first process alone."""

from __future__ import annotations

from dataclasses import dataclass

from armoire.images import ImageSet
from armoire.io.files import make_folder, write_text
from armoire.model import Autoencoder
from armoire.training.checkpointing import FOLDER, Checkpoint, save_checkpoint
from armoire.training.parts import Parts
from armoire.training.preview import histograms, save_preview
from armoire.training.recipe import Recipe
from armoire.training.run import DIVERGED, Run
from armoire.training.tracking import Tracking


@dataclass(frozen=True)
class RunWriter:
    """Writes recipe, weights, history, previews and checkpoints.

    `is_first`: whether it is the process that writes; `started_from`: as in `Run.write_model`.
    """

    run: Run
    recipe: Recipe
    images: ImageSet
    parts: Parts
    model: Autoencoder
    tracking: Tracking
    is_first: bool
    started_from: dict[str, str]

    def prepare(self, step: int) -> None:
        """Write the recipe, and delete what a training that was begun here before wrote after a step."""
        if not self.is_first:
            return
        make_folder(self.run.path / FOLDER)
        write_text(self.run.path / "recipe.toml", self.recipe.to_toml(comments=True))
        (self.run.path / DIVERGED).unlink(missing_ok=True)
        for other, path in self.run.snapshots.items():
            if other > step:
                path.unlink()

    def row(self, history: list[dict[str, float]]) -> None:
        """Write the preview of the last row of the history, and log both to the trackers."""
        if not self.is_first:
            return
        path = self.run.preview(int(history[-1]["step"]))
        save_preview(path, self.model, self.images, self.recipe)
        self.tracking.row(len(history), history[-1], path, lambda: histograms(self.model, self.parts.held_out))

    def history(self, rows: list[dict[str, float]]) -> None:
        if self.is_first:
            self.run.write_history(rows)

    def weights(
        self, step: int, history: list[dict[str, float]], *, steps_done: int | None = None, snapshot: bool = False
    ) -> None:
        """Write the model with the weights of a step as model.safetensors, or as a snapshot."""
        if self.is_first:
            path = self.run.snapshot(step) if snapshot else None
            given = (self.model, self.recipe, self.images, step, self.parts.epochs(step), history, path)
            self.run.write_model(*given, steps_done=steps_done, started_from=self.started_from)

    def checkpoint(self, checkpoint: Checkpoint, best: bool) -> None:
        if self.is_first:
            save_checkpoint(self.run.path / FOLDER, checkpoint, best)

    def diverged(self, step: int, learning_rate: float) -> None:
        if self.is_first:
            self.run.write_diverged(step, learning_rate)
