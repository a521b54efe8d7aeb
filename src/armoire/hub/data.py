"""Data sets of the Hub: `hf:OWNER/NAME[:CONFIG][@REVISION]`.

Of a repository its Parquet files are downloaded; if it has none, the Hub's own conversion (refs/convert/parquet);
if there is none either, its archives or image files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from armoire.errors import ArmoireError, did_you_mean
from armoire.hub.cache import HubCache
from armoire.hub.client import UnreachableError
from armoire.hub.download import FileListing, fetch_files, list_files
from armoire.hub.reference import Reference
from armoire.progress import SILENT, Progress

CONVERTED = "refs/convert/parquet"
LARGEST = 64 << 30  # bytes of one file
NOT_DATA = {".md", ".py", ".gitattributes", ".gitignore"}
# Folders of splits; any other top folder is a configuration.
SPLIT_FOLDER = re.compile(r"data|train(ing)?|test(ing)?|val(id(ation)?)?|dev|images?", re.IGNORECASE)


def fetch_data(reference: Reference, progress: Progress = SILENT) -> tuple[Path, Reference]:
    """The folder of a data set, downloaded if it is not in the cache, and the reference to this very commit."""
    folder = fetch_files(HubCache(reference, "data"), lambda: _list_data(reference), progress)
    return folder, replace(reference, revision=folder.parent.parent.name)


def _list_data(reference: Reference) -> FileListing:
    def listed(revision: str) -> FileListing:
        at = replace(reference, revision=revision)
        return list_files(at, "dataset", f"the data set {at}", lambda names: dict.fromkeys(_select(names, at), LARGEST))

    listing = listed(reference.revision)
    if reference.revision == "main" and not any(_is_parquet(file.name) for file in listing.files):
        try:
            return listed(CONVERTED)
        except UnreachableError:
            raise
        except ArmoireError:  # the Hub has not converted it
            pass
    if not listing.files:
        raise ArmoireError(f"{reference} holds no Parquet files, archives or pictures; give a data set of images")
    return listing


def _select(names: Sequence[str], reference: Reference) -> list[str]:
    """The files of a data set: Parquet files of its configuration, else all .tar files, else all data."""
    if bad := [name for name in names if not _is_inside(name)]:
        raise ValueError(f"it holds a file called {bad[0]}")
    config = reference.config
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
    first = replace(reference, revision="main", config=known[0])
    raise ArmoireError(f"{reference} holds several data sets ({', '.join(known)}); choose one, as {first}")


def _is_parquet(name: str) -> bool:
    return name.lower().endswith(".parquet")


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and "\0" not in name
