"""The explorer's built page, for browsers and for notebooks, and the format of the data that it reads."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from armoire.errors import ArmoireError

FORMAT, VERSION, MANIFEST = "armoire-site", 1, "manifest.json"
CELL = "cell"  # folder next to the page's own files, not part of a site
HEIGHT, LOWEST = 720, 240  # CSS pixels of a widget


def page_folder() -> Path:
    """The folder with the built page: index.html, licenses.md, assets/, and cell/ for notebooks."""
    folder = Path(str(resources.files("armoire"))) / "explorer"
    if not (folder / "index.html").is_file():
        raise ArmoireError(
            f"the explorer's page is not in {folder}: armoire was installed without it; install it again with "
            "ARMOIRE_SKIP_WEB unset, in a checkout with: pip install -e ."
        )
    return folder


def cell_folder() -> Path:
    """The folder with the page for notebooks: widget.js, and the document in its frame, cell.html."""
    folder = page_folder() / CELL
    if not all((folder / name).is_file() for name in ("cell.html", "widget.js")):
        raise ArmoireError(
            f"the explorer for notebooks is not in {folder}: the page is older than it; install armoire "
            "again, in a checkout with: pip install -e ."
        )
    return folder
