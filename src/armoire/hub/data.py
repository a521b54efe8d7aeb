"""Data sets of the Hub: `hf:OWNER/NAME`, `hf:OWNER/NAME:CONFIG`, each with @REVISION where one is meant.

Of a repository its Parquet files are taken; where it has none, those into which the Hub itself has converted it
(refs/convert/parquet); where there are none either, its archives or pictures as they lie.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from armoire.errors import ArmoireError, did_you_mean
from armoire.hub.client import UnreachableError, asking, client
from armoire.hub.fetching import Listing, commit_of, fetch_listed, part_of, patience
from armoire.hub.reference import SCHEME, Reference, Shelf, parse_reference
from armoire.progress import SILENT, Progress

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

CONVERTED = "refs/convert/parquet"
LARGEST = 64 << 30  # bytes of one file
NOT_DATA = {".md", ".py", ".gitattributes", ".gitignore"}
# Folders that say where a split's files lie, and not which of several data sets they are.
PLAIN = re.compile(r"data|train(ing)?|test(ing)?|val(id(ation)?)?|dev|images?", re.IGNORECASE)
_CONFIG = re.compile(r"(hf:[^:@]+):([^:@]+)(@.+)?")


@dataclass(frozen=True)
class DataReference:
    """A data set of the Hub.

    Attributes:
        reference: its repository and revision.
        config: which of several in one repository, "" where there is one.
    """

    reference: Reference
    config: str = ""

    def __str__(self) -> str:
        repository = f"{SCHEME}{self.reference.repository}" + (f":{self.config}" if self.config else "")
        return repository + ("" if self.reference.revision == "main" else f"@{self.reference.revision}")


def parse_data(text: str) -> DataReference | None:
    """What data set of the Hub a text names; None where it is none's.

    Raises:
        ArmoireError: it is meant for the Hub and names no repository.
    """
    if not text.startswith(SCHEME):
        return None
    found = _CONFIG.fullmatch(text)
    reference = parse_reference(f"{found[1]}{found[3] or ''}" if found else text)
    assert reference is not None
    return DataReference(reference, found[2] if found else "")


def fetch_data(data: DataReference, progress: Progress = SILENT) -> tuple[Path, DataReference]:
    """The folder of a data set, fetched where this commit of it is not here yet, and what names that very commit.

    Raises:
        ArmoireError: it is not there, or not to be had, or holds no images.
    """
    shelf = Shelf(data.reference, "data", data.config)
    folder = fetch_listed(shelf, lambda: _list(data), progress)
    return folder, replace(data, reference=replace(data.reference, revision=folder.parent.parent.name))


def _list(data: DataReference) -> Listing:
    listing, names = _look(data.reference, data.config)
    if data.reference.revision == "main" and not any(_is_parquet(name) for name in names):
        try:
            return _look(replace(data.reference, revision=CONVERTED), data.config)[0]
        except UnreachableError:
            raise
        except ArmoireError:  # the Hub has not converted it
            pass
    if not listing.parts:
        raise ArmoireError(f"{data} holds no Parquet files, archives or pictures; give a data set of images")
    return listing


def _look(reference: Reference, config: str) -> tuple[Listing, list[str]]:
    """What is wanted of a revision, and all that it holds."""
    with asking(f"the data set {reference}"):
        info = client().dataset_info(
            reference.repository, revision=reference.revision, files_metadata=True, timeout=patience()
        )
        there: dict[str, RepoSibling] = {sibling.rfilename: sibling for sibling in info.siblings or []}
        if bad := [name for name in there if not _stays_inside(name)]:
            raise ValueError(f"it holds a file called {bad[0]}")
        wanted = _wanted(list(there), config, reference)
        parts = [part_of(there[name], LARGEST) for name in wanted]
        return Listing(reference, commit_of(info.sha), parts, "dataset"), list(there)


def _wanted(names: Sequence[str], config: str, reference: Reference) -> list[str]:
    parquet = [name for name in names if _is_parquet(name)]
    if not parquet:
        if config:
            raise ArmoireError(f"{reference} holds no Parquet files, among which '{config}' could choose; leave it out")
        data = [n for n in names if not n.startswith(".") and PurePosixPath(n).suffix.lower() not in NOT_DATA]
        return [name for name in data if name.lower().endswith(".tar")] or data
    configs: dict[str, list[str]] = {}
    for name in parquet:
        top = name.partition("/")[0] if "/" in name else ""
        configs.setdefault("" if PLAIN.fullmatch(top) else top, []).append(name)
    if not config and len(configs) == 1:
        return parquet
    if config in configs:
        return configs[config]
    known = sorted(name for name in configs if name)
    if config:
        raise ArmoireError(f"{reference} holds no data set '{config}'; {did_you_mean(config, known)}")
    first = f"{SCHEME}{reference.repository}:{known[0]}"
    raise ArmoireError(f"{reference} holds several data sets ({', '.join(known)}); choose one, as {first}")


def _is_parquet(name: str) -> bool:
    return name.lower().endswith(".parquet")


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and "\0" not in name
