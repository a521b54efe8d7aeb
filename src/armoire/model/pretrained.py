"""Loading and saving models: safetensors files with the architecture in the header, never pickles."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from armoire.errors import ArmoireError, first_line
from armoire.hub import Reference, parse_reference
from armoire.io.files import parse_json
from armoire.io.tensors import ForeignFileError, TensorFile, open_tensors, write_tensors
from armoire.model.architecture import Architecture
from armoire.progress import USUAL, Progress

if TYPE_CHECKING:
    from torch import Tensor

FILE = "model.safetensors"
FORMAT = "armoire-model-1"
_VERSION = re.compile(r"[0-9A-Za-z.+-]{1,40}")

_RUNS_CODE = "which can run code when it is opened"
FOREIGN = {
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".joblib"), f"a pickle, {_RUNS_CODE}"),
    **dict.fromkeys((".keras", ".h5", ".hdf5"), f"a Keras file, {_RUNS_CODE}"),
    ".onnx": "an ONNX graph, which can read other files when it is opened",
}

# Not typing.Self, which beartype cannot check in a class that it does not decorate as a whole.
Model = TypeVar("Model", bound="Pretrained")


class Pretrained:
    """A mixin for a module that is built from its `architecture` alone."""

    architecture: Architecture

    @classmethod
    def from_pretrained(
        cls: type[Model], path: str | Path, revision: str | None = None, progress: Progress = USUAL
    ) -> Model:
        """Load a model, in evaluation mode.

        Args:
            path: a run's folder, a .safetensors file, `hf:OWNER/NAME` for a repository of the Hub, or `OWNER/NAME` for
                one where neither such a path nor a folder OWNER exists.
            revision: branch, tag or commit of a repository; by default main.
            progress: where to report the download.

        Raises:
            ArmoireError: the file is missing, damaged, not armoire's, of an architecture that this version cannot
                build, or cannot be downloaded.
        """
        file = _file(path, revision, progress)
        found = _open(file)
        try:
            fields = parse_json(found.metadata["architecture"])
            architecture = Architecture(**fields | {"channels": tuple(fields["channels"])})
            # Without memory: an untrusted header allocates no more than its file holds.
            wanted = _unfilled(cls, architecture).state_dict()  # type: ignore[attr-defined]
        except (ArmoireError, KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = f"no {error} in its architecture" if isinstance(error, KeyError) else first_line(error)
            raise unreadable_model(file, reason) from None
        shapes = {name: str(tuple(t.shape)) for name, t in wanted.items()}
        if wrong := _difference(shapes, {name: str(shape) for name, shape in found.shapes.items()}):
            raise unreadable_model(file, wrong)
        model = cls(architecture)  # type: ignore[call-arg]
        try:
            tensors = found.read()
            model.load_state_dict(tensors)  # type: ignore[attr-defined]
        except (OSError, ValueError, RuntimeError) as error:
            raise _damaged(file, first_line(error)) from None
        if bad := _not_finite(tensors):
            raise ArmoireError(f"{file} holds weights that are not finite numbers ({bad}); train again")
        return model.eval()  # type: ignore[attr-defined]

    def save_pretrained(self, path: str | Path, metadata: dict[str, str] | None = None) -> Path:
        """Write model.safetensors into a folder, or to a .safetensors file, atomically; returns the file.

        Raises:
            ArmoireError: it cannot be written, or could not be loaded: a part of the model is not what its
                `architecture` describes, or weights are not finite.
        """
        file = Path(path) if Path(path).suffix == ".safetensors" else Path(path) / FILE
        if wrong := _difference(_described(_unfilled(type(self), self.architecture)), _described(self)):
            raise ArmoireError(
                f"this model is not what its architecture describes ({wrong}), so {file} could not be loaded again; "
                "save its state_dict() with PyTorch, or undo the change"
            )
        state = self.state_dict()  # type: ignore[attr-defined]
        if bad := _not_finite(state):
            raise ArmoireError(f"{file} is not written: its weights are not finite numbers ({bad})")
        header = (metadata or {}) | {"format": FORMAT, "architecture": json.dumps(self.architecture.to_dict())}
        write_tensors(file, state, header)
        return file

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> str:
        """Upload the model without its run to a repository of the Hub; returns the address of its page.

        Args:
            repo_id: OWNER/NAME; created where it does not exist.
            private: whether a new repository is private; by default the Hub decides.
            token: by default that of huggingface_hub (`hf auth login`, HF_TOKEN).
            branch: by default main.
            metadata: for the file's header, as in `save_pretrained`.

        Raises:
            ArmoireError: the Hub cannot be reached, or refuses.
        """
        from armoire.hub.upload import upload_model

        with tempfile.TemporaryDirectory() as folder:
            return upload_model(repo_id, self.save_pretrained(folder, metadata), private, branch, token).url


def _file(path: str | Path, revision: str | None, progress: Progress) -> Path:
    """The local model file of a path, downloaded where it is on the Hub."""
    if reference := parse_reference(path):
        return _fetch(reference, revision, progress)
    here = Path(path)
    # Where the folder `runs` exists, `runs/fashion-vea` is a typing error and no repository.
    is_absent = not here.exists() and not here.parent.exists() and here.suffix != ".safetensors"
    if is_absent and (reference := parse_reference(path, scheme=False)):
        refuse_foreign(here)
        try:
            return _fetch(reference, revision, progress)
        except ArmoireError as error:
            raise ArmoireError(f"no folder {path} is here, and of the Hub: {error}") from None
    if revision is not None:
        raise ArmoireError(f"{path} is here and not on the Hub, so it has no revision {revision}; leave that out")
    return here / FILE if here.is_dir() else here


def _fetch(reference: Reference, revision: str | None, progress: Progress) -> Path:
    from armoire.hub.download import fetch

    return fetch(replace(reference, revision=revision or reference.revision), "model", progress) / FILE


def read_header(file: Path) -> dict[str, str]:
    """The metadata of a model file."""
    return _open(file).metadata


def refuse_foreign(file: Path) -> None:
    """Raise an ArmoireError for a file that is another program's by its name; such files are never opened."""
    if what := FOREIGN.get(file.suffix.lower()):
        raise ArmoireError(
            f"{file} is {what}; armoire opens no such files, only the folders that armoire train writes, with "
            f"{FILE} in them"
        )


def unreadable_model(file: Path, reason: str) -> ArmoireError:
    """The error for a model file that this version cannot read: damaged, or intact and written by other code."""
    found = _open(file)
    try:
        intact = found.is_intact()
    except OSError:
        intact = False
    if not intact:
        return _damaged(file, reason)
    writer = found.metadata.get("armoire_version", "")
    named = f"armoire {writer}" if _VERSION.fullmatch(writer) else "another program or version of armoire"
    return ArmoireError(
        f"{file} is intact, but this version cannot read it ({reason}); it was written by {named}: open it with that"
    )


def _open(file: Path) -> TensorFile:
    refuse_foreign(file)
    if not file.is_file():
        for other in sorted(file.parent.iterdir()) if file.parent.is_dir() else ():
            refuse_foreign(other)
        raise ArmoireError(f"no {file.name} in {file.parent}; is the training finished, and the path right?")
    try:
        return open_tensors(file, FORMAT)
    except ForeignFileError as error:
        if error.is_other_version:
            raise ArmoireError(
                f"{file} is {error.found[:40]}, and this version reads {FORMAT}; install the version that wrote it"
            ) from None
        raise ArmoireError(f"{file} is not a model of armoire's ({error})") from None
    except (OSError, ValueError) as error:
        raise _damaged(file, str(error)) from None


def _damaged(file: Path, reason: str) -> ArmoireError:
    return ArmoireError(f"{file} is damaged ({reason}); restore it, or train again with --resume")


def _unfilled(cls: type, architecture: Architecture) -> Pretrained:
    """A model on the meta device, without memory for its weights."""
    import torch

    with torch.device("meta"):
        return cls(architecture)


def _described(model: Pretrained) -> dict[str, str]:
    """Type and shape of every tensor of a model, and class and settings of every module without tensors.

    A layer with tensors may be of another class with equal ones, as in distributed training.
    """
    state = model.state_dict()  # type: ignore[attr-defined]
    found = {name: f"{str(t.dtype).removeprefix('torch.')} {tuple(t.shape)}" for name, t in state.items()}
    for name, module in model.named_modules():  # type: ignore[attr-defined]
        if any(module.children()) or not any(key.startswith(f"{name}.") for key in state):
            found[f"module {name or 'itself'}"] = f"{type(module).__name__}({module.extra_repr()})"
    return found


def _not_finite(tensors: dict[str, Tensor]) -> str:
    """The first tensor with NaN or infinity, and the number of others; "" where all are finite."""
    bad = [name for name, t in tensors.items() if t.is_floating_point() and not t.isfinite().all()]
    return bad[0] + (f" and {len(bad) - 1} more" if bad[1:] else "") if bad else ""


def _difference(wanted: dict[str, str], found: dict[str, str]) -> str:
    """The first difference in words; "" where there is none."""
    for name in [*wanted, *found]:
        if wanted.get(name) != found.get(name):
            return f"{name} is {found.get(name, 'missing')}, and should be {wanted.get(name, 'absent')}"
    return ""
