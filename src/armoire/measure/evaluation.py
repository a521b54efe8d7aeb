"""`evaluate`: every measure that applies to a run, computed on one split of a data set."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection
from dataclasses import dataclass, field, fields, replace
from typing import Any

from armoire.checks import check_temperature
from armoire.errors import ArmoireError
from armoire.images import Images
from armoire.io.artifacts import JsonFormat
from armoire.measure.doctor import Examination, examine
from armoire.measure.features import named_features
from armoire.measure.measure import MEASURES, Context, Options
from armoire.measure.report_tables import html_report
from armoire.measure.uses import held_out_uses
from armoire.measure.verdict import Verdict, give_verdict
from armoire.progress import USUAL, Progress
from armoire.training import Run
from armoire.wardrobe import RunLike, Wardrobe

FILE = "evaluation.json"
ON_REQUEST = ("samples", "likelihood", "denoising")

Numbers = dict[str, Any]


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` measured; docs/measures.md describes each number. None stands for what was not measured.

    Attributes:
        data: name, split, n, fingerprint, as_trained_on.
        verdict: what the run is good for, as `armoire.measure.verdict.Verdict`, with RUN for its path.
        uses: the numbers behind the verdict.
        reconstruction: errors of reconstructions from the posterior mean.
        elbo: distortion, rate and objective in nats per image.
        published_scale: the same in the scale of the published code.
        latent: statistics of the latent space.
        likelihood: the importance-weighted bound.
        denoising: PSNR and SSIM of denoised images.
        samples: distances between samples and held-out images.
        editing: gain, flip rate and leakage of edits.
        others: those of registered measures, by name.
    """

    data: Numbers
    verdict: Numbers | None = None
    uses: Numbers | None = None
    reconstruction: Numbers | None = None
    elbo: Numbers | None = None
    published_scale: Numbers | None = None
    latent: Numbers | None = None
    likelihood: Numbers | None = None
    denoising: Numbers | None = None
    samples: Numbers | None = None
    editing: Numbers | None = None
    others: dict[str, Numbers | None] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Evaluation:
        """The inverse of `to_dict`; unknown names are those of registered measures."""
        own = {f.name for f in fields(cls)} - {"others"}
        known = {name: value for name, value in values.items() if name in own}
        return cls(**known, others={name: value for name, value in values.items() if name not in own})

    def to_dict(self) -> dict[str, Any]:
        """The object that `armoire evaluate --json` prints."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "others"}
        return own | self.others

    def _repr_html_(self) -> str:
        return html_report(self.to_dict())


EVALUATION = JsonFormat("armoire-evaluation-1", Evaluation.to_dict, Evaluation.from_dict)


def evaluate(
    wardrobe: RunLike,
    images: Images | None = None,
    *,
    split: str | None = None,
    samples: int | None = None,
    features: str | None = None,
    prior: str | None = None,
    temperature: float = 1.0,
    draws: int | None = None,
    denoising: bool = False,
    skip: Collection[str] = (),
    progress: Progress = USUAL,
) -> Evaluation:
    """Measure a run on one split of a data set.

    The numbers of the held-out images that belong to the run are stored in RUN/evaluation.json.

    Args:
        wardrobe: the run, opened or as `Wardrobe.open` takes it.
        images: the data, as `Wardrobe.load` takes it; by default what it was trained on.
        split: train, valid or test; by default the held-out one.
        samples: how many samples to draw and compare with held-out images. By default 2,000 are compared, with the
            attribute classifier's features, where the data have attributes; otherwise none.
        features: the networks whose features are compared, with commas: `efficientnet-lite0`, `dinov2-focus` (both the
            default where `samples` is given, if they are installed), `classifier` or `inception`.
        prior: the prior to draw samples from, as in `Wardrobe.prior`.
        temperature: of the draws.
        draws: compute the importance-weighted bound with so many draws per image.
        denoising: measure how well noise of several kinds is removed.
        skip: names of measures to leave out, such as samples and editing, which train a classifier for minutes.
        progress: where to report.
    """
    wardrobe = Wardrobe.open(wardrobe, progress=progress)
    check_temperature(temperature)
    named_features(features or "classifier")  # before anything takes time
    data = wardrobe.images if images is None else wardrobe.load(images)
    options = Options(samples, features, prior, temperature, draws, denoising)
    context = Context(wardrobe, data, split or data.held_out, options, progress, as_trained=images is None)
    chosen = {name: MEASURES.get(name) for name in MEASURES if name not in skip}
    values = {name: measure.compute(context) if measure.applies(context) else None for name, measure in chosen.items()}
    info = data.info
    description = {
        "name": info.name,
        "split": context.split,
        "n": len(context.part),
        "fingerprint": info.fingerprint,
        "as_trained_on": info.fingerprint == wardrobe.run.data.fingerprint,
    }
    found = Evaluation.from_dict({"data": description} | values)
    if found.uses:
        measured = found.samples if samples is not None or features is not None else None
        examination = examine(wardrobe, progress=progress)
        given = give_verdict(wardrobe, found.uses, examination, measured or stored_samples(wardrobe.run))
        found = replace(found, verdict=given.to_dict())
    if context.is_held_out and prior is None and temperature == 1:
        store_evaluation(wardrobe.run, found, samples is not None or features is not None)
    return found


def verdict_on(wardrobe: Wardrobe, examination: Examination) -> Verdict:
    """The verdict on a run, from what `examine` found and from the samples that were last measured."""
    uses = held_out_uses(wardrobe, wardrobe.progress)
    return give_verdict(wardrobe, uses, examination, stored_samples(wardrobe.run))


def store_evaluation(run: Run, found: Evaluation, samples_requested: bool) -> None:
    """Write RUN/evaluation.json; a measure on request that was not computed now keeps its numbers from before."""
    before = stored_evaluation(run)
    stored = replace(found, editing=None)  # has a file of its own
    for name in ON_REQUEST:
        computed = getattr(found, name) and (name != "samples" or samples_requested)
        if before and not computed and (earlier := getattr(before, name)):
            stored = replace(stored, **{name: earlier})
    run.artifacts.write(FILE, EVALUATION, stored)


def stored_evaluation(run: Run) -> Evaluation | None:
    """The last evaluation of these weights, without edits; None where there is none, or it is damaged."""
    with contextlib.suppress(ArmoireError):
        return run.artifacts.read(FILE, EVALUATION)
    return None


def stored_samples(run: Run) -> Numbers | None:
    """What the last evaluation of these weights measured of samples; None where it measured none."""
    stored = stored_evaluation(run)
    return stored and stored.samples


def last_epoch(run: Run) -> Evaluation:
    """What training measured on the held-out images, as an evaluation."""
    row = run.measured
    split = next((found[1] for name in row if (found := re.fullmatch(r"(valid|test)_distortion_nats", name))), "")
    names = ("distortion_nats", "rate_nats", "objective_nats")
    elbo = {name: row[f"{split}_{name}"] for name in names if f"{split}_{name}" in row}
    return Evaluation({"name": run.data.name, "split": split, "n": None}, elbo=elbo)
