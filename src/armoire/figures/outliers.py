"""The least usual of some images, with heat maps of their reconstruction errors."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from armoire.errors import ArmoireError
from armoire.figures.figure_data import FIRST, held_out_images, of_data
from armoire.figures.style import COLOURS, MARGIN, colour_key, name_rows, tall_enough, tiles
from armoire.wardrobe import Wardrobe
from armoire.wardrobe.outliers import Outliers

COLUMNS = 10
LABELS = 1.25  # inches for the names of the rows
LARGEST = 2.0  # thresholds: the end of the scale


def outliers(wardrobe: Wardrobe) -> Figure:
    """The least usual held-out images."""
    images = held_out_images(wardrobe).draw(FIRST)
    return outlier_sheet(wardrobe, images.images, wardrobe.outliers(images.images), of_data(wardrobe, len(images)))


def outlier_sheet(wardrobe: Wardrobe, images: UInt8[np.ndarray, "n h w c"], found: Outliers, of: str) -> Figure:
    """The least usual of n images, above their reconstructions and heat maps; `of` says which images they are."""
    if (calibration := wardrobe.calibration) is None:
        raise ArmoireError("nothing is known of what is usual")
    rows = found.order[:COLUMNS]
    shown = np.asarray(images[rows])
    title = f"{wardrobe.run.name}: {found.is_outlier.sum():,} outliers among {of}"
    said = calibration.statement
    page = tall_enough(
        5.1,
        title,
        f"The {len(rows)} least usual. {said[0].upper()}{said[1:]}. Percentiles are of these {calibration.images:,}.",
    )
    blank = page.blank(MARGIN, 0.9, page.width - 2 * MARGIN, page.top - 0.9)
    step = (page.width - 2 * MARGIN - LABELS + 0.08) / COLUMNS
    side, top = step - 0.08, page.top - 1.1
    captions = [
        ("outlier\n" if found.is_outlier[k] else "")
        + f"error {found.error_percentile[k]:.0f} %\ndensity {found.density_percentile[k]:.0f} %"
        for k in rows
    ]
    norm = Normalize(0, LARGEST)
    tiles(blank, shown, COLUMNS, top, LABELS, side, (step, 0))
    tiles(blank, wardrobe.decode(wardrobe.encode(shown)), COLUMNS, top - step, LABELS, side, (step, 0))
    coloured = (COLOURS(norm(found.heat_maps[rows].clip(0, LARGEST)))[..., :3] * 255).round().astype(np.uint8)
    tiles(blank, coloured, COLUMNS, top - 2 * step, LABELS, side, (step, 0), captions)
    name_rows(blank, ("original", "reconstruction", "heat map"), top, side, step)
    words = "squared error that no small shift explains, in units of the threshold: an outlier exceeds 1 somewhere"
    colour_key(page, norm, MARGIN + LABELS, words)
    return page.figure
