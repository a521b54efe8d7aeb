"""The explorer in a cell of a notebook, and the files that its frame may request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from armoire.errors import ArmoireError
from armoire.extras import missing_extra
from armoire.images import ImageSet
from armoire.progress import SILENT, USUAL, Progress
from armoire.publish.page import CELL, HEIGHT, LOWEST, page_folder
from armoire.publish.site import site_files
from armoire.training.run import Run

if TYPE_CHECKING:
    from armoire.publish.widget import Cell
    from armoire.wardrobe import Wardrobe


def explore(
    run: str | Path | Run | Wardrobe,
    *,
    height: int = HEIGHT,
    images: ImageSet | None = None,
    progress: Progress | None = None,
) -> Cell:
    """The explorer of a run as a widget in a cell of Jupyter, VS Code or Colab (extra `notebook`).

    The kernel sends its data: no port and no network is needed. `pinned`, float32 (n, d), holds the latents pinned in
    the page; assign to it to pin others.

    Args:
        run: a run's folder, a Run, or a Wardrobe, which has it as a method too.
        height: of the widget in CSS pixels, at least 240.
        images: the run's data, if loaded.
        progress: where to report; by default as the Wardrobe does, else a bar below the cell.

    Raises:
        ArmoireError: no such run, no anywidget, a height that is too small, or this install has no page.
    """
    if height < LOWEST:
        raise ArmoireError(f"height should be {LOWEST} pixels or more, not {height}")
    if isinstance(run, str | Path):
        run = Run.open(run, progress or USUAL)
    elif not isinstance(run, Run):
        images = run.images_at_hand if images is None else images
        run, progress = run.run, progress or run.progress
    try:
        from armoire.publish.widget import Cell
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("anywidget", "ipywidgets", "traitlets"):
            raise
        instead = f"or open it in a browser: armoire explore {run}"
        raise missing_extra("the explorer in a notebook", "notebook", instead) from error
    return Cell(run, cell_files(run, progress or USUAL, images), height)


def cell_files(run: Run, progress: Progress = SILENT, images: ImageSet | None = None) -> dict[str, Path]:
    """Every file that the frame may request, by its name: the document, the engine, and the site's data."""
    files = site_files(run, progress, images)
    engine = next(file for file in files.values() if file.suffix == ".wasm")
    data = {name[1:]: file for name, file in files.items() if name.startswith("/data/")}
    return {"cell.html": page_folder() / CELL / "cell.html", "engine": engine} | data
