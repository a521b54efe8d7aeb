"""What a survey found, and its table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from armoire.images.source import Source
from armoire.survey.copies import KINDS, Copies
from armoire.survey.features import Groups


@dataclass(frozen=True, eq=False)
class Survey:
    """What was found in a data set; rows are those of the n images that could be read.

    Attributes:
        name: of the data, without folders of this machine.
        source: the images, at `rows`.
        ids: of the images.
        rows: their positions in the source.
        splits: stated by the data; None where unknown.
        copies: the original of each copy.
        groups: the group of each image.
        outlier_percentile: share of images whose features are nearer to others', in per cent.
        features: what outliers and groups were found by.
        rejected: number of images that could not be read.
    """

    name: str
    source: Source
    ids: Sequence[str]
    rows: np.ndarray
    splits: Sequence[str | None]
    copies: Copies
    groups: Groups
    outlier_percentile: Float[np.ndarray, " n"]
    features: str
    rejected: int

    def across_splits(self) -> list[int]:
        """Rows of copies whose original is in another split."""
        original = self.copies.original.tolist()
        return [row for row in self.copies.rows.tolist() if self.splits[row] != self.splits[original[row]]]

    def summary(self) -> dict[str, Any]:
        """Counts, as `armoire survey --json` prints them."""
        kinds = Counter(self.copies.kind[row] for row in self.copies.rows.tolist())
        most = np.argsort(-self.outlier_percentile, kind="stable")[:10]
        sizes = np.bincount(self.groups.group)
        return {
            "name": self.name,
            "images": len(self.ids),
            "rejected": self.rejected,
            "features": self.features,
            "duplicates": {"images": len(self.copies.rows), **{kind: kinds[kind] for kind in KINDS}},
            "across_splits": len(self.across_splits()),
            "outliers": [self.ids[row] for row in most],
            "groups": [
                {"group": k + 1, "images": int(sizes[k]), "exemplar": self.ids[row]}
                for k, row in enumerate(self.groups.exemplars.tolist())
            ],
        }

    def table(self) -> Iterator[tuple[str, ...]]:
        """The rows of survey.csv."""
        exemplars = set(self.groups.exemplars.tolist())
        for row, name in enumerate(self.ids):
            original = int(self.copies.original[row])
            yield (
                name,
                str(self.groups.group[row] + 1),
                "" if original < 0 else self.ids[original],
                "" if original < 0 else f"{self.copies.distance[row]:.4f}",
                f"{self.outlier_percentile[row]:.2f}",
                self.copies.kind[row],
                "yes" if row in exemplars else "",
                self.splits[row] or "",
            )
