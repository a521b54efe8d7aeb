from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from armoire.cli.arguments import Count, Features, Flag, Json, RunPath, Temperature, Whole
from armoire.cli.inputs import open_wardrobe
from armoire.cli.output import flat, print_json, print_table, print_verdict


def evaluate(
    run: RunPath,
    /,
    *,
    data: str | None = None,
    split: str | None = None,
    samples: Annotated[Whole | None, Parameter(validator=Number(gte=2))] = None,
    features: Features = None,
    prior: str | None = None,
    temperature: Temperature = 1.0,
    draws: Count | None = None,
    denoising: Flag = False,
    json: Json = False,
) -> None:
    """Measure a run, and say what it is good for: reconstruction, ELBO, the latent space, samples and edits.

    Args:
        data: other data to measure it on, or where the training data are now; by default where the run says.
        split: train, valid or test; by default the held-out one.
        samples: measure the quality of this many samples, 10000 for numbers to compare; at most as many as are held
            out; by default only a quick check, if the data have attributes.
        prior: to sample from: normal, box, gmm, flow or neighbours; by default as in armoire sample.
        temperature: of these samples.
        draws: measure the likelihood in bits per dimension, by the importance-weighted bound with this many draws per
            image; by default not measured.
        denoising: measure the removal of Gaussian, salt-and-pepper and masking noise, at five levels each.
    """
    from armoire.measure import edit_summaries, excluded_attributes
    from armoire.measure import evaluate as measure
    from armoire.measure.verdict import Verdict

    wardrobe = open_wardrobe(run)
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
        progress=wardrobe.progress,
    ).to_dict()
    if not found["data"]["as_trained_on"]:
        wardrobe.progress.note(f"measured on {found['data']['name']}, which is not the data that {run} was trained on")
    if json:
        print_json(found)
        return
    found.pop("uses")
    if verdict := found.pop("verdict"):
        print_verdict(Verdict.from_dict(verdict), str(run))
    editing = found.pop("editing") or {}
    found["latent"].pop("rate_by_dimension_nats")  # a line of hundreds of numbers; --json has it
    found = {name: values for name, values in found.items() if values is not None or name == "published_scale"}
    levels = (found.get("denoising") or {}).pop("levels", {})
    edits = [(f"editing {name}", "; ".join(words)) for name, words in edit_summaries(editing).items()]
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
