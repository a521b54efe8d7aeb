"""Copies: images that show the same as another, which is their original."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from armoire.progress import Progress
from armoire.survey.alignment import Edges, verify
from armoire.survey.description import Descriptions
from armoire.survey.windows import Windows, find_candidates

EXACT, RECOMPRESSED, RESIZED, CROPPED, MIRRORED = KINDS = ("exact", "recompressed", "resized", "cropped", "mirrored")
WHOLE = 0.965  # sides of a window that is not taken for a crop, as a share of the image's


@dataclass(frozen=True, eq=False)
class Copies:
    """The original of each of n images, -1 where it is one itself."""

    original: Int[np.ndarray, " n"]
    distance: Float[np.ndarray, " n"]  # to the original, 0 for an exact copy; nan where there is none
    kind: list[str]  # one of KINDS, "" for an original

    @classmethod
    def none(cls, n: int) -> Copies:
        """n originals."""
        return cls(np.full(n, -1), np.full(n, np.nan), [""] * n)

    def add(self, row: int, original: int, distance: float, kind: str) -> None:
        """Declare an image a copy."""
        self.original[row], self.distance[row], self.kind[row] = original, distance, kind

    @property
    def rows(self) -> Int[np.ndarray, " c"]:
        """The rows of the copies."""
        return np.flatnonzero(self.original >= 0)


def find_copies(images: Descriptions, held_out: np.ndarray, progress: Progress) -> Copies:
    """Exact copies by their digests, and near-copies by aligned pixels.

    The original of several is the one that is held out, shows most, is largest, and is first, in this order, so that
    no image that is held out has its only copy in training. Copies of copies are compared with the original alone.

    Args:
        images: the images.
        held_out: bool (n,), whether the data state that an image is for validation or test.
        progress: where to report.
    """
    copies = Copies.none(len(images.ids))
    area = images.sizes.prod(axis=1)
    by_digest: defaultdict[bytes, list[int]] = defaultdict(list)
    for row in np.lexsort((np.arange(len(area)), -area, ~held_out)).tolist():
        by_digest[images.digests[row]].append(row)
    for first, *others in by_digest.values():
        for row in others:
            copies.add(row, first, 0.0, EXACT)
    distinct = np.sort([rows[0] for rows in by_digest.values()])
    if len(distinct) < 2:
        return copies
    with progress.task("comparing images", None, "pairs", rate=True) as task:
        small = images.small[distinct]
        found = verify(small, find_candidates(small, Windows.usual()), task)
    edges = Edges(distinct[found.originals], distinct[found.copies], found.boxes, found.distances)
    _join(copies, edges, _ranks(edges, area, held_out), images.sizes)
    return copies


def _ranks(edges: Edges, area: np.ndarray, held_out: np.ndarray) -> Int[np.ndarray, " n"]:
    """The place of each image in the order in which images are taken for originals."""
    crops = np.zeros(len(area), bool)
    crops[edges.copies[_is_crop(edges.boxes)]] = True
    order = np.lexsort((np.arange(len(area)), -area, crops, ~held_out))
    ranks = np.empty(len(area), np.int64)
    ranks[order] = np.arange(len(area))
    return ranks


def _is_crop(boxes: Float[np.ndarray, "e 4"]) -> np.ndarray:
    return np.abs(boxes[:, 2:]).min(axis=1) < WHOLE


def _join(copies: Copies, edges: Edges, ranks: Int[np.ndarray, " n"], sizes: Int[np.ndarray, "n 2"]) -> None:
    """Declare copies along the edges: the image of the best rank takes all that are next to it, then the next one."""
    near: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for k in np.argsort(-edges.distances).tolist():  # the nearest of several edges between two images is kept
        a, b = int(edges.originals[k]), int(edges.copies[k])
        near[a][b] = near[b][a] = k
    of_same_content: defaultdict[int, list[int]] = defaultdict(list)
    for row in copies.rows.tolist():
        of_same_content[int(copies.original[row])].append(row)
    for original in sorted(near, key=lambda row: ranks[row]):
        if copies.original[original] >= 0:
            continue
        for row, k in near[original].items():
            if copies.original[row] >= 0 or ranks[row] < ranks[original]:
                continue
            kind, distance = _kind(edges.boxes[k], sizes[row], sizes[original]), float(edges.distances[k])
            for one in (row, *of_same_content[row]):
                copies.add(one, original, distance, kind)


def _kind(box: np.ndarray, size: np.ndarray, of_original: np.ndarray) -> str:
    if box[2] < 0:
        return MIRRORED
    if _is_crop(box[None])[0]:
        return CROPPED
    return RECOMPRESSED if (size == of_original).all() else RESIZED
