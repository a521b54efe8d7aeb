"""The explorer in a cell of a notebook: which files its frame may ask for, and how they are handed over in parts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from armoire.errors import ArmoireError
from armoire.extras import missing_extra
from armoire.images import ImageSet
from armoire.progress import SILENT, USUAL, Progress
from armoire.publish.page import cell_folder
from armoire.publish.site import site_files
from armoire.training.run import Run

if TYPE_CHECKING:
    from armoire.publish.widget import Cell
    from armoire.wardrobe import Wardrobe

HEIGHT, LOWEST = 720, 240  # CSS pixels
PART = 1 << 20  # bytes in a message: a notebook's server may refuse very large ones


def explore(
    run: str | Path | Run | Wardrobe,
    height: int = HEIGHT,
    images: ImageSet | None = None,
    progress: Progress | None = None,
) -> Cell:
    """The explorer of a run as a widget, to be shown in a cell of Jupyter, VS Code or Colab (extra `notebook`).

    All that it shows comes from the kernel, so that it needs no port and no network. What one pins there is in
    `pinned`, float32 (n, d); places that are set there hang on the shelf.

    Args:
        run: a run's folder, a Run, or a Wardrobe; that of a Wardrobe is `wardrobe.explore()` too.
        height: of the widget in CSS pixels, 240 at least.
        images: the run's data, where they are at hand.
        progress: where to report; by default where a Wardrobe does, else a bar below the cell.

    Raises:
        ArmoireError: there is no such run, anywidget is not installed, the height is too small, or the page was left
            out of this install.
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
        instead = f"or open it in a browser: armoire explore {run.path}"
        raise missing_extra("the explorer in a notebook", "notebook", instead) from error
    return Cell(run, cell_files(run, progress or USUAL, images), height)


def cell_files(run: Run, progress: Progress = SILENT, images: ImageSet | None = None) -> dict[str, Path]:
    """Every file that the frame may ask for, by its name: the document, the engine, and the site's data."""
    page = cell_folder()
    files = site_files(run, progress, images)
    engine = next(file for file in files.values() if file.suffix == ".wasm")
    data = {name[1:]: file for name, file in files.items() if name.startswith("/data/")}
    return {"cell.html": page / "cell.html", "engine": engine} | data


def parts(file: Path) -> Iterator[tuple[bytes, int, bool]]:
    """A file in pieces: the bytes of each, the length of the whole, and whether it is the last.

    Raises:
        OSError: it cannot be read.
    """
    left = total = file.stat().st_size
    with file.open("rb") as stream:
        while True:
            piece = stream.read(PART)
            left -= len(piece)
            last = left <= 0 or not piece
            yield piece, total, last
            if last:
                return
