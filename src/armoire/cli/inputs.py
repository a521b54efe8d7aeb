"""The run and the image files given to a command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from armoire.console import terminal_progress

if TYPE_CHECKING:
    import numpy as np

    from armoire.wardrobe import Wardrobe


def open_wardrobe(run: Path) -> Wardrobe:
    """A run, which reports to the terminal."""
    from armoire.wardrobe import Wardrobe

    return Wardrobe.open(run, progress=terminal_progress())


def note_outliers(wardrobe: Wardrobe, paths: list[Path], images: np.ndarray) -> list[bool] | None:
    """Which images are outliers, with a note on each; None where the threshold cannot be computed."""
    if wardrobe.error_percentiles is None:
        return None
    outliers = wardrobe.outliers(images).tolist()
    for path, is_outlier in zip(paths, outliers, strict=True):
        if is_outlier:
            wardrobe.progress.note(
                f"{path} is an outlier: its reconstruction error exceeds that of 99 % of the held-out images; results "
                "for it may mean little"
            )
    return outliers
