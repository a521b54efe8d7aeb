"""The data files of the explorer's page: manifest, arrays, models and thumbnails of a run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from armoire.errors import ArmoireError
from armoire.figures.latent_scatter import class_colour
from armoire.images import ImageSet
from armoire.io.files import sha256, write_bytes
from armoire.measure.latent_statistics import ks_distances, latent_statistics
from armoire.priors import Box
from armoire.progress import SILENT, Progress
from armoire.publish.onnx import export_run
from armoire.publish.page import FORMAT, MANIFEST, VERSION
from armoire.publish.thumbnails import in_neighbourhoods, layout, make_sheets
from armoire.wardrobe import Latents, Wardrobe
from armoire.wardrobe.axes import PrincipalAxes, principal_axes
from armoire.wardrobe.directions import class_directions

POINTS = 100_000  # most images shown
LATENTS = 64_000_000  # most bytes of latents: what a page can load, and search while the pointer moves
AXES = 10
DRAWS = 4096  # samples drawn in advance from a fitted prior
LARGEST_LABEL = np.iinfo(np.int16).max
# What the manifest has of a direction and of the latent statistics.
DIRECTION = ("attribute", "method", "scale", "positives", "negatives", "separation", "steadiness")
STATISTICS = ("ks_max", "ks_mean", "active_units", "spread", "drawn_in_holes", "areas")


def load_images(wardrobe: Wardrobe, progress: Progress = SILENT) -> ImageSet | None:
    """The images that the rows of `wardrobe.latents` belong to; None, with a note, if they cannot be loaded."""
    try:
        return wardrobe.images_used
    except ArmoireError as error:
        progress.note(f"the explorer has no thumbnails of real images: {error}")
        return None


def write_data(wardrobe: Wardrobe, folder: Path, images: ImageSet | None, progress: Progress = SILENT) -> None:
    """Write manifest.json and all files that it names into an empty folder."""
    out = _Writer(folder)
    latents = wardrobe.latents
    train = latents.split("train")
    rows = shown_rows(len(latents), wardrobe.recipe.dimensions)
    axes = principal_axes(train.mean, AXES)
    directions = list(wardrobe.directions().values()) if train.attributes else []
    of_classes = list(class_directions(train, wardrobe.run.data.classes, progress).values())
    pair = export_run(wardrobe, progress)
    out.file("encoder", "encoder.onnx", pair.encoder)
    out.file("decoder", "decoder.onnx", pair.decoder)
    split_sizes = _write_table(latents, rows, out)
    out.array("axes", "axes.f32", axes.vectors.astype("<f4"))
    for name, found in (("directions", directions), ("class_directions", of_classes)):
        if found:
            out.array(name, f"{name}.f32", np.stack([d.vector for d in found]).astype("<f4"))
    a, usual = wardrobe.model.architecture, wardrobe.calibration
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "armoire": metadata.version("armoire"),
        "run": _run(wardrobe),
        "data": _data(wardrobe, split_sizes, len(rows)),
        "image": {"height": a.size, "width": a.size, "channels": a.image_channels},
        "fit": {name: value for name, value in asdict(wardrobe.fit).items() if name != "white"}
        | {"canvas": wardrobe.fit.canvas},
        "latent": {
            "dimensions": wardrobe.recipe.dimensions,
            "mean": _numbers(train.mean.mean(axis=0)),
            "spread": _numbers(train.mean.std(axis=0)),
        },
        "files": out.written,
        "sheets": _write_sheets(images, rows, _plane(latents.mean[rows], axes), out, progress) if images else None,
        "axes": [
            {"scale": scale, "share": share}
            for scale, share in zip(_numbers(axes.scales), _numbers(axes.shares), strict=True)
        ],
        "directions": [{name: getattr(direction, name) for name in DIRECTION} for direction in directions],
        "class_directions": [{name: getattr(direction, name) for name in DIRECTION} for direction in of_classes],
        "priors": _write_priors(wardrobe, out),
        "error_percentiles": {"percentiles": usual.error_percentiles(), "images": usual.images} if usual else None,
        "diagnostics": _diagnostics(wardrobe),
    }
    # JSON of browsers has no NaN.
    write_bytes(folder / MANIFEST, json.dumps(manifest, ensure_ascii=False, allow_nan=False, indent=1).encode())


def shown_rows(n: int, dimensions: int, seed: int = 0) -> Int[np.ndarray, " k"]:
    """Rows (k,) of the n images that the page shows, as many as it can hold, in random order.

    Unshuffled, a data set sorted by class would be drawn with its last class on top, and downloaded class by class.
    """
    most = min(POINTS, max(1, LATENTS // (4 * dimensions)))
    return np.random.default_rng(seed).permutation(n)[:most]


@dataclass(frozen=True)
class _Writer:
    """Writes files and collects their entries in the manifest."""

    folder: Path
    written: dict[str, dict[str, Any]] = field(default_factory=dict)

    def file(self, name: str, path: str, content: bytes) -> None:
        write_bytes(self.folder / path, content)
        self.written[name] = {"path": path, "bytes": len(content), "sha256": sha256(content)}

    def array(self, name: str, path: str, values: np.ndarray) -> None:
        self.file(name, path, np.ascontiguousarray(values).tobytes())
        self.written[name] |= {"dtype": values.dtype.name, "shape": list(values.shape)}


def _write_table(latents: Latents, rows: np.ndarray, out: _Writer) -> dict[str, int]:
    """Write latents, labels, splits, attributes and ids of the images shown; returns the size of each split."""
    out.array("latents", "latents.f32", latents.mean[rows].astype("<f4"))
    labels = latents.labels[rows]
    # More classes than int16 counts are shown as unknown.
    out.array("labels", "labels.i16", np.where(labels > LARGEST_LABEL, -1, labels).astype("<i2"))
    split_of, sizes = latents.table["split"].to_pylist(), latents.splits
    numbers = {name: k for k, name in enumerate(sizes)}
    out.array("splits", "splits.u8", np.array([numbers[split_of[row]] for row in rows], np.uint8))
    if latents.attributes:
        known = np.stack([latents.attribute(name)[rows] for name in latents.attributes])
        out.array("attributes", "attributes.i8", known.astype(np.int8))
    ids = latents.ids
    out.file("ids", "ids.json", json.dumps([ids[row] for row in rows], ensure_ascii=False).encode())
    return sizes


def _write_sheets(
    images: ImageSet, rows: np.ndarray, plane: np.ndarray, out: _Writer, progress: Progress
) -> dict[str, Any]:
    """Write thumbnails of the images shown and their order; `plane` (k, 2) are their positions on the map."""
    order = in_neighbourhoods(plane)
    tiles = np.empty(len(rows), np.uint32)
    tiles[order] = np.arange(len(rows), dtype=np.uint32)
    out.array("tiles", "tiles.u32", tiles.astype("<u4"))
    side, columns = layout(len(rows), images.shape[0])
    files = []
    with progress.task("making thumbnails", len(rows), "images") as task:
        for n, sheet in make_sheets(images, rows[order], side, columns):
            path = f"sheet-{len(files):03d}.jpg"
            write_bytes(out.folder / path, sheet)
            files.append({"path": path, "bytes": len(sheet)})
            task.advance(n)
    return {"side": side, "columns": columns, "rows": columns, "per_sheet": columns * columns, "files": files}


def _plane(z: np.ndarray, axes: PrincipalAxes) -> np.ndarray:
    """Positions (k, 2) on the map that the page opens with."""
    points = z if z.shape[1] == 2 else axes.project(z)
    return points[:, [0, min(1, points.shape[1] - 1)]]


def _run(wardrobe: Wardrobe) -> dict[str, Any]:
    recipe, run = wardrobe.recipe, wardrobe.run
    return {
        "name": run.name,
        "recipe": recipe.name,
        "posterior": recipe.posterior,
        "is_stochastic": wardrobe.model.posterior.is_stochastic,
        "likelihood": recipe.likelihood,
        "beta": recipe.beta,
        "steps": run.steps,
        "seed": recipe.seed,
        "units": run.header.get("units", ""),
        "model_sha256": run.model_sha256(),
    }


def _data(wardrobe: Wardrobe, split_sizes: dict[str, int], shown: int) -> dict[str, Any]:
    data, latents = wardrobe.run.data, wardrobe.latents
    classes = data.classes if (latents.labels >= 0).any() else ()
    return {
        "name": data.name,  # without the folder, which the page must not reveal
        "splits": list(split_sizes),
        "split_sizes": list(split_sizes.values()),
        "held_out": wardrobe.held_out,
        "classes": [{"name": name, "colour": class_colour(k)} for k, name in enumerate(classes)],
        "attributes": latents.attributes,
        "shown": shown,
        "of": len(latents),
    }


def _write_priors(wardrobe: Wardrobe, out: _Writer) -> list[dict[str, Any]]:
    """The priors that the page offers, fitted ones first, with samples drawn in advance."""
    fitted = []
    for kind in wardrobe.priors:
        n = min(DRAWS, LATENTS // (16 * wardrobe.recipe.dimensions))
        out.array(f"draws_{kind}", f"draws-{kind}.f32", wardrobe.sample(n, prior=kind).astype("<f4"))
        fitted.append({"kind": kind, "file": f"draws_{kind}"})
        if sources := wardrobe.sample_sources(n, prior=kind):
            rounded = [{name: round(weight, 4) for name, weight in one.items()} for one in sources]
            out.file(f"sources_{kind}", f"sources-{kind}.json", json.dumps(rounded, ensure_ascii=False).encode())
            fitted[-1]["sources"] = f"sources_{kind}"
    box = wardrobe.prior("box")
    assert isinstance(box, Box)
    both = [{"kind": "normal"}, {"kind": "box", "low": _numbers(box.low), "high": _numbers(box.high)}]
    # N(0, I) says nothing of a plain autoencoder's latents.
    return fitted + (both if wardrobe.model.posterior.is_stochastic else both[1:])


def _diagnostics(wardrobe: Wardrobe) -> dict[str, Any]:
    latents = wardrobe.latents.split(wardrobe.held_out)
    found = latent_statistics(latents.mean, latents.labels, wardrobe.run.data.classes, wardrobe.prior())
    statistics = {name: found[name] for name in STATISTICS if name in found}
    return {"split": wardrobe.held_out, "n": len(latents), "ks": _numbers(ks_distances(latents.mean))} | statistics


def _numbers(values: np.ndarray) -> list[float]:
    return [float(f"{value:.7g}") for value in values.tolist()]
