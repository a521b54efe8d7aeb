"""How the story's pictures look: no paper of their own, and ink for a light page or for a dark one.

A grey picture is drawn as ink, more of it where it is brighter, so that a garment is dark on light and light on dark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from trainings import QUICK

from armoire.figures.style import CLASS_COLOURS, vector

WIDTH = 7.2  # inches: 100 pixels of the page each
DPI = 60 if QUICK else 200


@dataclass(frozen=True)
class Look:
    """The colours of one of the page's two themes."""

    name: str
    ink: str
    quiet: str
    hair: str
    accent: str
    drawn: str
    hole: str
    wash: str


LIGHT = Look("light", "#1b1713", "#5c5751", "#dbd8d3", "#00646b", "#1c6fe0", "#b8400e", "#efe3cb")
DARK = Look("dark", "#e9e5e0", "#a8a49e", "#3d3a36", "#5cc9d0", "#6ba6ff", "#f2935c", "#3a3226")


@contextmanager
def drawing(look: Look) -> Iterator[None]:
    """The settings that pictures are drawn under."""
    settings = {
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "text.parse_math": False,
        "text.color": look.quiet,
        "axes.facecolor": "none",
        "axes.edgecolor": look.hair,
        "axes.labelcolor": look.quiet,
        "axes.linewidth": 0.8,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.facecolor": "none",
        "xtick.color": look.hair,
        "ytick.color": look.hair,
        "xtick.labelcolor": look.quiet,
        "ytick.labelcolor": look.quiet,
        "legend.frameon": False,
    }
    with matplotlib.style.context(["default", settings]):  # type: ignore[list-item]
        yield


def page(height: float) -> Figure:
    """A figure of the page's width, `height` inches high."""
    figure = Figure(figsize=(WIDTH, height), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def panel(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a place in inches."""
    w, h = figure.get_size_inches()
    return figure.add_axes((left / w, bottom / h, width / w, height / h))


def blank(figure: Figure) -> Axes:
    """Axes over all of a figure, in inches from its upper left corner, down being positive."""
    width, height = figure.get_size_inches()
    axes = panel(figure, 0, 0, width, height)
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    return axes


def inked(images: np.ndarray, look: Look) -> np.ndarray:
    """Images as RGBA of 0 to 1: colour as it is, grey as so much ink. uint8 (.., h, w, c) to float (.., h, w, 4)."""
    values = images.astype(np.float32) / 255
    if images.shape[-1] == 3:
        return np.concatenate([values, np.ones_like(values[..., :1])], axis=-1)
    colour = np.broadcast_to(np.asarray(to_rgb(look.ink), np.float32), (*images.shape[:-1], 3))
    return np.concatenate([colour, values], axis=-1)


def show(axes: Axes, image: np.ndarray, box: tuple[float, float, float, float], look: Look) -> None:
    """One image at (left, right, bottom, top) in the axes' units."""
    axes.imshow(inked(image, look), extent=box, aspect="auto", interpolation="nearest", zorder=1)


def row(
    axes: Axes,
    images: np.ndarray,
    look: Look,
    left: float,
    top: float,
    side: float,
    step: float,
) -> None:
    """Images side by side on blank axes."""
    for k, image in enumerate(images):
        x = left + k * step
        show(axes, image, (x, x + side, top + side, top), look)


def captions(axes: Axes, texts: Sequence[str], left: float, top: float, step: float, **style: object) -> None:
    """Small words under the images of a row, each in the middle at `left` plus so many steps."""
    for k, text in enumerate(texts):
        axes.text(left + k * step, top, text, **{"fontsize": 7.5, "ha": "center", "va": "top", **style})


def places(z: np.ndarray) -> list[str]:
    """Places in words, one line a dimension where there is little room."""
    return [vector(place).strip("()").replace(", ", "\n") for place in z]


def classes(axes: Axes, names: Sequence[str], at: tuple[float, float]) -> None:
    """The names of the classes next to their colours."""
    keys = [
        Line2D([], [], linestyle="", marker="o", markersize=6, color=CLASS_COLOURS[k % 10], label=name)
        for k, name in enumerate(names)
    ]
    axes.legend(
        handles=keys,
        loc="upper left",
        bbox_to_anchor=at,
        borderaxespad=0,
        borderpad=0,
        handletextpad=0.4,
        labelspacing=0.8,
    )


def plane(axes: Axes, names: tuple[str, str] = ("z₀", "z₁")) -> None:
    """A latent plane: a unit is the same length on both axes."""
    axes.set_aspect("equal", adjustable="datalim")
    axes.locator_params(nbins=6, integer=True)
    axes.set_xlabel(names[0], labelpad=1)
    axes.set_ylabel(names[1], labelpad=1)


def save(figure: Figure, path: Path) -> None:
    """Write a PNG without paper; the same figure gives the same bytes."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, transparent=True, metadata={"Software": None})
    path.write_bytes(buffer.getvalue())
