"""Safetensors files with a checksum of the whole file in their header, since the format has none.

The header is checked before anything is built from it: an untrusted file gets no more memory than it fills itself.
Format: eight bytes of header length (little-endian), the header as JSON, the tensors.
"""

from __future__ import annotations

import hashlib
import json
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from armoire.errors import ArmoireError, first_line
from armoire.io.files import sha256, write_bytes

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_HEADER = 1 << 20  # bytes
DIGEST = "sha256"  # of the whole file, in which this entry is zeros
NO_DIGEST = "0" * 64


class DamagedFileError(ValueError):
    """A file that is not what it should be; str() is the reason, without the file's name."""


class ForeignFileError(DamagedFileError):
    """A file of another kind, or of another version of the kind."""

    def __init__(self, wanted: str, found: str) -> None:
        super().__init__(f"its header names no {wanted}")
        self.found = found
        self.is_other_version = found.rpartition("-")[0] == wanted.rpartition("-")[0]


@dataclass(frozen=True)
class TensorFile:
    """The header of a safetensors file."""

    path: Path
    metadata: dict[str, str]
    shapes: dict[str, tuple[int, ...]]  # of each tensor

    def is_intact(self) -> bool:
        """Whether the bytes are those that were written, by the checksum."""
        digest, found = self.metadata.get(DIGEST, ""), hashlib.sha256()
        with self.path.open("rb") as file:
            length = file.read(8)
            header = length + file.read(int.from_bytes(length, "little"))
            found.update(header.replace(_entry(digest), _entry(NO_DIGEST), 1))
            hashlib.file_digest(file, lambda: found)
        return digest == found.hexdigest()

    def read(self) -> dict[str, Tensor]:
        """The tensors; a DamagedFileError where the bytes are not those that were written."""
        from safetensors import SafetensorError, safe_open

        if not self.is_intact():
            raise DamagedFileError("its bytes are not those that were written")
        try:
            with safe_open(self.path, framework="pt") as opened:
                return {name: opened.get_tensor(name) for name in self.shapes}
        except (SafetensorError, OSError) as error:
            raise DamagedFileError(str(error)) from None


def open_tensors(path: Path, kind: str) -> TensorFile:
    """Read the header of a safetensors file, whose entry `format` should be `kind`.

    DamagedFileError where it is no safetensors file, no regular file, or (ForeignFileError) not of this kind.
    """
    from safetensors import SafetensorError, safe_open

    facts = path.stat()
    if not stat.S_ISREG(facts.st_mode):
        raise DamagedFileError("it is no regular file")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if 8 + length > facts.st_size:
        raise DamagedFileError("it is cut off, or no safetensors file")
    if length > LARGEST_HEADER:
        raise DamagedFileError(f"its header of {length:,} bytes is larger than {LARGEST_HEADER:,}")
    try:
        with safe_open(path, framework="np") as opened:
            metadata = opened.metadata() or {}
            shapes = {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise DamagedFileError(first_line(error)) from None
    if metadata.get("format") != kind:
        raise ForeignFileError(kind, metadata.get("format", ""))
    return TensorFile(path, metadata, shapes)


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> bytes:
    """Write torch tensors atomically and return the file's content; equal tensors and metadata give equal bytes."""
    from safetensors.torch import save

    content = save({name: t.detach().cpu().contiguous() for name, t in tensors.items()})
    try:
        content = change_metadata(content, metadata)
    except ValueError as error:
        raise ArmoireError(f"{path} cannot be written: {error}") from None
    write_bytes(path, content)
    return content


def change_metadata(content: bytes, metadata: dict[str, str]) -> bytes:
    """The content of a safetensors file with other metadata, its header sorted and its checksum computed anew.

    ValueError where the metadata are larger than is read back, or the header is damaged.
    """
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header.pop("__metadata__", None)
    ordered = {"__metadata__": dict(sorted((metadata | {DIGEST: NO_DIGEST}).items()))} | dict(sorted(header.items()))
    text = json.dumps(ordered, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin aligned
    if len(text) > LARGEST_HEADER:
        raise ValueError(f"its header is larger than {LARGEST_HEADER:,} bytes")
    begin, tensors = len(text).to_bytes(8, "little") + text, memoryview(content)[start:]
    return begin.replace(_entry(NO_DIGEST), _entry(sha256(begin, tensors)), 1) + tensors


def _entry(digest: str) -> bytes:
    return f'"{DIGEST}":"{digest}"'.encode()
