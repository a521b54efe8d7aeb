"""Data sets of the Hub: `hf:OWNER/NAME[:CONFIG][@REVISION]`.

Of a repository its Parquet files are downloaded; if it has none, the Hub's own conversion (refs/convert/parquet);
if there is none either, its archives or image files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from armoire.errors import ArmoireError, did_you_mean
from armoire.hub.cache import HubCache
from armoire.hub.client import UnreachableError, hub_errors
from armoire.hub.download import FileListing, commit_hash, fetch_files, listed, repository_info
from armoire.hub.reference import SCHEME, Reference, parse_reference
from armoire.progress import SILENT, Progress

CONVERTED = "refs/convert/parquet"
LARGEST = 64 << 30  # bytes of one file
NOT_DATA = {".md", ".py", ".gitattributes", ".gitignore"}
# Folders of splits; any other top folder is a configuration.
SPLIT_FOLDER = re.compile(r"data|train(ing)?|test(ing)?|val(id(ation)?)?|dev|images?", re.IGNORECASE)
_CONFIG = re.compile(r"(hf:[^:@]+):([^:@]+)(@.+)?")


@dataclass(frozen=True)
class DataReference:
    """A data set of the Hub: its repository and revision, and which of several in it."""

    reference: Reference
    config: str = ""

    def __str__(self) -> str:
        repository = f"{SCHEME}{self.reference.repository}" + (f":{self.config}" if self.config else "")
        return repository + ("" if self.reference.revision == "main" else f"@{self.reference.revision}")


def parse_data(text: str) -> DataReference | None:
    """The data set that a text names; None if it does not begin with `hf:`."""
    if not text.startswith(SCHEME):
        return None
    found = _CONFIG.fullmatch(text)
    reference = parse_reference(f"{found[1]}{found[3] or ''}" if found else text)
    assert reference is not None
    return DataReference(reference, found[2] if found else "")


def fetch_data(data: DataReference, progress: Progress = SILENT) -> tuple[Path, DataReference]:
    """The folder of a data set, downloaded if it is not in the cache, and the reference to this very commit."""
    cache = HubCache(data.reference, "data", data.config)
    folder = fetch_files(cache, lambda: _list_files(data), progress)
    return folder, replace(data, reference=replace(data.reference, revision=folder.parent.parent.name))


def _list_files(data: DataReference) -> FileListing:
    listing = _list_revision(data.reference, data.config)
    if data.reference.revision == "main" and not any(_is_parquet(file.name) for file in listing.files):
        try:
            return _list_revision(replace(data.reference, revision=CONVERTED), data.config)
        except UnreachableError:
            raise
        except ArmoireError:  # the Hub has not converted it
            pass
    if not listing.files:
        raise ArmoireError(f"{data} holds no Parquet files, archives or pictures; give a data set of images")
    return listing


def _list_revision(reference: Reference, config: str) -> FileListing:
    with hub_errors(f"the data set {reference}"):
        info = repository_info(reference, "dataset")
        there = {sibling.rfilename: sibling for sibling in info.siblings or []}
        if bad := [name for name in there if not _is_inside(name)]:
            raise ValueError(f"it holds a file called {bad[0]}")
        files = [listed(there[name], LARGEST) for name in _select(list(there), config, reference)]
        return FileListing("dataset", commit_hash(info), files)


def _select(names: Sequence[str], config: str, reference: Reference) -> list[str]:
    """The files of a data set: Parquet files of `config`, else all .tar files, else all data."""
    parquet = [name for name in names if _is_parquet(name)]
    if not parquet:
        if config:
            raise ArmoireError(f"{reference} holds no Parquet files, among which '{config}' could choose; leave it out")
        data = [n for n in names if not n.startswith(".") and PurePosixPath(n).suffix.lower() not in NOT_DATA]
        return [name for name in data if name.lower().endswith(".tar")] or data
    configs: dict[str, list[str]] = {}
    for name in parquet:
        top = name.partition("/")[0] if "/" in name else ""
        configs.setdefault("" if SPLIT_FOLDER.fullmatch(top) else top, []).append(name)
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


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and "\0" not in name
