"""Weights in and out of a file: safetensors, with the architecture in the header, never a pickle.

This is the one place in the model's room that touches a file, so that `Autoencoder.from_pretrained` is where the field
expects it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from armoire.errors import ArmoireError
from armoire.files import write_safetensors

if TYPE_CHECKING:
    from armoire.model.autoencoder import Architecture

FILE = "model.safetensors"
FORMAT = "armoire-model-1"

# typing.Self would say the same, but beartype cannot check it in a class that it does not decorate as a whole.
Model = TypeVar("Model", bound="Pretrained")


class Pretrained:
    """Gives a module `from_pretrained` and `save_pretrained`."""

    architecture: Architecture

    @classmethod
    def from_pretrained(cls: type[Model], path: str | Path) -> Model:
        """Open a model from a run folder or a .safetensors file, in evaluation mode.

        Raises:
            ArmoireError: the file is missing, damaged, or not armoire's.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        file = Path(path) / FILE if Path(path).is_dir() else Path(path)
        metadata = read_header(file)
        architecture = _architecture(file, metadata)
        try:
            model = cls(architecture)  # type: ignore[call-arg]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ArmoireError(f"{file} is damaged (no model has its architecture: {error}); restore it") from None
        try:
            model.load_state_dict(load_file(file))  # type: ignore[attr-defined]
        except (SafetensorError, RuntimeError, OSError) as error:
            raise ArmoireError(
                f"{file} is damaged ({str(error).splitlines()[0]}); restore it, or train again with --resume"
            ) from None
        return model.eval()  # type: ignore[attr-defined]

    def save_pretrained(self, path: str | Path, metadata: dict[str, str] | None = None) -> Path:
        """Write model.safetensors into a folder (or to a .safetensors file), atomically; returns the file."""
        file = Path(path) if Path(path).suffix == ".safetensors" else Path(path) / FILE
        header = (metadata or {}) | {"format": FORMAT, "architecture": json.dumps(self.architecture.to_dict())}
        write_safetensors(file, self.state_dict(), header)  # type: ignore[attr-defined]
        return file


def read_header(file: Path) -> dict[str, str]:
    """The metadata of a model file."""
    from safetensors import SafetensorError, safe_open

    if not file.is_file():
        raise ArmoireError(f"no {file.name} in {file.parent}; is the training finished, and the path right?")
    try:
        with safe_open(file, framework="np") as opened:
            metadata = opened.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ArmoireError(f"{file} is damaged ({error}); restore it, or train again with --resume") from None
    if metadata.get("format") != FORMAT:
        raise ArmoireError(f"{file} is not a model of armoire's (its header names no {FORMAT})")
    return metadata


def _architecture(file: Path, metadata: dict[str, str]) -> Architecture:
    from armoire.model.autoencoder import Architecture

    try:
        fields = json.loads(metadata["architecture"])
        return Architecture(**fields | {"channels": tuple(fields["channels"])})
    except (KeyError, TypeError, ValueError) as error:
        raise ArmoireError(f"{file} is damaged (its architecture cannot be read: {error}); restore it") from None
