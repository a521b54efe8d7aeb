"""Pictures about a model: `save(wardrobe)` draws all that say something about a run into RUN/figures."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from difflib import SequenceMatcher
from pathlib import Path
from types import MappingProxyType

from matplotlib.figure import Figure

from armoire.errors import ArmoireError, did_you_mean
from armoire.figures.attributes import PREFIX, attribute_figure, attribute_figures, most_known
from armoire.figures.decoded_grid import p_grid, plane
from armoire.figures.denoising_levels import denoising_levels
from armoire.figures.figure_kind import (
    FigureKind,
    needs_classes,
    needs_editing,
    needs_history,
    needs_pair,
    needs_plane,
    needs_prior,
    needs_sibling,
)
from armoire.figures.histograms import histograms
from armoire.figures.latent_scatter import embeddings, embeddings_by_label, p_space
from armoire.figures.leakage import leakage
from armoire.figures.loss_choice import loss_choice
from armoire.figures.losses import losses
from armoire.figures.morph import morph
from armoire.figures.reconstruction import denoising, reconstructions
from armoire.figures.samples import samples
from armoire.figures.style import png, style
from armoire.io.files import write_bytes
from armoire.progress import USUAL, Progress
from armoire.wardrobe import RunLike, Wardrobe

__all__ = ["FIGURES", "FigureKind", "described", "draw", "save"]

#: Every figure that there is for any run, by name, in the order in which a run is told. After them come those of the
#: attributes of its data, `attribute-NAME`.
FIGURES: Mapping[str, FigureKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            FigureKind("losses", "distortion, rate and objective by epoch", losses, (needs_history,)),
            FigureKind("reconstructions", "held-out images above their reconstructions", reconstructions),
            FigureKind("latent", "where the held-out images lie", embeddings),
            FigureKind("latent-by-label", "the same, coloured by label", embeddings_by_label, (needs_classes,)),
            FigureKind("samples", "places drawn at random, and the images made there", samples),
            FigureKind("morph", "from one held-out image to another", morph, (needs_pair,)),
            FigureKind("plane", "the latent plane decoded, beside what lies there", plane, (needs_plane,)),
            FigureKind(
                "p-space",
                "the scatter by label in z and in p = Φ(z)",
                p_space,
                (needs_prior, needs_plane, needs_classes),
            ),
            FigureKind("p-grid", "images decoded evenly over p = Φ(z)", p_grid, (needs_prior, needs_plane)),
            FigureKind("latent-histograms", "each dimension against N(0, 1)", histograms, (needs_prior,)),
            FigureKind("leakage", "what else changes when an attribute is moved", leakage, (needs_editing,)),
            FigureKind("loss-choice", "cross-entropy against squared error", loss_choice, (needs_sibling,)),
            FigureKind(
                "denoising", "noisy, clean and output", denoising, wanted=lambda wardrobe: wardrobe.recipe.noise > 0
            ),
            FigureKind(
                "denoising-levels",
                "how much noise of each kind is taken off",
                denoising_levels,
                wanted=lambda wardrobe: wardrobe.recipe.noise > 0,
            ),
        )
    }
)


def draw(wardrobe: RunLike, name: str) -> Figure:
    """Draw one figure of a run, opened or as `Wardrobe.open` takes it; the same run gives the same figure.

    Raises:
        ArmoireError: there is no such figure, or it cannot be drawn for this run.
    """
    wardrobe = Wardrobe.open(wardrobe)
    return _kind(wardrobe, name).draw(wardrobe)


def save(wardrobe: RunLike, names: list[str] | None = None, progress: Progress = USUAL) -> list[Path]:
    """Draw figures into RUN/figures/NAME.png and return their paths.

    Args:
        wardrobe: the run, opened or as `Wardrobe.open` takes it.
        names: which; by default all that apply to it, and those of the attributes that most is known about.
        progress: where to report.

    Raises:
        ArmoireError: as `draw`.
    """
    wardrobe = Wardrobe.open(wardrobe, progress=progress)
    # All names are looked at first: a slip in the last should not cost the time of the others.
    kinds = [_kind(wardrobe, name) for name in names or []] or _told(wardrobe)
    paths = []
    with progress.task("drawing figures", len(kinds), "figures") as task:
        for kind in kinds:
            path = wardrobe.run.path / "figures" / _file_name(kind)
            write_bytes(path, _rendered(kind.draw(wardrobe)))
            paths.append(path)
            task.advance()
    return paths


def described(name: str) -> str:
    """What a figure shows, in one line; "" where there is none of that name."""
    kind = attribute_figure(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else FIGURES.get(name)
    return kind.description if kind else ""


def _told(wardrobe: Wardrobe) -> list[FigureKind]:
    """The figures of a run where none is asked for by name."""
    return [
        *(kind for kind in FIGURES.values() if kind.applies(wardrobe)),
        *(attribute_figure(name) for name in most_known(wardrobe)),
    ]


def _kind(wardrobe: Wardrobe, name: str) -> FigureKind:
    if name in FIGURES:
        return FIGURES[name]
    # Only for what looks like the name of an attribute's figure are the latents read, or made.
    of_attributes = attribute_figures(wardrobe) if _means_attribute(name) else {}
    if name in of_attributes:
        return of_attributes[name]
    if name.startswith(PREFIX) and not of_attributes:
        if not wardrobe.latents.attributes:
            raise ArmoireError(
                f"cannot draw '{name}' for {wardrobe.run.path}: it was trained on {wardrobe.run.data.name}, of which "
                "no attributes are known; train on data that brings some, such as drawn-faces or celeba:PATH"
            )
        wardrobe.direction(name.removeprefix(PREFIX))  # says of which there are too few
    raise ArmoireError(f"no figure '{name}'; {did_you_mean(name, [*FIGURES, *of_attributes])}")


def _means_attribute(name: str) -> bool:
    return SequenceMatcher(None, name[: len(PREFIX)], PREFIX).ratio() > 0.7


def _file_name(kind: FigureKind) -> str:
    # The name of an attribute is other people's: a slash in it is no folder.
    return re.sub(r"[^\w .-]", "_", kind.name) + ".png"


def _rendered(figure: Figure) -> bytes:
    with style(), warnings.catch_warnings():
        # A class name in a script that no installed font has is drawn as boxes; that is no reason to stop.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        return png(figure)
