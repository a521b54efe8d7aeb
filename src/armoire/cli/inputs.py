"""The run and the image files given to a command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from armoire.console import terminal_progress

if TYPE_CHECKING:
    import numpy as np

    from armoire.wardrobe import Wardrobe
    from armoire.wardrobe.outliers import Outliers


def open_wardrobe(run: Path) -> Wardrobe:
    """A run, which reports to the terminal."""
    from armoire.wardrobe import Wardrobe

    return Wardrobe.open(run, progress=terminal_progress())


def note_outliers(wardrobe: Wardrobe, paths: list[Path], images: np.ndarray) -> Outliers | None:
    """How unusual images are, with a note on each outlier; None where what is usual cannot be measured."""
    if (calibration := wardrobe.calibration) is None:
        return None
    found = wardrobe.outliers(images)
    for path, is_outlier in zip(paths, found.is_outlier, strict=True):
        if is_outlier:
            wardrobe.progress.note(
                f"{path} is an outlier: less usual than all but {calibration.false_positive_rate:.1%} of images "
                "like the training data; results for it may mean little"
            )
    return found
