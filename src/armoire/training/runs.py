"""The runs in a folder, from their recipes and histories, without opening them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from armoire.io.files import parse_toml, read_text

RECIPE, HISTORY = "recipe.toml", "history.csv"
MOST = 1000  # folders searched, to bound the time


@dataclass(frozen=True)
class RunSummary:
    """A run in a list of runs."""

    path: Path
    recipe: str  # its name
    data: str  # the source of its images, as for `load_images`; "" for an array in memory
    epochs: int  # done
    asked: int  # epochs of its recipe
    modified: float  # the last change of its recipe or history, in seconds since 1970

    @property
    def is_finished(self) -> bool:
        return self.epochs >= self.asked


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
        asked, name, data = recipe["epochs"], recipe.get("name", path.name), recipe.get("data", "")
        modified = (path / RECIPE).stat().st_mtime
        epochs = 0
        if (path / HISTORY).is_file():
            epochs = max(0, len(read_text(path / HISTORY).splitlines()) - 1)
            modified = max(modified, (path / HISTORY).stat().st_mtime)
    except (OSError, ValueError, KeyError):
        return None
    if not (isinstance(asked, int) and isinstance(name, str) and isinstance(data, str)):
        return None
    return RunSummary(path, name, data, epochs, asked, modified)
