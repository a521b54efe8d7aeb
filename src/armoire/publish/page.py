"""Where the explorer's built page lies, and the same page for a cell of a notebook."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from armoire.errors import ArmoireError

CELL = "cell"  # folder beside the page's own files, and no part of a site


def page_folder() -> Path:
    """The folder with the built page: index.html, licenses.md, assets/, and cell/ for notebooks.

    Raises:
        ArmoireError: this armoire was installed without it.
    """
    folder = Path(str(resources.files("armoire"))) / "explorer"
    if not (folder / "index.html").is_file():
        raise ArmoireError(
            f"the explorer's page is not in {folder}: armoire was installed without it; install it again with "
            "ARMOIRE_SKIP_WEB unset, in a checkout with: pip install -e ."
        )
    return folder


def cell_folder() -> Path:
    """The folder with what a notebook shows: widget.js, and the document in its frame, cell.html.

    Raises:
        ArmoireError: as `page_folder`.
    """
    folder = page_folder() / CELL
    if not all((folder / name).is_file() for name in ("cell.html", "widget.js")):
        raise ArmoireError(
            f"the explorer for notebooks is not in {folder}: the page was built before there was one; install armoire "
            "again, in a checkout with: pip install -e ."
        )
    return folder
