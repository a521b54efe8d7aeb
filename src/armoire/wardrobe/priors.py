"""The priors of a run: made from its latents, or fitted to them and stored in RUN/priors/KIND.safetensors.

Those of a class or an attribute are fitted to the latents of its images alone, when they are first drawn from, and
stored in RUN/priors/KIND/LABEL.safetensors. N(0, I) becomes the Gaussian of these latents.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from armoire.errors import ArmoireError
from armoire.io.artifacts import TensorFormat
from armoire.io.files import file_name
from armoire.priors import FEWEST, PRIORS, LatentDraws, Prior, StandardNormal, stored_kinds
from armoire.priors.prior import CopyShare
from armoire.progress import SILENT, Progress
from armoire.training import Run
from armoire.wardrobe.copies import Copies

CHECKED = 2000  # held-out images and reconstructions

#: A fitted prior and its fit report.
Fitted = tuple[Prior, dict[str, Any]]


def prior_format(kind: str, latent: int) -> TensorFormat[Fitted]:
    """How a fitted prior of one kind is stored: numbers and JSON, never a pickle."""

    def encode(fitted: Fitted) -> tuple[dict[str, Tensor], Any]:
        prior, report = fitted
        tensors, settings = prior.state()
        return tensors, {"kind": kind, "settings": settings, "report": report}

    def decode(content: tuple[dict[str, Tensor], Any]) -> Fitted:
        tensors, header = content
        if header["kind"] != kind:
            raise ValueError(f"it holds no prior of kind {kind}")
        return PRIORS.get(kind).from_state(tensors, header["settings"], latent), dict(header["report"])

    return TensorFormat("armoire-prior-2", encode, decode)


class RunPriors:
    """The priors of one run, each read when it is first asked for."""

    def __init__(
        self,
        run: Run,
        latents: Callable[[str, str | None], LatentDraws],
        fit: Callable[[str, str], Fitted],
        progress: Progress = SILENT,
    ) -> None:
        """The priors of a run.

        `latents` returns those of one split of the data, `train` or `held-out`, and of a label or of all images; `fit`
        a prior of some kind that is fitted to those of a label.
        """
        self.run, self._latents, self._fit, self._progress = run, latents, fit, progress
        self._fitted: dict[tuple[str, str | None], Fitted | None] = {}
        self._of_label: dict[tuple[str, str], Prior] = {}
        self._default: dict[bool, Prior] = {}

    def get(self, kind: str | None = None, *, with_density: bool = False, label: str | None = None) -> Prior:
        """A prior by its kind, by default the fitted one; see `Wardrobe.prior`."""
        if label is not None:
            kinds = [kind for kind in self.fitted() if PRIORS.get(kind).has_density or not with_density]
            key = (kind or next(iter(kinds), "normal"), label)
            if key not in self._of_label:
                self._of_label[key] = self._of(*key)
            return self._of_label[key]
        if kind:
            return self._get(kind)
        if with_density not in self._default:
            self._default[with_density] = self._best(with_density)
        return self._default[with_density]

    def _of(self, kind: str, label: str) -> Prior:
        train = self._latents("train", label)
        if len(train) < FEWEST:
            raise ArmoireError(
                f"{label} has {len(train)} training images in {self.run}, and {FEWEST} are needed to sample it"
            )
        if not PRIORS.get(kind).is_stored:
            held_out, seed = self._latents("held-out", label), self.run.recipe.seed
            apart = held_out if len(held_out) > 1 else train
            settings = {"random": np.random.default_rng(seed), "seed": seed, "progress": SILENT}
            return PRIORS.get(kind).fit_class(train, apart, **settings)[0]
        if (fitted := self._find(kind, label)) is None:
            self._progress.note(f"the prior {kind} is fitted to the {len(train):,} training images of {label}")
            fitted = self._fit(kind, label)
            self.write(kind, *fitted, label=label)
        return fitted[0].with_latents(train)

    def _best(self, with_density: bool) -> Prior:
        missing = ""
        for kind in [*self.fitted(), self.run.recipe.posterior_class.default_prior]:
            if with_density and not PRIORS.get(kind).has_density:
                continue
            try:
                found = self._get(kind)
            except ArmoireError as error:
                if not PRIORS.get(kind).needs_latents:
                    raise
                missing = f"the prior {kind} needs the training latents, which are not here ({error})"
                continue
            if missing:
                self._progress.note(f"{missing}: samples come from {found.name}")
            return found
        raise AssertionError("the last one needs no latents")

    def _get(self, kind: str) -> Prior:
        PRIORS.get(kind)
        if kind == "normal":
            return StandardNormal(self.run.recipe.dimensions)
        if not PRIORS.get(kind).is_stored:
            train, held_out = self._latents("train", None), self._latents("held-out", None)
            seed = self.run.recipe.seed
            random = np.random.default_rng(seed)
            return PRIORS.get(kind).fit(train, held_out, random=random, seed=seed, progress=SILENT)[0]
        if (fitted := self._find(kind)) is not None:
            return fitted[0].with_latents(self._latents("train", None)) if fitted[0].needs_latents else fitted[0]
        stale = " (the one there is of other weights or data)" if (self.run.path / _name(kind)).exists() else ""
        fit = f"`armoire prior {self.run} --kind {kind}`"
        raise ArmoireError(f"no {kind} prior was fitted to {self.run}{stale}; fit one with {fit}")

    def has(self, kind: str) -> bool:
        """Whether a prior can be drawn from without being fitted first."""
        return kind not in stored_kinds() or self._find(kind) is not None

    def fitted(self) -> list[str]:
        """The kinds that were fitted to this run: those without a density, then by log p(z) of held-out latents."""
        found = {kind: fitted for kind in stored_kinds() if (fitted := self._find(kind)) is not None}
        return sorted(found, key=lambda kind: (PRIORS.get(kind).has_density, -_log_prob(found[kind][1])))

    def write(self, kind: str, prior: Prior, report: Mapping[str, Any], label: str | None = None) -> bool:
        """Store a fitted prior; whether the run could be written to."""
        self._default.clear()
        self._fitted[kind, label] = fitted = (prior, dict(report))
        settings = {"label": label} if label is not None else None
        return self.run.artifacts.write(_name(kind, label), self._format(kind), fitted, settings=settings)

    def _find(self, kind: str, label: str | None = None) -> Fitted | None:
        if (kind, label) not in self._fitted:
            settings = {"label": label} if label is not None else None
            try:
                found = self.run.artifacts.read(_name(kind, label), self._format(kind), settings=settings)
            except ArmoireError as error:
                again = f"`armoire prior {self.run} --kind {kind}`" if label is None else "sampling"
                raise ArmoireError(f"{error}; delete it, and {again} makes it again") from None
            self._fitted[kind, label] = found
        return self._fitted[kind, label]

    def _format(self, kind: str) -> TensorFormat[Fitted]:
        return prior_format(kind, self.run.recipe.dimensions)


def copy_share(
    images: UInt8[np.ndarray, "n h w c"],
    mean: Float[np.ndarray, "n d"],
    decode: Callable[[np.ndarray], UInt8[np.ndarray, "m h w c"]],
    kept: Int[np.ndarray, " a"],
    held_out: Int[np.ndarray, " b"],
) -> CopyShare:
    """What `fit_prior` takes as `copied`, for n training images and their latents.

    The larger of the two shares of `Copies.measure`: nearer than held-out images, and than their reconstructions.
    """
    held_out = held_out[:CHECKED]
    copies = Copies(images[kept], images[held_out], decode(mean[held_out]))

    def share(z: np.ndarray) -> float:
        found = copies.measure(decode(z))
        return max(found["nearer_than_held_out"], found["nearer_than_reconstructions"])

    return share


def _name(kind: str, label: str | None = None) -> str:
    return f"priors/{kind}.safetensors" if label is None else f"priors/{kind}/{file_name(label)}.safetensors"


def _log_prob(report: Mapping[str, Any]) -> float:
    found = report.get("log_prob")
    return float(found) if isinstance(found, float | int) and math.isfinite(found) else -math.inf
