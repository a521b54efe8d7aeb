from __future__ import annotations

from typing import Any

from armoire.cli.arguments import Features, Flag, Json, RunPath, Whole
from armoire.cli.output import flat, print_json, print_table
from armoire.console import terminal_progress
from armoire.errors import ArmoireError


def evaluate(
    run: RunPath,
    /,
    *,
    data: str | None = None,
    split: str | None = None,
    samples: Whole | None = None,
    features: Features = None,
    prior: str | None = None,
    temperature: float = 1.0,
    draws: Whole | None = None,
    denoising: Flag = False,
    json: Json = False,
) -> None:
    """Measure a run: reconstruction, ELBO, published scale, the shape of its latent space, samples and edits.

    Args:
        data: other data to measure it on, or where the training data are now; by default where the run says.
        split: train, valid or test; by default the held-out one.
        samples: measure the quality of this many samples, 10000 for numbers to compare; at most as many as are held
            out; by default only a quick check, if the data have attributes.
        prior: to sample from: normal, box, gmm or flow; by default as in armoire sample.
        temperature: of these samples.
        draws: measure the likelihood in bits per dimension, by the importance-weighted bound with this many draws per
            image; by default not measured.
        denoising: measure the removal of Gaussian, salt-and-pepper and masking noise, at five levels each.
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
