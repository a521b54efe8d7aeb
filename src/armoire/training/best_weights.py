"""The best weights of a training: which they are, and their use in place of the last ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from armoire.errors import ArmoireError
from armoire.model import Autoencoder
from armoire.training.checkpointing import BEST, load_checkpoint
from armoire.training.optimizer_state import with_prefix
from armoire.training.recipe import Recipe
from armoire.training.schedule import Length


@dataclass
class BestWeights:
    """Those with the smallest objective on one split, whose checkpoint is copied to `folder`.

    Attributes:
        row: that of the history, with the `position` in the training; {} before the first.
    """

    folder: Path
    split: str
    row: dict[str, float] = field(default_factory=dict)

    @property
    def step(self) -> int:
        return int(self.row["step"])

    def is_improved_by(self, row: dict[str, float], recipe: Recipe, length: Length) -> bool:
        """Whether a row is better than those before, which it then takes the place of.

        What is measured before the critic is used does not count: it sharpens images at the objective's expense.
        """
        objective = f"{self.split}_objective_nats"
        begins = recipe.adversarial_from * length.total if recipe.adversarial else 0
        counts = self.row and not self.row["position"] < begins <= length.position
        if counts and row[objective] >= self.row[objective]:
            return False
        self.row = row | {"position": length.position}
        return True

    def restore(self, model: Autoencoder) -> None:
        """Load them into a model; ArmoireError where their checkpoint is damaged, or of another step."""
        path = self.folder / BEST
        checkpoint = load_checkpoint(path)
        if checkpoint.step != self.step:  # written just before a kill, by a training that went on in another way
            raise ArmoireError(f"{path} is of step {checkpoint.step:,}, not {self.step:,}")
        model.load_state_dict(with_prefix(checkpoint.tensors, "model") | with_prefix(checkpoint.tensors, "average"))

    def report(self, step: int, length: Length) -> str:
        """A line on why they are used, after a training of so many steps."""
        kept = f"the weights of step {self.step:,} are kept, the best for the validation images"
        if length.is_over:
            return kept
        return (
            f"stopped after {length.describe(step)}, because the model over-fits: it has become worse on "
            f"the validation images, and better on the training images; {kept}"
        )
