"""Where in armoire's cache the downloads from the Hub are stored."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from armoire.errors import ArmoireError
from armoire.hub.reference import COMMIT, Reference, host
from armoire.io.files import cache_folder, read_text, write_text


@dataclass(frozen=True)
class HubCache:
    """Folders of one repository: HOST/[datasets/]OWNER/NAME/COMMIT/KIND/NAME, and revisions/REVISION, a commit hash.

    The last folder has the repository's name because a run is named after its folder. The host is part of the path, so
    that another $HF_ENDPOINT never reads what the first one sent.
    """

    reference: Reference
    kind: str  # run, model or data

    @property
    def folder(self) -> Path:
        """The folder of the repository."""
        on_host = cache_folder() / "hub" / quote(host(), safe="")
        repositories = on_host / "datasets" if self.kind == "data" else on_host
        return repositories / self.reference.owner / self.reference.name

    def path(self, commit: str, kind: str = "") -> Path:
        """The folder of one commit, whether or not it exists."""
        config = f"-{quote(self.reference.config, safe='')}" if self.reference.config else ""
        return self.folder / commit / f"{kind or self.kind}{config}" / self.reference.name

    def find(self, commit: str) -> Path | None:
        """The folder of one commit if it exists; a run serves as a model too."""
        kinds = ("model", "run") if self.kind == "model" else (self.kind,)
        return next((path for kind in kinds if (path := self.path(commit, kind)).is_dir()), None)

    @property
    def _commit_file(self) -> Path:
        return self.folder / "revisions" / quote(self.reference.revision, safe="")

    def latest(self) -> tuple[str, Path] | None:
        """Commit and folder of the revision's last download."""
        try:
            commit = read_text(self._commit_file).strip()
        except (OSError, ValueError):
            return None
        folder = self.find(commit) if COMMIT.fullmatch(commit) else None
        return (commit, folder) if folder else None

    def set_latest(self, commit: str) -> None:
        """Store which commit the revision is now, unless the cache is read-only."""
        if (self.latest() or ("",))[0] != commit:
            with contextlib.suppress(ArmoireError):
                write_text(self._commit_file, f"{commit}\n")
