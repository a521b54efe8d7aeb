"""The priors of a run: those fitted to its latents are stored in RUN/priors/KIND.safetensors, never as a pickle."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from armoire.errors import ArmoireError, did_you_mean, first_line
from armoire.io.files import parse_json
from armoire.io.tensors import open_tensors, write_tensors
from armoire.priors import KINDS, Box, Prior, StandardNormal, stored_kinds

FORMAT = "armoire-prior-2"


class RunPriors:
    """The priors that one may draw from in a run, each read when it is first asked for."""

    def __init__(
        self,
        run: Path,
        posterior: str,
        latent: int,
        key: Callable[[], Mapping[str, str]],
        held_out: Callable[[], np.ndarray],
    ) -> None:
        """
        Args:
            run: the run's folder.
            posterior: `point` or `gaussian`.
            latent: d.
            key: gives which data and weights the run is made of.
            held_out: gives the embeddings (n, d) of the held-out images.
        """
        self.run, self.posterior, self.latent = run, posterior, latent
        self._key, self._held_out = key, held_out
        self._found: dict[str, Prior | None] = {}
        self._fits: dict[str, float] = {}

    def get(self, kind: str | None = None) -> Prior:
        """A prior by its kind; by default the one that fits best of those fitted, else what needs no fit.

        Raises:
            ArmoireError: there is no such kind, or it was not fitted to this run, or its file is damaged.
        """
        if kind not in (None, *KINDS):
            raise ArmoireError(f"no prior '{kind}'; {did_you_mean(str(kind), KINDS)}")
        given = "normal" if self.posterior == "gaussian" else "box"
        for one in [kind] if kind else [*self.fitted(), given]:
            if self.has(one) and (found := self._found[one]):
                return found
        stale = " (the one there is of other weights or data)" if prior_path(self.run, str(kind)).exists() else ""
        raise ArmoireError(
            f"no {kind} prior was fitted to {self.run}{stale}; fit one with `armoire prior {self.run} --kind {kind}`"
        )

    def has(self, kind: str) -> bool:
        """Whether the run keeps a fitted prior of a kind."""
        if kind not in self._found:
            self._found[kind] = self._find(kind)
        return self._found[kind] is not None

    def fitted(self) -> list[str]:
        """The kinds that were fitted to this run, first what gives held-out latents the highest log p(z)."""
        return sorted(filter(self.has, stored_kinds()), key=lambda kind: -self._fits[kind])

    def keep(self, kind: str, prior: Prior, facts: Mapping[str, Any]) -> Path:
        """Write a fitted prior into the run, and draw from it from now on."""
        path = write_prior(self.run, kind, prior, facts, self._key())
        self._found[kind], self._fits[kind] = prior, _fit(facts)
        return path

    def _find(self, kind: str) -> Prior | None:
        if kind == "normal":
            return StandardNormal(self.latent)
        if kind == "box":
            embeddings = self._held_out()
            return Box(embeddings.min(axis=0), embeddings.max(axis=0))
        # The digest of the weights is not taken for nothing.
        kept = read_prior(self.run, kind, self.latent, self._key()) if prior_path(self.run, kind).is_file() else None
        if kept is None:
            return None
        prior, facts = kept
        self._fits[kind] = _fit(facts)
        return prior


def prior_path(run: Path, kind: str) -> Path:
    """Where a run keeps a prior."""
    return run / "priors" / f"{kind}.safetensors"


def write_prior(run: Path, kind: str, prior: Prior, facts: Mapping[str, Any], key: Mapping[str, str]) -> Path:
    """Keep a fitted prior; `key` says of which data and weights, `facts` how well it fits."""
    tensors, settings = prior.state()
    header = {"format": FORMAT, "kind": kind, "facts": json.dumps(facts), "made_of": json.dumps(dict(key))}
    path = prior_path(run, kind)
    write_tensors(path, tensors, header | {"settings": json.dumps(settings)})
    return path


def read_prior(run: Path, kind: str, latent: int, key: Mapping[str, str]) -> tuple[Prior, dict[str, Any]] | None:
    """A kept prior and what was found when it was fitted; None where there is none, or one of other weights or data.

    Raises:
        ArmoireError: the file is damaged.
    """
    path = prior_path(run, kind)
    if not path.is_file():
        return None
    try:
        found = open_tensors(path, FORMAT)
        header = found.metadata
        if header.get("kind") != kind:
            raise ValueError(f"its header names no prior of kind {kind}")
        if parse_json(header["made_of"]) != dict(key):
            return None
        tensors = found.read()
        facts = parse_json(header["facts"])
        prior = KINDS[kind].from_state(tensors, parse_json(header["settings"]), latent)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = first_line(error)
        raise ArmoireError(
            f"{path} is damaged ({reason}); delete it, and `armoire prior {run} --kind {kind}` makes it again"
        ) from None
    return prior, facts


def _fit(facts: Mapping[str, Any]) -> float:
    found = facts.get("log_prob")
    return float(found) if isinstance(found, float | int) and math.isfinite(found) else -math.inf
