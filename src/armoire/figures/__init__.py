"""Figures about a model: `save(wardrobe)` draws all that apply to a run into RUN/figures."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from difflib import SequenceMatcher
from pathlib import Path

from matplotlib.figure import Figure

from armoire.errors import ArmoireError, did_you_mean
from armoire.figures.attributes import PREFIX, attribute_figure, attribute_figures, default_attributes
from armoire.figures.decoded_grid import p_grid, plane
from armoire.figures.denoising_levels import denoising_levels
from armoire.figures.figure_kind import (
    FigureKind,
    needs_calibration,
    needs_classes,
    needs_editing,
    needs_history,
    needs_other_loss,
    needs_pair,
    needs_plane,
    needs_prior,
)
from armoire.figures.histograms import histograms
from armoire.figures.latent_scatter import embeddings, embeddings_by_label, p_space
from armoire.figures.leakage import leakage
from armoire.figures.loss_choice import loss_choice
from armoire.figures.losses import losses
from armoire.figures.morph import morph
from armoire.figures.outliers import outliers
from armoire.figures.reconstruction import denoising, reconstructions
from armoire.figures.samples import samples
from armoire.figures.style import png, style
from armoire.io.files import file_name, write_bytes
from armoire.progress import USUAL, Progress
from armoire.wardrobe import RunLike, Wardrobe

__all__ = ["FIGURES", "FigureKind", "described", "draw", "save"]


def _has_noise(wardrobe: Wardrobe) -> bool:
    return wardrobe.recipe.noise > 0


_ON_PLANE = (needs_prior, needs_plane)
_KINDS = (
    FigureKind("losses", "distortion, rate and objective by epoch", losses, (needs_history,)),
    FigureKind("reconstructions", "held-out images above their reconstructions", reconstructions),
    FigureKind("outliers", "the least usual held-out images, with heat maps of errors", outliers, (needs_calibration,)),
    FigureKind("latent", "embeddings of the held-out images", embeddings),
    FigureKind("latent-by-label", "the same, coloured by label", embeddings_by_label, (needs_classes,)),
    FigureKind("samples", "samples from the prior, decoded", samples),
    FigureKind("morph", "interpolation between held-out images", morph, (needs_pair,)),
    FigureKind("plane", "the latent plane decoded, and its embeddings", plane, (needs_plane,)),
    FigureKind("p-space", "the scatter by label in z and in p = Φ(z)", p_space, (*_ON_PLANE, needs_classes)),
    FigureKind("p-grid", "images decoded evenly over p = Φ(z)", p_grid, _ON_PLANE),
    FigureKind("latent-histograms", "each dimension against N(0, 1)", histograms, (needs_prior,)),
    FigureKind("leakage", "what else changes when an attribute is edited", leakage, (needs_editing,)),
    FigureKind("loss-choice", "cross-entropy against squared error", loss_choice, (needs_other_loss,)),
    FigureKind("denoising", "noisy images, clean images and output", denoising, is_default=_has_noise),
    FigureKind("denoising-levels", "PSNR by kind and level of noise", denoising_levels, is_default=_has_noise),
)
#: Figures by name, in the order of a report. The figures of attributes, `attribute-NAME`, follow them.
FIGURES: Mapping[str, FigureKind] = {kind.name: kind for kind in _KINDS}


def draw(wardrobe: RunLike, name: str) -> Figure:
    """Draw one figure of a run, opened or as `Wardrobe.open` takes it; the same run gives the same figure."""
    wardrobe = Wardrobe.open(wardrobe)
    return _kind(wardrobe, name).draw(wardrobe)


def save(wardrobe: RunLike, names: list[str] | None = None, progress: Progress = USUAL) -> list[Path]:
    """Draw figures into RUN/figures/NAME.png and return their paths.

    By default all that apply to the run are drawn, and those of four attributes.
    """
    wardrobe = Wardrobe.open(wardrobe, progress=progress)
    # All names are checked before anything is drawn.
    kinds = [_kind(wardrobe, name) for name in names or []]
    if not kinds:
        kinds = [kind for kind in FIGURES.values() if kind.applies(wardrobe)]
        kinds += map(attribute_figure, default_attributes(wardrobe))
    paths = []
    with progress.task("drawing figures", len(kinds), "figures") as task:
        for kind in kinds:
            path = wardrobe.run.path / "figures" / f"{file_name(kind.name)}.png"
            write_bytes(path, _render(kind.draw(wardrobe)))
            paths.append(path)
            task.advance()
    return paths


def described(name: str) -> str:
    """What a figure shows, in one line; "" for an unknown name."""
    kind = attribute_figure(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else FIGURES.get(name)
    return kind.description if kind else ""


def _kind(wardrobe: Wardrobe, name: str) -> FigureKind:
    if name in FIGURES:
        return FIGURES[name]
    # Attributes may need the latents encoded, so they are looked up only for names that look like theirs.
    is_attribute = SequenceMatcher(None, name[: len(PREFIX)], PREFIX).ratio() > 0.7
    attribute_kinds = attribute_figures(wardrobe) if is_attribute else {}
    if name in attribute_kinds:
        return attribute_kinds[name]
    if name.startswith(PREFIX) and not attribute_kinds:
        if not wardrobe.latents.attributes:
            raise ArmoireError(
                f"cannot draw '{name}' for {wardrobe.run}: {wardrobe.run.data.name} has no attributes; "
                "train on data with attributes, such as drawn-faces or celeba:PATH"
            )
        wardrobe.direction(name.removeprefix(PREFIX))  # raises where there are too few images with it
    raise ArmoireError(f"no figure '{name}'; {did_you_mean(name, [*FIGURES, *attribute_kinds])}")


def _render(figure: Figure) -> bytes:
    with style(), warnings.catch_warnings():
        # Class names may be in a script that no installed font has.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        return png(figure)
