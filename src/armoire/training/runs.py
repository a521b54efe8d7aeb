"""Which runs lie in a folder: told from their recipes and histories, without opening one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from armoire.io.files import parse_toml, read_text

RECIPE, HISTORY = "recipe.toml", "history.csv"
MOST = 1000  # folders looked into, so that one with very many does not make anybody wait


@dataclass(frozen=True)
class RunSummary:
    """What is known of a run at a glance.

    Attributes:
        path: its folder.
        recipe: the name of its recipe.
        data: what it is trained on, as `load_images` takes it; "" for an array in memory.
        epochs: how many are done.
        asked: how many it was to be trained for.
        modified: when its recipe or its history was written last, in seconds since 1970.
    """

    path: Path
    recipe: str
    data: str
    epochs: int
    asked: int
    modified: float

    @property
    def is_finished(self) -> bool:
        """Whether it was trained to the end."""
        return self.epochs >= self.asked


def find_runs(folder: Path) -> list[RunSummary]:
    """The runs in a folder and in its runs/, those last worked on first; what cannot be read is passed over."""
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
