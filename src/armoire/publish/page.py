"""Where the explorer's built page lies."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from armoire.errors import ArmoireError


def page_folder() -> Path:
    """The folder with the built page: index.html, licenses.md, assets/.

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
