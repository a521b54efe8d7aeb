"""`hf:OWNER/NAME@REVISION`: the name of a repository of the Hub where a path is expected."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from armoire.errors import ArmoireError

SCHEME = "hf:"
HUB = "https://huggingface.co"
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_REFERENCE = re.compile(rf"(?:hf:/*)?({_NAME})/({_NAME})(?::([^:@]+))?(?:@([^@\s]+))?")


@dataclass(frozen=True)
class Reference:
    """A repository of the Hub at a branch, a tag or a commit; `config` is one of several data sets in it."""

    owner: str
    name: str
    revision: str = "main"
    config: str = ""

    @property
    def repository(self) -> str:
        """OWNER/NAME, as huggingface_hub takes it."""
        return f"{self.owner}/{self.name}"

    @property
    def is_commit(self) -> bool:
        """Whether the revision is the full hash of a commit, and its files can therefore never change."""
        return COMMIT.fullmatch(self.revision) is not None

    def __str__(self) -> str:
        config = f":{self.config}" if self.config else ""
        revision = "" if self.revision == "main" else f"@{self.revision}"
        return f"{SCHEME}{self.repository}{config}{revision}"


def parse_reference(path: str | Path, scheme: bool = True, config: bool = False) -> Reference | None:
    """The repository that a path names; None for an ordinary path; ArmoireError for `hf:` and no repository.

    `scheme` is whether `hf:` is required, `config` whether `:CONFIG` may follow the name.
    """
    text = path.as_posix() if isinstance(path, Path) else path
    found = _REFERENCE.fullmatch(text)
    if found and found[3] and not config:
        found = None
    if text.startswith(SCHEME) and not found:
        raise ArmoireError(f"'{text}' names no repository of the Hub; give hf:OWNER/NAME or hf:OWNER/NAME@REVISION")
    if not found or (scheme and not text.startswith(SCHEME)):
        return None
    return Reference(found[1], found[2], found[4] or "main", found[3] or "")


def endpoint() -> str:
    """URL of the Hub: $HF_ENDPOINT, else huggingface.co."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or HUB


def host() -> str:
    """Host and port of the Hub, without user name and password."""
    parts = urlsplit(endpoint())
    return (parts.netloc or parts.path).rpartition("@")[2]
