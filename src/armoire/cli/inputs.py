"""Image files given to a command, and a note on each that is an outlier of the training data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from armoire.progress import Progress
    from armoire.wardrobe import Wardrobe


def open_with_images(run: Path, paths: list[Path], progress: Progress) -> tuple[Wardrobe, np.ndarray]:
    """A run, and image files prepared like its training images, uint8 (n, h, w, c)."""
    from armoire.wardrobe import Wardrobe

    wardrobe = Wardrobe.open(run, progress=progress)
    return wardrobe, wardrobe.preprocess(paths)


def note_outliers(
    wardrobe: Wardrobe, paths: list[Path], originals: np.ndarray, progress: Progress
) -> list[bool] | None:
    """Which images are outliers, with a note on each; None where the threshold cannot be computed."""
    percentiles = wardrobe.error_percentiles
    if percentiles is None:
        return None
    errors = wardrobe.squared_errors(originals)
    outliers = percentiles.are_outliers(errors).tolist()
    for path, error, is_outlier in zip(paths, errors, outliers, strict=True):
        if is_outlier:
            progress.note(
                f"{path} is an outlier: its reconstruction error {error:.4f} exceeds {percentiles.threshold:.4f}, "
                "which 99 % of the held-out images stay within; results for it may mean little"
            )
    return outliers
