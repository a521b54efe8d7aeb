"""`hf:OWNER/NAME@REVISION`: how a run on the Hub is named where the path of one is expected."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, urlsplit

from armoire.errors import ArmoireError
from armoire.io.files import cache_folder, read_text, write_text

SCHEME = "hf:"
HUB = "https://huggingface.co"
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_REFERENCE = re.compile(rf"(?:hf:/*)?({_NAME})/({_NAME})(?:@([^@\s]+))?")


@dataclass(frozen=True)
class Reference:
    """A repository of the Hub, at a branch, a tag or a commit.

    Attributes:
        owner, name: of the repository.
        revision: what of it.
    """

    owner: str
    name: str
    revision: str = "main"

    @property
    def repository(self) -> str:
        """OWNER/NAME."""
        return f"{self.owner}/{self.name}"

    @property
    def is_commit(self) -> bool:
        """Whether the revision is a commit's full name, and so means the same for ever."""
        return COMMIT.fullmatch(self.revision) is not None

    def __str__(self) -> str:
        return f"{SCHEME}{self.repository}" + ("" if self.revision == "main" else f"@{self.revision}")


def parse_reference(path: str | Path, scheme: bool = True) -> Reference | None:
    """What on the Hub a path names; None where it is an ordinary path.

    Args:
        path: as it was given.
        scheme: whether only what begins with `hf:` is meant for the Hub.

    Raises:
        ArmoireError: it is meant for the Hub and names no repository.
    """
    text = path.as_posix() if isinstance(path, Path) else path
    found = _REFERENCE.fullmatch(text)
    if text.startswith(SCHEME) and not found:
        raise ArmoireError(f"'{text}' names no repository of the Hub; give hf:OWNER/NAME or hf:OWNER/NAME@REVISION")
    if not found or (scheme and not text.startswith(SCHEME)):
        return None
    return Reference(*(part for part in found.groups() if part))


def endpoint() -> str:
    """Where the Hub is: $HF_ENDPOINT, else huggingface.co."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or HUB


def host() -> str:
    """The same as it is told, without https://."""
    parts = urlsplit(endpoint())
    return (parts.netloc or parts.path).rpartition("@")[2]


@dataclass(frozen=True)
class Shelf:
    """Where in the cache all that was fetched from a repository lies.

        HOST/OWNER/NAME/COMMIT/run/NAME/    a run
        HOST/OWNER/NAME/COMMIT/model/NAME/  a model alone
        HOST/datasets/OWNER/NAME/COMMIT/data/NAME/  a data set, or data-CONFIG in the place of data
        HOST/OWNER/NAME/revisions/REVISION  the commit that a revision last was

    Attributes:
        reference: what was asked for.
        kind: run, model or data.
        config: which of several data sets in one repository, "" where there is one.
    """

    reference: Reference
    kind: str
    config: str = ""

    @property
    def folder(self) -> Path:
        """That of the repository."""
        on_host = cache_folder() / "hub" / quote(host(), safe="")
        shelves = on_host / "datasets" if self.kind == "data" else on_host
        return shelves / self.reference.owner / self.reference.name

    def at(self, commit: str) -> Path:
        """The folder of one commit, whether it is there or not. Its name is the repository's: a run is called so."""
        kind = f"{self.kind}-{quote(self.config, safe='')}" if self.config else self.kind
        return self.folder / commit / kind / self.reference.name

    def found(self, commit: str) -> Path | None:
        """The folder of one commit, where it is there; a whole run serves as a model too."""
        kinds = {"model": ("model", "run")}.get(self.kind, (self.kind,))
        places = (replace(self, kind=kind).at(commit) for kind in kinds)
        return next((place for place in places if place.is_dir()), None)

    def last(self) -> tuple[str, Path] | None:
        """Commit and folder of what the revision last was here."""
        try:
            commit = read_text(self._note).strip()
        except (OSError, ValueError):
            return None
        folder = self.found(commit) if COMMIT.fullmatch(commit) else None
        return (commit, folder) if folder else None

    def remember(self, commit: str) -> None:
        """Keep which commit the revision is now."""
        last = self.last()
        if last is None or last[0] != commit:
            write_text(self._note, commit + "\n")

    @property
    def _note(self) -> Path:
        return self.folder / "revisions" / quote(self.reference.revision, safe="")
