"""`armoire evaluate`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from cyclopts import Parameter

from armoire.cli.arguments import Json, RunFolder, Whole
from armoire.cli.output import flat, print_json, print_table
from armoire.console import terminal_progress
from armoire.errors import ArmoireError


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
    from armoire.checks import check_temperature
    from armoire.measure import edit_summaries, excluded_attributes
    from armoire.measure import evaluate as measure
    from armoire.wardrobe import Wardrobe

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
        split=split,
        samples=samples,
        features=features,
        prior=prior,
        temperature=temperature,
        draws=draws,
        denoising=denoising,
        progress=progress,
    ).to_dict()
    if not found["data"]["as_trained_on"]:
        progress.note(f"measured on {found['data']['name']}, which is not the data that {run} was trained on")
    if json:
        print_json(found)
    else:
        editing = found.pop("editing")
        found["latent"].pop("rate_by_dimension_nats")  # a line of hundreds of numbers; --json has it
        found = {name: values for name, values in found.items() if values is not None or name == "published_scale"}
        levels = (found.get("denoising") or {}).pop("levels", {})
        edits = [(f"editing {name}", "; ".join(words)) for name, words in edit_summaries(editing or {}).items()]
        if editing and (excluded := excluded_attributes(editing)):
            edits.append(("not measured", excluded))
        print_table(flat(found) + edits + _denoised(levels))


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
