"""A trained model as two ONNX files, for programs without PyTorch: browsers, phones, other languages.

    encoder.onnx   x (n, c, h, w), pixels in [0, 1]   ->   mean (n, d) and, of a Gaussian posterior, log_var (n, d)
    decoder.onnx   z (n, d)                           ->   image (n, c, h, w), pixels in [0, 1]

Float32 throughout, n is free. No file is written before onnxruntime and PyTorch have been seen to agree on it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from armoire.errors import ArmoireError
from armoire.graphs import check_installed, open_session, to_graph
from armoire.io.files import make_folder, write_bytes
from armoire.model import Autoencoder
from armoire.progress import SILENT, Progress
from armoire.wardrobe import RunLike, Wardrobe

if TYPE_CHECKING:
    import onnx

FORMAT = "armoire-onnx-1"
NEEDS_IT = "an export to ONNX"
UNITS = "x, image: pixels in [0, 1], channels first; z, mean: latents; log_var: natural logarithm of a variance"
TOLERANCE = 1e-5
CHECKED = 100  # latents and images of each kind that a model is checked on
BATCH = 16


@dataclass(frozen=True)
class OnnxPair:
    """The two files' contents, checked against PyTorch."""

    encoder: bytes = field(repr=False)
    decoder: bytes = field(repr=False)


def export_onnx(
    model: Autoencoder,
    facts: Mapping[str, str] | None = None,
    progress: Progress = SILENT,
    latents: Float[np.ndarray, "n d"] | None = None,
    images: Float[np.ndarray, "m c h w"] | None = None,
) -> OnnxPair:
    """Both halves of a model as ONNX, equal weights as equal bytes; the model itself stays as it is.

    Args:
        model: a trained Autoencoder, anywhere and in any mode; it is exported as it evaluates.
        facts: what else the files' metadata should say.
        progress: where to report.
        latents: places of the data, to check the decoder there too and not on draws from N(0, I) alone.
        images: pixels in [0, 1], to check the encoder on too and not on noise alone.

    Raises:
        ArmoireError: the extra `explore` is not installed, or onnxruntime does not give what PyTorch gives.
    """
    check_installed(NEEDS_IT)
    a = model.architecture
    on_cpu = copy.deepcopy(model).cpu().eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(CHECKED, a.latent, generator=generator)
    x = torch.rand(CHECKED, a.image_channels, a.size, a.size, generator=generator)
    facts = dict(facts or {}) | {
        "format": FORMAT,
        "armoire_version": metadata.version("armoire"),
        "architecture": json.dumps(a.to_dict()),
        "units": UNITS,
    }
    with progress.task("exporting", 2, "models") as task:
        parameters = list(_parameters(on_cpu, x[:1]))
        both = _export(on_cpu, (x[:2], z[:2]), [*parameters, "image"])
        encoder = _half(both, "encoder", "x", parameters, facts)
        _check(encoder, "encoder", on_cpu, lambda model, x: list(_parameters(model, x).values()), _with(x, images))
        task.advance()
        decoder = _half(both, "decoder", "z", ["image"], facts)
        _check(decoder, "decoder", on_cpu, lambda model, z: [model.decode(z)], _with(z, latents))
        task.advance()
    return OnnxPair(encoder, decoder)


def export_run(wardrobe: Wardrobe, progress: Progress = SILENT) -> OnnxPair:
    """Both halves of a run's model as ONNX, with what they were made of in their metadata, checked on its data too."""
    run = wardrobe.run
    facts = run.key() | {"recipe": run.recipe.name, "data": run.data.name}
    return export_onnx(wardrobe.model, facts, progress, _places(wardrobe))


def write_onnx(wardrobe: RunLike, folder: str | Path) -> list[Path]:
    """Write encoder.onnx and decoder.onnx into a folder, each complete or absent; returns the files.

    Raises:
        ArmoireError: the extra `explore` is not installed, the folder cannot be written to, or onnxruntime does not
            give what PyTorch gives.
    """
    check_installed(NEEDS_IT)
    wardrobe, folder = Wardrobe.open(wardrobe), Path(folder)
    make_folder(folder)  # before the work, which would be in vain
    pair = export_run(wardrobe, wardrobe.progress)
    contents = {"encoder.onnx": pair.encoder, "decoder.onnx": pair.decoder}
    for name, content in contents.items():
        write_bytes(folder / name, content)
    return [folder / name for name in contents]


def _places(wardrobe: Wardrobe) -> Float[np.ndarray, "n d"] | None:
    """Places from all over the data, where the run keeps them: no data set is encoded for a check."""
    if not (wardrobe.run.path / "latents.parquet").is_file():
        return None
    mean = wardrobe.latents.mean
    return mean[:: max(1, len(mean) // CHECKED)][:CHECKED]


def _with(drawn: Tensor, given: np.ndarray | None) -> Tensor:
    return drawn if given is None else torch.cat([drawn, torch.tensor(given, dtype=drawn.dtype)])


def _parameters(model: Autoencoder, x: Tensor) -> dict[str, Tensor]:
    """What q(z|x) consists of: mean, and log_var where it has one."""
    # A posterior is a dataclass of its parameters, so that a new kind needs no word here.
    return dict(vars(model.encode(x)))


class _Halves(nn.Module):
    """Both halves side by side. torch.onnx exports a `forward`, and getting ready for one takes it seconds."""

    def __init__(self, model: Autoencoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        return *_parameters(self.model, x).values(), self.model.decode(z)


def _export(model: Autoencoder, examples: tuple[Tensor, Tensor], outputs: list[str]) -> onnx.ModelProto:
    """Both halves in one graph."""
    # Laid out in one way, for equal weights to give equal graphs: how they lie in memory shows in the flattening.
    halves = _Halves(copy.deepcopy(model)).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return to_graph(halves, examples, ["x", "z"], outputs)


def _half(both: onnx.ModelProto, name: str, given: str, outputs: list[str], facts: dict[str, str]) -> bytes:
    """One half as the content of its file, with facts in the place of the exporter's notes: stack traces and paths."""
    from onnx.utils import Extractor

    model = Extractor(both).extract_model([given], outputs)
    graph = model.graph
    model.producer_name, model.producer_version, graph.name = "armoire", facts["armoire_version"], name
    graph.ClearField("value_info")  # every runtime infers these shapes by itself
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    for key, value in sorted(facts.items()):
        model.metadata_props.add(key=key, value=value)
    return model.SerializeToString(deterministic=True)


def _check(
    content: bytes, half: str, model: Autoencoder, ask: Callable[[Autoencoder, Tensor], list[Tensor]], inputs: Tensor
) -> None:
    """Check that onnxruntime agrees with PyTorch, for a batch of one and for a batch of several."""
    session = open_session(content)
    (given,), outputs = session.get_inputs(), session.get_outputs()
    unbounded = half == "encoder"
    for batch in (inputs[:1], *inputs[1:].split(BATCH)):
        with torch.no_grad():
            expected = ask(model, batch)
        found = session.run(None, {given.name: batch.numpy()})
        for k, (output, ours, theirs) in enumerate(zip(outputs, expected, found, strict=True)):
            error = _error(ours.numpy(), np.asarray(theirs), unbounded)
            if error <= TOLERANCE:
                continue
            # Some inputs are so badly conditioned that PyTorch itself is that far away from the exact value.
            with torch.no_grad():
                exact = ask(copy.deepcopy(model).double(), batch.double())[k].numpy()
            if not _error(exact, np.asarray(theirs), unbounded) <= max(
                TOLERANCE, _error(exact, ours.numpy(), unbounded)
            ):
                raise ArmoireError(  # so put, nan fails too
                    f"in ONNX the {half}'s {output.name} is {error:.0e} away from PyTorch's, more than "
                    f"{TOLERANCE:.0e}, so nothing was written; update onnx, onnxscript and onnxruntime, and see that "
                    "the model itself works, with armoire evaluate"
                )


def _error(ours: np.ndarray, theirs: np.ndarray, unbounded: bool) -> float:
    """The largest difference; of unbounded values in units of the largest in a row, where that is above 1."""
    rows = np.stack([ours, theirs]).reshape(2, len(ours), -1)
    away = np.abs(rows[0] - rows[1]).max(axis=1)
    if unbounded:
        # Places can be far away: in float32 a sum of thousands of terms errs in proportion to the largest of them.
        away = away / np.maximum(1, np.abs(rows[0]).max(axis=1))
    return float(away.max())
