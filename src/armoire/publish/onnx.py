"""A trained model as two ONNX files, for programs without PyTorch: browsers, phones, other languages.

    encoder.onnx   x (n, c, h, w), pixels in [0, 1]   ->   mean (n, d) and, of a Gaussian posterior, log_var (n, d)
    decoder.onnx   z (n, d)                           ->   image (n, c, h, w), pixels in [0, 1]

All values are float32, n is free. A file is written only after onnxruntime has agreed with PyTorch on it.
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
from armoire.io.files import make_folder, write_bytes
from armoire.model import Autoencoder
from armoire.onnx_graphs import check_installed, open_session, to_graph
from armoire.progress import SILENT, Progress
from armoire.wardrobe import RunLike, Wardrobe

if TYPE_CHECKING:
    import onnx

FORMAT = "armoire-onnx-1"
NEEDS_IT = "an export to ONNX"
UNITS = "x, image: pixels in [0, 1], channels first; z, mean: latents; log_var: natural logarithm of a variance"
TOLERANCE = 1e-5
CHECKED = 100  # latents and images of each kind to check on
BATCH = 16


@dataclass(frozen=True)
class OnnxPair:
    """The contents of the two files."""

    encoder: bytes = field(repr=False)
    decoder: bytes = field(repr=False)


def export_onnx(
    model: Autoencoder,
    *,
    facts: Mapping[str, str] | None = None,
    latents: Float[np.ndarray, "n d"] | None = None,
    images: Float[np.ndarray, "m c h w"] | None = None,
    progress: Progress = SILENT,
) -> OnnxPair:
    """Encoder and decoder as ONNX, checked against PyTorch: equal bytes for equal weights.

    Args:
        model: on any device and in any mode; it is not changed, and exported in evaluation mode.
        facts: further entries of the files' metadata.
        latents: of the data, to check the decoder on besides draws from N(0, I).
        images: pixels in [0, 1], to check the encoder on besides noise.
        progress: where to report.

    Raises:
        ArmoireError: the extra `explore` is not installed, or onnxruntime and PyTorch disagree.
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
        parameters = list(vars(on_cpu.encode(x[:1])))  # the fields of its posterior: mean, log_var
        both = _export(on_cpu, (x[:2], z[:2]), [*parameters, "image"])
        encoder = _half(both, "encoder", "x", parameters, facts)
        _check(encoder, "encoder", on_cpu, lambda model, x: list(vars(model.encode(x)).values()), _with(x, images))
        task.advance()
        decoder = _half(both, "decoder", "z", ["image"], facts)
        _check(decoder, "decoder", on_cpu, lambda model, z: [model.decode(z)], _with(z, latents))
        task.advance()
    return OnnxPair(encoder, decoder)


def export_run(wardrobe: Wardrobe, progress: Progress = SILENT) -> OnnxPair:
    """A run's model as ONNX, with the digests of weights and data in the metadata, checked on its latents too."""
    run = wardrobe.run
    facts = run.key() | {"recipe": run.recipe.name, "data": run.data.name}
    return export_onnx(wardrobe.model, facts=facts, latents=_cached_latents(wardrobe), progress=progress)


def write_onnx(wardrobe: RunLike, folder: str | Path) -> list[Path]:
    """Write encoder.onnx and decoder.onnx into a folder, each complete or absent; returns the files.

    Raises:
        ArmoireError: the extra `explore` is not installed, the folder cannot be written to, or onnxruntime and
            PyTorch disagree.
    """
    check_installed(NEEDS_IT)
    wardrobe, folder = Wardrobe.open(wardrobe), Path(folder)
    make_folder(folder)  # first, so that an unwritable folder is reported before the long export
    pair = export_run(wardrobe, wardrobe.progress)
    paths = [folder / "encoder.onnx", folder / "decoder.onnx"]
    for path, content in zip(paths, (pair.encoder, pair.decoder), strict=True):
        write_bytes(path, content)
    return paths


def _cached_latents(wardrobe: Wardrobe) -> Float[np.ndarray, "n d"] | None:
    """Evenly spaced rows of the cached latents; None where there are none: no data are encoded for a check."""
    if not (wardrobe.run.path / "latents.parquet").is_file():
        return None
    mean = wardrobe.latents.mean
    return mean[:: max(1, len(mean) // CHECKED)][:CHECKED]


def _with(drawn: Tensor, given: np.ndarray | None) -> Tensor:
    return drawn if given is None else torch.cat([drawn, torch.tensor(given, dtype=drawn.dtype)])


class _Halves(nn.Module):
    """Encoder and decoder as one `forward`: torch.onnx takes seconds to prepare each export."""

    def __init__(self, model: Autoencoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        return *vars(self.model.encode(x)).values(), self.model.decode(z)


def _export(model: Autoencoder, examples: tuple[Tensor, Tensor], outputs: list[str]) -> onnx.ModelProto:
    """Encoder and decoder in one graph."""
    # One memory format, so that equal weights give equal graphs: strides affect how the flattening is exported.
    halves = _Halves(copy.deepcopy(model)).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return to_graph(halves, examples, ["x", "z"], outputs)


def _half(both: onnx.ModelProto, name: str, given: str, outputs: list[str], facts: dict[str, str]) -> bytes:
    """One half as the content of its file, with `facts` in place of the exporter's stack traces and paths."""
    from onnx.utils import Extractor

    model = Extractor(both).extract_model([given], outputs)
    graph = model.graph
    model.producer_name, model.producer_version, graph.name = "armoire", facts["armoire_version"], name
    graph.ClearField("value_info")  # shapes that every runtime infers
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    for key, value in sorted(facts.items()):
        model.metadata_props.add(key=key, value=value)
    return model.SerializeToString(deterministic=True)


def _check(
    content: bytes, half: str, model: Autoencoder, run: Callable[[Autoencoder, Tensor], list[Tensor]], inputs: Tensor
) -> None:
    """Raise an ArmoireError unless onnxruntime agrees with PyTorch, for a batch of one and for batches of several."""
    session, relative = open_session(content), half == "encoder"
    (given,), outputs = session.get_inputs(), session.get_outputs()
    for batch in (inputs[:1], *inputs[1:].split(BATCH)):
        with torch.no_grad():
            expected = run(model, batch)
        found = [np.asarray(values) for values in session.run(None, {given.name: batch.numpy()})]
        for k, (output, ours, theirs) in enumerate(zip(outputs, expected, found, strict=True)):
            error = _error(ours, theirs, relative)
            if error <= TOLERANCE:
                continue
            # On a badly conditioned input PyTorch's own float32 may be that far from the exact value.
            with torch.no_grad():
                exact = run(copy.deepcopy(model).double(), batch.double())[k]
            if not _error(exact, theirs, relative) <= max(TOLERANCE, _error(exact, ours.numpy(), relative)):  # or nan
                raise ArmoireError(
                    f"in ONNX the {half}'s {output.name} is {error:.0e} away from PyTorch's, more than "
                    f"{TOLERANCE:.0e}, so nothing was written; update onnx, onnxscript and onnxruntime, and check the "
                    "model itself with armoire evaluate"
                )


def _error(expected: Tensor, found: np.ndarray, relative: bool) -> float:
    """The largest difference; if `relative`, in units of each row's largest expected value where that is above 1.

    In float32 a sum of thousands of terms errs in proportion to the largest of them.
    """
    ours, theirs = np.stack([expected.numpy(), found]).reshape(2, len(found), -1)
    away = np.abs(ours - theirs).max(axis=1)
    return float((away / np.maximum(1, np.abs(ours).max(axis=1)) if relative else away).max())
