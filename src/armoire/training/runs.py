"""The runs in a folder, from their recipes and histories, without opening them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from armoire.io.files import parse_toml, read_text

RECIPE, HISTORY, LATENTS = "recipe.toml", "history.csv", "latents.parquet"
LENGTHS = ("epochs", "steps", "minutes")
MOST = 1000  # folders searched, to bound the time


@dataclass(frozen=True)
class RunSummary:
    """A run in a list of runs."""

    path: Path
    recipe: str  # its name
    data: str  # the source of its images, as for `load_images`; "" for an array in memory
    length: str  # of its recipe, such as "5 epochs"
    steps: int  # measured last
    is_finished: bool  # whether its images were encoded, which is done at the end
    modified: float  # the last change of its recipe or history, in seconds since 1970

    @property
    def state(self) -> str:
        return self.length if self.is_finished else f"stopped after {self.steps:,} steps, of {self.length}"


def find_runs(folder: Path) -> list[RunSummary]:
    """The readable runs in a folder and in its runs/, the last modified first."""
    found = {path: summary for path in _folders(folder) if (summary := _summary(path)) is not None}
    return sorted(found.values(), key=lambda run: (-run.modified, str(run.path)))


def _folders(folder: Path) -> Iterator[Path]:
    for place in (folder / "runs", folder):
        try:
            yield from sorted(path for path in place.iterdir() if (path / RECIPE).is_file())[:MOST]
        except OSError:
            continue


def _summary(path: Path) -> RunSummary | None:
    try:
        recipe = parse_toml(read_text(path / RECIPE))
        length = next((f"{recipe[unit]} {unit}" for unit in LENGTHS if isinstance(recipe.get(unit), int | float)), "")
        name, data, modified = recipe.get("name", path.name), recipe.get("data", ""), (path / RECIPE).stat().st_mtime
        steps = 0
        if (path / HISTORY).is_file():
            rows = list(csv.DictReader(StringIO(read_text(path / HISTORY))))
            steps = int(rows[-1]["step"]) if rows else 0
            modified = max(modified, (path / HISTORY).stat().st_mtime)
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return None
    if not (length and isinstance(name, str) and isinstance(data, str)):
        return None
    return RunSummary(path, name, data, length, steps, (path / LATENTS).is_file(), modified)
