"""The story's pictures of garments: a pile, then a plane of an autoencoder and one of a variational autoencoder."""

from __future__ import annotations

import numpy as np
from look import WIDTH, Look, blank, captions, classes, inked, page, panel, places, plane, row, show
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Ellipse
from PIL import Image, ImageFilter

from armoire import Wardrobe
from armoire.figures.decoded_grid import Grid, make_grid
from armoire.figures.style import CLASS_COLOURS
from armoire.images.grid import image_grid
from armoire.measure.latent_statistics import HOLE, in_holes, standard_deviation

SHOWN = 10_000
PAIRS = ((1, 3), (7, 9), (2, 8), (5, 6))  # classes: trouser to dress, sneaker to boot, pullover to bag, sandal to shirt


def held_out(wardrobe: Wardrobe) -> np.ndarray:
    """The images that were not trained on."""
    return wardrobe.images.split(wardrobe.held_out).images


def latents(wardrobe: Wardrobe) -> tuple[np.ndarray, np.ndarray]:
    """Places and classes of the first held-out images."""
    found = wardrobe.latents.split(wardrobe.held_out).first(SHOWN)
    return found.mean, found.labels


def pile(wardrobe: Wardrobe, look: Look) -> Figure:
    """Garments on the floor, turned every way and on top of each other."""
    random, size, height = np.random.default_rng(4), 150, 440
    canvas = Image.new("RGBA", (1440, height))
    for image in held_out(wardrobe)[:90]:
        grey = Image.fromarray(image[..., 0]).resize((size, size), Image.Resampling.BICUBIC)
        cloth = Image.fromarray((255 * _cloth(np.asarray(grey), look)).astype(np.uint8), "RGBA")
        cloth = cloth.rotate(float(random.uniform(0, 360)), Image.Resampling.BICUBIC, expand=True)
        x = int(np.clip(random.normal(720, 270), 100, 1340))
        floor = 90 + 230 * (1 - np.exp(-(((x - 720) / 420) ** 2)))
        y = int(random.uniform(floor, height - 70))
        canvas.alpha_composite(cloth, (max(0, x - cloth.width // 2), max(0, min(y - cloth.height // 2, height - 60))))
    figure = page(height / 200)
    axes = blank(figure)
    axes.imshow(np.asarray(canvas), extent=(0, WIDTH, height / 200, 0), aspect="auto", interpolation="nearest")
    return figure


def _cloth(grey: np.ndarray, look: Look) -> np.ndarray:
    # A garment hides what lies under it, also where it is dark.
    outline = Image.fromarray(np.where(grey > 14, 255, 0).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1.2))
    paper, ink = (np.asarray(to_rgb(c)) for c in (look.wash if look.name == "dark" else "#ffffff", look.ink))
    much = (0.12 + 0.78 * grey.astype(np.float32) / 255)[..., None]
    return np.concatenate([paper * (1 - much) + ink * much, np.asarray(outline)[..., None] / 255], axis=-1)


def welcome(wardrobe: Wardrobe, look: Look) -> Figure:
    """A strip across the unit square of p = Phi(z), decoded."""
    from scipy.special import ndtri

    columns, rows = 24, 7
    p = np.stack(np.meshgrid(np.linspace(0.02, 0.98, columns), np.linspace(0.8, 0.2, rows)), axis=-1).reshape(-1, 2)
    picture = inked(image_grid(wardrobe.decode(ndtri(p).astype(np.float32)), columns, gap=0), look)
    figure = page(WIDTH * rows / columns)
    axes = blank(figure)
    axes.imshow(picture, extent=(0, WIDTH, WIDTH * rows / columns, 0), interpolation="nearest", aspect="auto")
    return figure


def again(wardrobe: Wardrobe, look: Look) -> Figure:
    """Ten originals above what is made of them, and their places between."""
    images, step = held_out(wardrobe)[:10], WIDTH / 10
    z = wardrobe.encode(images)
    side = step - 0.08
    figure = page(2 * side + 0.5)
    axes = blank(figure)
    row(axes, images, look, 0.04, 0, side, step)
    captions(axes, places(z), step / 2, side + 0.08, step)
    row(axes, wardrobe.decode(z), look, 0.04, side + 0.48, side, step)
    return figure


def where(wardrobe: Wardrobe, look: Look) -> Figure:
    """The places, black and by class."""
    z, labels = latents(wardrobe)
    figure = page(3.15)
    for k, left in enumerate((0.52, 3.36)):
        axes = panel(figure, left, 0.48, 2.45, 2.6)
        dots(axes, z, look.ink if k == 0 else [CLASS_COLOURS[c % 10] for c in labels], 0.35 if k == 0 else 0.7)
        plane(axes)
    classes(axes, wardrobe.run.data.classes, (1.04, 1))
    return figure


def dots(axes: Axes, z: np.ndarray, colour: object, alpha: float) -> None:
    """Every place a dot, in random order, so that no class lies on top."""
    order = np.random.default_rng(0).permutation(len(z))
    colours = [colour[k] for k in order] if isinstance(colour, list) else colour
    axes.scatter(*z[order].T, s=1.8, c=colours, alpha=alpha, linewidths=0)


def new(wardrobe: Wardrobe, look: Look) -> Figure:
    """18 places drawn at random, on the plane and decoded; in another colour where no garment is near."""
    z, _ = latents(wardrobe)
    drawn = wardrobe.sample(18, seed=3)
    empty = in_holes(drawn, z, HOLE * standard_deviation(z))
    colours = [look.hole if hole else look.drawn for hole in empty]
    figure = page(3.0)
    sheet = blank(figure)
    axes = panel(figure, 0.52, 0.48, 2.42, 2.46)
    dots(axes, z, look.ink, 0.22)
    plane(axes)
    _numbers(axes, drawn, colours)
    step, side = 0.68, 0.6
    for k, image in enumerate(wardrobe.decode(drawn)):
        x, y = 3.15 + k % 6 * step, 0.12 + k // 6 * 0.95
        show(sheet, image, (x, x + side, y + side, y), look)
        sheet.text(
            x + side / 2,
            y + side + 0.12,
            str(k + 1),
            color=colours[k],
            fontsize=7.5,
            weight="bold",
            ha="center",
            va="center",
        )
    return figure


def _numbers(axes: Axes, points: np.ndarray, colours: list[str]) -> None:
    axes.scatter(*points.T, s=95, c=colours, linewidths=0, zorder=3)
    for k, (x, y) in enumerate(points.tolist()):
        axes.text(
            x, y, str(k + 1), fontsize=6.5, color="white", weight="bold", ha="center", va="center_baseline", zorder=4
        )


def decoded_grid(wardrobe: Wardrobe, look: Look) -> Figure:
    """The plane decoded everywhere, its holes shaded, the garments on top as dots."""
    z, _ = latents(wardrobe)
    grid = make_grid(z.min(axis=0), z.max(axis=0), 24)
    left, right, bottom, top = grid.extent
    width = min(6.7, 6.2 * (right - left) / (top - bottom))
    height = width * (top - bottom) / (right - left)
    figure = page(height + 0.5)
    axes = panel(figure, (WIDTH - width) / 2 + 0.15, 0.45, width, height)
    empty = in_holes(grid.centres, z, HOLE * standard_deviation(z)).reshape(grid.rows, grid.columns)
    shade = np.zeros((*empty.shape, 4))
    shade[empty] = (*to_rgb(look.wash), 1)
    axes.imshow(shade, extent=grid.extent, interpolation="nearest", aspect="auto")
    axes.imshow(_decoded(wardrobe, grid, look), extent=grid.extent, interpolation="nearest", aspect="auto")
    axes.scatter(*z[:5000].T, s=2.2, c=look.accent, alpha=0.55, linewidths=0)
    axes.set(xlim=(left, right), ylim=(bottom, top), xlabel="z₀", ylabel="z₁")
    return figure


def _decoded(wardrobe: Wardrobe, grid: Grid, look: Look, centres: np.ndarray | None = None) -> np.ndarray:
    return inked(image_grid(wardrobe.decode(grid.centres if centres is None else centres), grid.columns, gap=0), look)


def areas(wardrobe: Wardrobe, look: Look) -> Figure:
    """The areas of some garments, one standard deviation wide, and N(0, I)'s."""
    found = wardrobe.latents.split(wardrobe.held_out).first(250)
    assert found.log_var is not None  # of a variational autoencoder
    figure = page(4.3)
    axes = panel(figure, 1.0, 0.45, 3.8, 3.8)
    for z, log_var, label in zip(found.mean, found.log_var, found.labels, strict=True):
        wide, high = 2 * np.exp(log_var / 2)
        colour = CLASS_COLOURS[label % 10]
        axes.add_patch(
            Ellipse(z, wide, high, facecolor=(*to_rgb(colour), 0.3), edgecolor=(*to_rgb(colour), 0.9), linewidth=0.6)
        )
    for radius, line in ((1, "-"), (2, ":")):
        axes.add_patch(Circle((0, 0), radius, fill=False, edgecolor=look.ink, linestyle=line, linewidth=0.9))
    axes.set(xlim=(-3.2, 3.2), ylim=(-3.2, 3.2))
    plane(axes)
    classes(axes, wardrobe.run.data.classes, (1.05, 0.98))
    return figure


def square(wardrobe: Wardrobe, look: Look) -> Figure:
    """The places by class, and the same in p = Phi(z)."""
    from scipy.special import ndtr

    z, labels = latents(wardrobe)
    colours = [CLASS_COLOURS[c % 10] for c in labels]
    figure = page(3.15)
    axes = panel(figure, 0.52, 0.48, 2.45, 2.6)
    dots(axes, z, colours, 0.7)
    plane(axes)
    axes = panel(figure, 3.5, 0.48, 2.45, 2.45)
    dots(axes, ndtr(z), colours, 0.7)
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1), xlabel="p₀ = Φ(z₀)", ylabel="p₁ = Φ(z₁)")
    axes.spines[["top", "right"]].set_visible(True)
    classes(axes, wardrobe.run.data.classes, (1.04, 1))
    return figure


def grid(wardrobe: Wardrobe, look: Look) -> Figure:
    """The unit square of p = Phi(z), decoded."""
    from scipy.special import ndtri

    even = make_grid(np.zeros(2, np.float32), np.ones(2, np.float32), 20)
    figure = page(WIDTH)
    axes = blank(figure)
    picture = _decoded(wardrobe, even, look, ndtri(even.centres.astype(np.float64)).astype(np.float32))
    axes.imshow(picture, extent=(0, WIDTH, WIDTH, 0), interpolation="nearest", aspect="auto")
    return figure


def empty(wardrobe: Wardrobe, look: Look) -> Figure:
    """What is made at empty places, and the nearest garments."""
    found = emptiest(wardrobe, 6)
    near = wardrobe.nearest(found, k=4)
    figure = page(2.55)
    axes, side = blank(figure), 0.66
    for k, made in enumerate(wardrobe.decode(found)):
        left, top = k % 2 * 3.66 + 0.04, k // 2 * 0.87 + 0.04
        axes.add_patch(_frame(left, top, side, look))
        show(axes, made, (left, left + side, top + side, top), look)
        row(axes, wardrobe.images.images[near.rows[k]], look, left + side + 0.12, top, side, side + 0.01)
    return figure


def _frame(left: float, top: float, side: float, look: Look) -> object:
    from matplotlib.patches import FancyBboxPatch

    return FancyBboxPatch(
        (left, top),
        side,
        side,
        boxstyle="round,pad=0.02,rounding_size=0.05",
        facecolor="none",
        edgecolor=look.accent,
        linewidth=1,
    )


def emptiest(wardrobe: Wardrobe, n: int) -> np.ndarray:
    """Places within two steps of the centre that are farthest from every garment, and from each other."""
    from scipy.spatial import KDTree

    random = np.random.default_rng(0)
    candidates = random.uniform(-2, 2, (20_000, 2)).astype(np.float32)
    candidates = candidates[np.hypot(*candidates.T) < 2]
    gaps, _ = KDTree(wardrobe.latents.mean).query(candidates)
    chosen: list[np.ndarray] = []
    for place in candidates[np.argsort(-np.asarray(gaps))]:
        if all(np.hypot(*(place - other)) > 0.5 for other in chosen):
            chosen.append(place)
        if len(chosen) == n:
            break
    return np.stack(chosen)


def morph(wardrobe: Wardrobe, look: Look) -> Figure:
    """From one garment to another in nine steps, once for each pair of classes."""
    images, (z, labels) = held_out(wardrobe), latents(wardrobe)
    step = WIDTH / 9
    figure = page(step * len(PAIRS))
    axes = blank(figure)
    for k, pair in enumerate(PAIRS):
        a, b = (z[typical(wardrobe, images, z, labels, number)] for number in pair)
        row(axes, wardrobe.decode(wardrobe.interpolate(a, b, steps=9)), look, 0.04, k * step + 0.04, step - 0.08, step)
    return figure


def typical(wardrobe: Wardrobe, images: np.ndarray, z: np.ndarray, labels: np.ndarray, number: int) -> int:
    """Of a class, the image that comes back best."""
    of_class = np.flatnonzero(labels == number)[:100]
    errors = wardrobe.squared_errors(images[of_class]) / np.maximum(images[of_class].var(axis=(1, 2, 3)), 1)
    return int(of_class[np.argmin(errors)])
