"""A row of the history: what an epoch gave, in columns with their units."""

from __future__ import annotations

from armoire.training.averages import Averages, book_scale
from armoire.training.recipe import Recipe


def measured(recipe: Recipe, split: str, averages: Averages) -> dict[str, float]:
    """The columns of one split: nats per image and, where the recipe has one, its published scale."""
    row = {f"{split}_{key}_nats": getattr(averages, key) for key in ("distortion", "rate", "objective")}
    if book := book_scale(recipe, averages):
        row |= {f"{split}_book_{key}": value for key, value in book.to_dict().items()}
    return row


def epoch_line(recipe: Recipe, split: str, row: dict[str, float], held_out: Averages) -> str:
    """A row in one sentence."""
    book = book_scale(recipe, held_out)
    in_book = f", book scale {book.total_loss:.4g}" if book else ""
    return (
        f"epoch {row['epoch']}/{recipe.epochs}: {split} distortion {held_out.distortion:.1f}, rate {held_out.rate:.2f} "
        f"nats{in_book}; {row['images_per_second']:,.0f} images/s"
    )
