"""The explorer's built page, for browsers and notebooks, and the format of the data that it reads."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from armoire.errors import ArmoireError

FORMAT, VERSION, MANIFEST = "armoire-site", 1, "manifest.json"
CELL = "cell"  # a folder of the page for notebooks, not part of a site: widget.js, and cell.html, its frame's document
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
