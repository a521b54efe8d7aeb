"""Image files given to a command, and a note on each that is an outlier of the training data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from armoire.progress import Progress
    from armoire.wardrobe import Wardrobe


def open_with_images(run: Path, paths: list[Path], progress: Progress) -> tuple[Wardrobe, np.ndarray]:
    """A run, and image files fitted like its training data."""
    from armoire.wardrobe import Wardrobe

    wardrobe = Wardrobe.open(run, progress=progress)
    return wardrobe, wardrobe.preprocess(paths)


def note_outliers(
    wardrobe: Wardrobe, paths: list[Path], originals: np.ndarray, progress: Progress
) -> list[bool] | None:
    """Which images lie far from the training data, with a note on each; None where that cannot be told."""
    usual = wardrobe.familiarity
    if usual is None:
        return None
    errors = wardrobe.squared_errors(originals)
    far = usual.far(errors).tolist()
    for path, error, is_far in zip(paths, errors, far, strict=True):
        if is_far:
            progress.note(
                f"{path} lies far from the training data: its reconstruction error {error:.4f} is above "
                f"{usual.mse_p99:.4f}, which 99 % of the held-out images stay within; what comes of it may mean little"
            )
    return far
