"""Class names in file names: `Abyssinian_100.jpg`, `cat.0.jpg`, `n01440764_10026.JPEG`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

#: A name, and a number that counts its images.
NUMBERED = r"([^/]+?)[ ._-]*\d+(\.\w+)?$"
LEAST_PER_CLASS = 2  # images, on average


def suggest_pattern(ids: Sequence[str]) -> str:
    """The --label-pattern that finds classes in the names of all images, "" where there seem to be none."""
    found = [re.search(NUMBERED, name) for name in ids]
    classes = Counter(match[1] for match in found if match is not None)
    plausible = 2 <= len(classes) <= len(ids) // LEAST_PER_CLASS and classes.total() == len(ids)
    return NUMBERED if plausible else ""
