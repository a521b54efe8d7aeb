"""Verbs that look: figures, evaluate, data, check."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from armoire.cli.arguments import RunFolder
from armoire.cli.terminal import Whole, print_json, print_table, terminal_progress
from armoire.errors import ArmoireError

Json = Annotated[bool, Parameter(negative="")]
How = Literal["crop", "pad", "stretch"]


def figures(run: RunFolder, /, *names: Annotated[str, Parameter(name="NAME")], data: str | None = None) -> None:
    """Draw RUN/figures/NAME.png and print the paths; without a NAME all figures that apply, and report.html.

    Args:
        run: folder of a run.
        names: figures to draw; attribute-NAME for any attribute of the data, such as attribute-Smiling; by default all
            that apply, and report.html.
        data: where what it was trained on lies now; by default where the run says.
    """
    from armoire.figures import save
    from armoire.measure import evaluate as measure
    from armoire.publish import write_report
    from armoire.wardrobe import Wardrobe

    progress = terminal_progress()
    wardrobe = Wardrobe.open(run, progress=progress)
    if data and wardrobe.load_other(data) is not None:
        raise ArmoireError(f"{data} is not what {run} was trained on, which its figures are drawn of; give that")
    paths = save(wardrobe, list(names) or None, progress)
    if not names:
        paths.append(write_report(wardrobe, measure(wardrobe, progress=progress), paths))
    for path in paths:
        print(path)


def evaluate(
    run: RunFolder,
    /,
    *,
    data: str | None = None,
    split: str | None = None,
    samples: Whole | None = None,
    features: Literal["efficientnet-lite0", "classifier", "inception"] | None = None,
    prior: str | None = None,
    temperature: float = 1.0,
    draws: Whole | None = None,
    denoising: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> None:
    """Measure a run: reconstruction, ELBO, published scale, the shape of its latent space, samples and edits.

    Args:
        run: folder of a run.
        data: other data to measure it on, or where what it was trained on lies now; by default where the run says.
        split: train, valid or test; by default the held-out one.
        samples: measure the quality of this many samples, 10000 for numbers to compare; at most as many as are held
            out. By default they are only looked at quickly, and only where the data have attributes.
        features: what samples are compared by: efficientnet-lite0 (the default with --samples), a classifier of the
            data's own labels or attributes, or inception, as FID is.
        prior: where to draw samples from: normal, box, gmm or flow; by default as armoire sample does.
        temperature: of these draws.
        draws: measure the likelihood in bits per dimension, by the importance-weighted bound of so many draws an image;
            by default not at all.
        denoising: measure how well Gaussian, salt-and-pepper and masking noise of five levels each are taken off.
        json: print one JSON object.
    """
    from armoire.measure import evaluate as measure
    from armoire.measure import in_words, left_out_in_words
    from armoire.wardrobe import Wardrobe
    from armoire.wardrobe.checks import check_temperature

    if samples is not None and samples < 2:
        raise ArmoireError(f"--samples should be 2 or more, not {samples}")
    if draws is not None and draws < 1:
        raise ArmoireError(f"--draws should be 1 or more, not {draws}")
    check_temperature(temperature, "--temperature")
    progress = terminal_progress()
    wardrobe = Wardrobe.open(run, progress=progress)
    found = measure(
        wardrobe,
        wardrobe.load_other(data) if data else None,
        split,
        progress,
        samples,
        features,
        prior,
        temperature,
        draws,
        denoising,
    )
    if not found["data"]["as_trained_on"]:
        progress.note(f"measured on {found['data']['name']}, which is not the data that {run} was trained on")
    if json:
        print_json(found)
    else:
        editing = found.pop("editing")
        found["latent"].pop("rate_by_dimension_nats")  # a line of hundreds of numbers; --json has it
        for name in ("samples", "likelihood", "denoising"):
            if found[name] is None:
                del found[name]
        levels = found.get("denoising", {}).pop("levels", {})
        edits = [(f"editing {name}", "; ".join(words)) for name, words in in_words(editing).items()] if editing else []
        if editing and (left_out := left_out_in_words(editing)):
            edits.append(("not judged", left_out))
        print_table(_flat(found) + edits + _denoised(levels))


def _denoised(levels: dict[str, list[dict[str, Any]]]) -> list[tuple[str, str]]:
    return [
        (
            f"denoising {kind} {row['level']:g}" + (", as in training" if row["seen"] else ""),
            f"{row['psnr_db']:.2f} dB, SSIM {row['ssim']:.3f} (noisy {row['noisy_psnr_db']:.2f} dB, "
            f"{row['noisy_ssim']:.3f})",
        )
        for kind, rows in levels.items()
        for row in rows
    ]


def data(
    source: str, /, *, size: Whole | None = None, fit: How = "crop", background: str = "white", json: Json = False
) -> None:
    """Read a data set in, if that is not done yet, and describe it.

    Args:
        source: fashion-mnist, drawn-faces, celeba:PATH, hf:OWNER/NAME, or the path of images: a folder or zip of
            them, with or without a table beside them, Parquet, Arrow, WebDataset or NumPy files.
        size: side that a folder's images are fitted to, 16 to 256 pixels (default 64).
        fit: crop, pad or stretch images that are not square.
        background: colour under transparent pixels and in padding, a name or #rrggbb.
        json: print one JSON object.
    """
    from armoire.images import load_images

    progress = terminal_progress()
    images = load_images(source, size, fit, background, progress)
    described = images.describe()
    if json:
        print_json(described)
    else:
        counts = "{positive:,} yes, {negative:,} no, {missing:,} missing"
        attributes = [(f"attribute {name}", counts.format(**n)) for name, n in described.pop("attributes").items()]
        print_table(_flat(described) + attributes)


def check(*, json: Json = False) -> None:
    """Tell what is installed here: versions, devices, caches, what is missing and how to get it.

    Args:
        json: print one JSON object.
    """
    import torch

    from armoire.extras import extras, installed
    from armoire.images.sources import fashion_mnist
    from armoire.io.files import cache_folder

    cache = cache_folder()
    packages = ("armoire", "torch", "numpy", "pillow", "pyarrow", "matplotlib", "scikit-learn", "onnx", "onnxruntime")
    ready = any(fashion_mnist.is_fashion(place) for place in (cache / fashion_mnist.NAME, fashion_mnist.DEBIAN))
    ready = ready or any((cache / "stores").glob(f"{fashion_mnist.NAME}-*"))
    found = {
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in packages},
        "devices": {
            "cpu": f"{os.cpu_count()} cores, {torch.get_num_threads()} threads",
            "cuda": torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none",
            "mps": "yes, untested" if torch.backends.mps.is_available() else "none",
        },
        "cache": {
            "folder": str(cache),
            "megabytes": round(sum(f.stat().st_size for f in cache.rglob("*") if f.is_file()) / 1e6, 1),
        },
        "fashion-mnist": "ready" if ready else f"missing; {fashion_mnist.ways_to_get_it()}",
        "extras": {extra: installed(extra) for extra in extras()},
    }
    if json:
        print_json(found)
    else:
        print_table(_flat(found))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"


def _flat(found: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in found.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key} ")
        else:
            rows.append((f"{prefix}{key}".replace("_", " "), _readable(value)))
    return rows


def _readable(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 10 else f"{value:,.2f}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_readable, value)) or "none"
    return f"{value:,}" if type(value) is int else str(value)
