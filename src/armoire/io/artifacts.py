"""Artifacts: whatever is computed from a run, or from data alone, cached in a file together with its cache key.

    LATENTS = TableFormat("armoire-latents-1", to_table, from_table)

    run.artifacts.get("latents.parquet", LATENTS, lambda: encode_set(model, images))      # read, or computed and stored
    run.artifacts.get("editing.json", EDITING, measure, settings={"classifier": VERSION})
    run.artifacts.read("evaluation.json", EVALUATION)                                    # None where there is none
    run.artifacts.write("evaluation.json", EVALUATION, measured)
    run.artifacts.make_folder("explorer", "armoire-site-1", fill, settings={...})         # a folder of files

The key has one layout in every format: `{"format", "settings", **source}`, where `source` names what the artifact was
computed from: `data_fingerprint` and `model_sha256` of a run. An artifact of another key is computed again, and so is a
damaged one. Where the folder is read-only, or the disk full, an artifact stays in memory (a folder: in the cache).
Results outside of runs use `Artifacts(cache_folder() / KIND, source)`; `armoire cache` lists and removes them.
"""

from __future__ import annotations

import abc
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from armoire.errors import ArmoireError, first_line
from armoire.io.files import (
    ABANDONED_SECONDS,
    atomic_folder,
    cache_folder,
    parse_json,
    read_checksummed,
    read_json,
    sha256,
    sweep,
    write_checksummed,
    write_text,
)
from armoire.io.tables import read_table, write_table
from armoire.io.tensors import ForeignFileError, open_tensors, write_tensors
from armoire.progress import SILENT, Progress

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

T = TypeVar("T")
Key = dict[str, Any]
KEY = "cache_key"  # of a JSON object, a table's schema and a tensor file's header
FOLDER_KEY = ".cache_key.json"
DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, OverflowError)


def identity(value: Any) -> Any:
    return value


class Format(abc.ABC, Generic[T]):
    """How one kind of artifact is stored: a file holds what `encode` returns, and `decode` turns it back.

    `version` is a name with a number, such as armoire-latents-1, raised whenever artifacts have to be computed again.
    """

    def __init__(self, version: str, encode: Callable[[T], Any] = identity, decode: Callable[[Any], T] = identity):
        self.version, self.encode, self.decode = version, encode, decode

    @abc.abstractmethod
    def store(self, path: Path, content: Any, key: Key) -> None:
        """Write content and key, atomically."""

    @abc.abstractmethod
    def load(self, path: Path, key: Key) -> tuple[Any] | None:
        """The content in a tuple, or None where it has another key; raises one of `DAMAGED`."""


class JsonFormat(Format[T]):
    """A checksummed JSON object, `{"cache_key", "content", "sha256"}`; what is encoded is any JSON value."""

    def store(self, path: Path, content: Any, key: Key) -> None:
        write_checksummed(path, {KEY: key, "content": content})

    def load(self, path: Path, key: Key) -> tuple[Any] | None:
        found = read_checksummed(path)
        return (found["content"],) if found.get(KEY) == key else None


class TableFormat(Format[T]):
    """A checksummed Parquet file with the key in its schema; what is encoded is a pyarrow Table."""

    def store(self, path: Path, content: pa.Table, key: Key) -> None:
        metadata = {name: value for name, value in (content.schema.metadata or {}).items() if name != KEY.encode()}
        write_table(content.replace_schema_metadata({**metadata, KEY: json.dumps(key)}), path)

    def load(self, path: Path, key: Key) -> tuple[pa.Table] | None:
        table = read_table(path)
        return (table,) if parse_json((table.schema.metadata or {}).get(KEY.encode(), b"{}").decode()) == key else None


class TensorFormat(Format[T]):
    """A checksummed safetensors file; what is encoded is a pair of tensors and a JSON value."""

    def store(self, path: Path, content: tuple[dict[str, Tensor], Any], key: Key) -> None:
        tensors, value = content
        write_tensors(path, tensors, {"format": self.version, KEY: json.dumps(key), "content": json.dumps(value)})

    def load(self, path: Path, key: Key) -> tuple[tuple[dict[str, Tensor], Any]] | None:
        try:
            found = open_tensors(path, self.version)
        except ForeignFileError as error:
            if error.is_other_version:
                return None
            raise
        if parse_json(found.metadata[KEY]) != key:
            return None
        return ((found.read(), parse_json(found.metadata["content"])),)


class Artifacts:
    """The artifacts in one folder, a run's or one in the cache, computed from `source`, which is part of their keys."""

    def __init__(self, root: Path, source: Callable[[], Mapping[str, str]]) -> None:
        self.root, self._source = root, source
        self._unsaved: dict[tuple[str, str], Any] = {}

    def get(
        self,
        name: str,
        format: Format[T],
        make: Callable[[], T],
        *,
        settings: Mapping[str, Any] | None = None,
        progress: Progress = SILENT,
    ) -> T:
        """The artifact in the file `name`, or what `make` returns, which is then stored; a damaged file is reported.

        `settings` are what it depends on besides the source: JSON values, part of the key.
        """
        try:
            if (found := self._find(name, format, settings)) is not None:
                return found[0]
        except ArmoireError as error:
            progress.note(f"{error}; it is computed again")
        value = make()
        self.write(name, format, value, settings=settings)
        return value

    def read(self, name: str, format: Format[T], *, settings: Mapping[str, Any] | None = None) -> T | None:
        """The stored artifact; None where there is none of this key, an ArmoireError where the file is damaged."""
        found = self._find(name, format, settings)
        return found[0] if found else None

    def write(self, name: str, format: Format[T], value: T, *, settings: Mapping[str, Any] | None = None) -> bool:
        """Store an artifact, in memory where it cannot be written; whether it was written."""
        key = self.key(format.version, settings)
        try:
            format.store(self.root / name, format.encode(value), key)
        except ArmoireError:
            self._unsaved[name, json.dumps(key, sort_keys=True)] = value
            return False
        return True

    def key(self, version: str, settings: Mapping[str, Any] | None = None) -> Key:
        """The cache key: format, settings and source."""
        return parse_json(json.dumps({"format": version, "settings": dict(settings or {}), **self._source()}))

    def _find(self, name: str, format: Format[T], settings: Mapping[str, Any] | None) -> tuple[T] | None:
        path, key = self.root / name, self.key(format.version, settings)
        if (unsaved := (name, json.dumps(key, sort_keys=True))) in self._unsaved:
            return (self._unsaved[unsaved],)
        if not os.path.lexists(path):
            return None
        try:
            found = format.load(path, key)
            return (format.decode(found[0]),) if found else None
        except DAMAGED as error:
            raise ArmoireError(f"{path} is damaged ({first_line(error)})") from None

    def find_folder(self, name: str, version: str, *, settings: Mapping[str, Any] | None = None) -> Path | None:
        """The stored folder; None where there is none of this key, or a file in it is missing or of another size."""
        key = self.key(version, settings)
        return next((folder for folder in (self.root / name, _elsewhere(name, key)) if _is_whole(folder, key)), None)

    def make_folder(
        self, name: str, version: str, fill: Callable[[Path], None], *, settings: Mapping[str, Any] | None = None
    ) -> Path:
        """Write a folder with `fill`, in one step; where the root is read-only, in the cache."""
        key = self.key(version, settings)
        folder = self.root / name if os.access(self.root, os.W_OK) else _elsewhere(name, key)
        sweep(folder.parent, folder.name, ABANDONED_SECONDS)
        with atomic_folder(folder) as new:
            fill(new)
            sizes = {f.relative_to(new).as_posix(): f.stat().st_size for f in new.rglob("*") if f.is_file()}
            write_text(new / FOLDER_KEY, json.dumps({KEY: key, "files": sizes}))
        return folder


def _elsewhere(name: str, key: Key) -> Path:
    return cache_folder() / name / sha256(json.dumps(key, sort_keys=True).encode())[:32]


def _is_whole(folder: Path, key: Key) -> bool:
    try:
        found = read_json(folder / FOLDER_KEY)
        if found[KEY] != key:
            return False
        inside = folder.resolve()
        return all(
            (folder / name).stat().st_size == size and (folder / name).resolve().is_relative_to(inside)
            for name, size in found["files"].items()
        )
    except DAMAGED:
        return False


_digests: dict[Path, tuple[tuple[int, int, int], str]] = {}


def digest_once(path: Path, compute: Callable[[], str]) -> str:
    """What `compute` returns for a file, computed again only once its size, its inode or its time has changed."""
    found = path.stat()
    state = (found.st_size, found.st_ino, found.st_mtime_ns)
    if _digests.get(path := path.resolve(), ((), ""))[0] != state:
        _digests[path] = (state, compute())
    return _digests[path][1]
