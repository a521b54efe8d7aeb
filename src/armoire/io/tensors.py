"""Safetensors files that are looked at before they are believed.

Each carries a digest of all that it holds, since the format has none: bytes that a disk, a copy or a person changed are
told from those that were written. A header says what is in a file before anything is made of it, so that a file of a
stranger's gets no memory that it does not fill itself.

Format: eight bytes of header length (little-endian), the header as JSON, the tensors.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from armoire.errors import ArmoireError, first_line
from armoire.io.files import write_bytes

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_HEADER = 1 << 20  # bytes
DIGEST = "sha256"  # of the whole file in which this entry is zeros
NO_DIGEST = "0" * 64
AT_ONCE = 1 << 20  # bytes read at a time


class DamagedFileError(ValueError):
    """A file that is not what it should be; str() is the reason, without the file's name."""


class ForeignFileError(DamagedFileError):
    """A sound file of another kind.

    Attributes:
        kind: what its entry `format` says, "" where it has none.
    """

    def __init__(self, reason: str, kind: str) -> None:
        super().__init__(reason)
        self.kind = kind


@dataclass(frozen=True)
class TensorFile:
    """What the header of a safetensors file says.

    Attributes:
        path: the file.
        metadata: its entries, all of them text.
        shapes: of each tensor.
    """

    path: Path
    metadata: dict[str, str]
    shapes: dict[str, tuple[int, ...]]

    def is_intact(self) -> bool:
        """Whether the digest holds: these are the bytes that were written.

        Raises:
            OSError: the file cannot be read.
        """
        return self.metadata.get(DIGEST) == _digest(self.path, self.metadata.get(DIGEST, ""))

    def read(self) -> dict[str, Tensor]:
        """The tensors, once the digest is seen to hold.

        Raises:
            DamagedFileError: it does not.
        """
        from safetensors import SafetensorError, safe_open

        if not self.is_intact():
            raise DamagedFileError("its bytes are not those that were written")
        try:
            with safe_open(self.path, framework="pt") as opened:
                return {name: opened.get_tensor(name) for name in self.shapes}
        except (SafetensorError, OSError) as error:
            raise DamagedFileError(str(error)) from None


def open_tensors(path: Path, kind: str) -> TensorFile:
    """Look at the header of a safetensors file.

    Args:
        path: the file.
        kind: what its entry `format` should say.

    Raises:
        DamagedFileError: it is no safetensors file, or no plain file.
        ForeignFileError: it is not of this kind.
        OSError: it cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    facts = path.stat()
    if not stat.S_ISREG(facts.st_mode):
        raise DamagedFileError("it is no plain file")
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
        raise ForeignFileError(f"its header names no {kind}", metadata.get("format", ""))
    return TensorFile(path, metadata, shapes)


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> bytes:
    """Write torch tensors atomically, equal contents as equal bytes: the library alone shuffles the header's entries.

    Raises:
        ArmoireError: they cannot be written, or `metadata` is larger than is read back.
    """
    from safetensors.torch import save

    content = save({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, metadata)
    try:
        content = change_metadata(content, lambda _: metadata)
    except ValueError as error:
        raise ArmoireError(f"{path} cannot be written: {error}") from None
    write_bytes(path, content)
    return content


def change_metadata(content: bytes, change: Callable[[dict[str, str]], dict[str, str]]) -> bytes:
    """The content of a safetensors file with other metadata, its digest and the order of its entries made anew.

    Args:
        content: of the file.
        change: takes the entries that there are and returns those that there should be.

    Raises:
        ValueError: they are larger than is read back, or the header is damaged.
    """
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    metadata = change(header.pop("__metadata__", {}))
    ordered = {"__metadata__": dict(sorted((metadata | {DIGEST: NO_DIGEST}).items()))} | dict(sorted(header.items()))
    text = json.dumps(ordered, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin aligned
    if len(text) > LARGEST_HEADER:
        raise ValueError(f"what it says of itself is larger than {LARGEST_HEADER:,} bytes")
    begin = len(text).to_bytes(8, "little") + text
    tensor_bytes = memoryview(content)[start:]
    found = hashlib.sha256(begin)
    found.update(tensor_bytes)
    return _with(begin, NO_DIGEST, found.hexdigest()) + tensor_bytes


def _digest(path: Path, told: str) -> str:
    """What the entry `DIGEST` should say; `told` is what it does."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        length = file.read(8)
        found.update(_with(length + file.read(int.from_bytes(length, "little")), told, NO_DIGEST))
        for part in _parts(file):
            found.update(part)
    return found.hexdigest()


def _parts(file: object) -> Iterator[bytes]:
    while part := file.read(AT_ONCE):  # type: ignore[attr-defined]
        yield part


def _with(header: bytes, before: str, after: str) -> bytes:
    entry = f'"{DIGEST}":"%s"'
    return header.replace((entry % before).encode(), (entry % after).encode(), 1)
