"""FOLDER/index.html of a survey: pairs of copies, outliers and groups, on one page that fetches nothing."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from armoire.errors import ArmoireError
from armoire.html_repr import Picture, Table, html_page, html_repr
from armoire.images.decode import RejectedImageError
from armoire.images.fit import Fit
from armoire.images.grid import image_grid, to_pil
from armoire.survey.copies import KINDS

if TYPE_CHECKING:
    from armoire.survey.survey import Survey

PAIRS, OUTLIERS, MEMBERS = 120, 60, 12  # shown, at most; members of each group
THUMBNAIL = Fit(128, "pad", (255, 255, 255))
QUALITY = 85  # of JPEG
STYLE = """
.armoire-shown { max-width: none } section { margin-top: 3rem }
section figure, section figure + figure { display: inline-block; width: auto; vertical-align: top }
section .armoire-shown figure { margin: 1rem 1.25rem 0 0 }
.armoire-shown figcaption { line-height: 1.35; margin-top: .25rem }
.pairs figcaption, .pairs img { width: 194px } .outliers figcaption, .outliers img { width: 96px }
.groups img { width: 780px; max-width: 100% }
"""


class Thumbnails:
    """Small pictures of the images of a survey, read when they are shown."""

    def __init__(self, survey: Survey) -> None:
        self.survey = survey

    def sheet(self, rows: Sequence[int], caption: str) -> Picture:
        """Images in a row."""
        sheet = image_grid(np.stack([self._read(row) for row in rows]), len(rows), gap=4)
        file = BytesIO()
        to_pil(sheet).save(file, "JPEG", quality=QUALITY)
        return Picture(file.getvalue(), caption, "jpeg")

    def _read(self, row: int) -> UInt8[np.ndarray, "s s 3"]:
        position = int(self.survey.rows[row])
        try:
            (image,) = self.survey.source.read(position, position + 1)
            pixels = image(THUMBNAIL)
        except (RejectedImageError, OSError, ArmoireError):  # it could be read before, and is changing
            pixels = np.full((THUMBNAIL.canvas, THUMBNAIL.canvas, 3), 255, np.uint8)
        return np.broadcast_to(pixels, (*pixels.shape[:2], 3))


def write_page(survey: Survey) -> str:
    """The page as HTML."""
    title = f"{survey.name}: {len(survey.ids):,} images"
    thumbnails = Thumbnails(survey)
    sections = [
        html_repr(title, f"Outliers and groups by {survey.features}.", _tables(survey)),
        _section("pairs", "Duplicates", _about_copies(survey), _pairs(survey, thumbnails)),
        _section(
            "outliers", "Outliers", "The images that are farthest from all others.", _outliers(survey, thumbnails)
        ),
        _section("groups", "Groups", "The exemplar of each group comes first.", _groups(survey, thumbnails)),
    ]
    return html_page(f"Survey of {title}", "\n".join(sections), STYLE)


def _section(name: str, title: str, about: str, pictures: Sequence[Picture]) -> str:
    return f'<section class="{name}">{html_repr(title, about, (), pictures)}</section>'


def _tables(survey: Survey) -> list[Table]:
    found = survey.summary()
    rows = [("duplicates", f"{found['duplicates']['images']:,}")]
    rows += [(kind, f"{n:,}") for kind in KINDS if (n := found["duplicates"][kind])]
    rows += [("of them in another split than their original", f"{found['across_splits']:,}")]
    rows += [("groups", f"{len(found['groups']):,}"), ("files that could not be read", f"{found['rejected']:,}")]
    return [Table(rows)]


def _about_copies(survey: Survey) -> str:
    shown, n = min(PAIRS, len(survey.copies.rows)), len(survey.copies.rows)
    if not n:
        return "None were found."
    which = f"{shown:,} of {n:,} pairs" if shown < n else f"{n:,} pairs"
    return f"{which}: the original on the left, the least alike of each kind first. All are in survey.csv."


def _pairs(survey: Survey, thumbnails: Thumbnails) -> list[Picture]:
    """Pairs across splits first, then of each kind as many as of others, the most distant first."""
    copies, across = survey.copies, set(survey.across_splits())
    by_kind: dict[str, int] = dict.fromkeys(KINDS, 0)
    turns = []
    for row in sorted(copies.rows.tolist(), key=lambda row: -copies.distance[row]):
        by_kind[copies.kind[row]] += 1
        turns.append((row not in across, by_kind[copies.kind[row]], row))
    pictures = []
    for _, _, row in sorted(turns)[:PAIRS]:
        original = int(copies.original[row])
        splits = f", {survey.splits[original]} and {survey.splits[row]}" if row in across else ""
        caption = f"{copies.kind[row]}, {copies.distance[row]:.3f}{splits}: {survey.ids[original]}, {survey.ids[row]}"
        pictures.append(thumbnails.sheet([original, row], caption))
    return pictures


def _outliers(survey: Survey, thumbnails: Thumbnails) -> list[Picture]:
    rows = np.argsort(-survey.outlier_percentile, kind="stable")[:OUTLIERS].tolist()
    return [thumbnails.sheet([row], f"{survey.outlier_percentile[row]:.2f}: {survey.ids[row]}") for row in rows]


def _groups(survey: Survey, thumbnails: Thumbnails, seed: int = 0) -> list[Picture]:
    random, pictures = np.random.default_rng(seed), []
    for k, exemplar in enumerate(survey.groups.exemplars.tolist()):
        rows = np.flatnonzero(survey.groups.group == k)
        others = random.permutation(rows[rows != exemplar])[: MEMBERS - 1].tolist()
        caption = f"group {k + 1}, {len(rows):,} images: {survey.ids[exemplar]}"
        pictures.append(thumbnails.sheet([exemplar, *others], caption))
    return pictures
