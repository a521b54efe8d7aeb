"""Every figure shows the data of its run."""

from __future__ import annotations

import importlib
import io
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from PIL import Image
from scipy.special import ndtr, ndtri
from shape_runs import assert_alike, pictures, words

from armoire import figures, load_recipe
from armoire.errors import ArmoireError
from armoire.figures import figure_data
from armoire.figures.decoded_grid import make_grid
from armoire.figures.denoising_levels import differ_in_noise
from armoire.figures.histograms import ADVICE, COLOURS, dimension_statuses, far_from, worst_of
from armoire.figures.loss_choice import other_loss_run, penalty, sharpness
from armoire.figures.style import CLASS_COLOURS, WARNING, png
from armoire.images.grid import image_grid
from armoire.measure.latent_statistics import ks_distances
from armoire.wardrobe import Latents, Wardrobe

HISTOGRAMS = importlib.import_module("armoire.figures.histograms")  # the function has the same name


def offsets(axes) -> np.ndarray:
    clouds = [c for c in axes.collections if isinstance(c, PathCollection)]
    return np.concatenate([np.asarray(cloud.get_offsets()) for cloud in clouds])


def in_order(points: np.ndarray) -> np.ndarray:
    return points[np.lexsort(points.T)]


def flat(text: str) -> str:
    return text.replace("\n", " ")


def test_latent_is_a_black_scatter_of_the_held_out_posterior_means(vae: Wardrobe):
    (axes,) = figures.draw(vae, "latent").axes
    np.testing.assert_array_equal(offsets(axes), vae.latents.split("test").mean)
    (red, green, blue, _), *others = axes.collections[0].get_facecolor()
    assert max(red, green, blue) < 0.15
    assert not others


def test_a_scatter_takes_the_first_of_what_is_held_out(vae: Wardrobe, monkeypatch: pytest.MonkeyPatch):
    assert figure_data.FIRST == 5000
    monkeypatch.setattr(figure_data, "FIRST", 7)
    (axes,) = figures.draw(vae, "latent").axes
    np.testing.assert_array_equal(offsets(axes), vae.latents.split("test").mean[:7])


def test_more_dimensions_are_projected_on_principal_components(colour: Wardrobe):
    figure = figures.draw(colour, "latent")
    means = colour.latents.split("test").mean.astype(np.float64)
    values, vectors = np.linalg.eigh(np.cov(means.T))
    shares = values[::-1] / values.sum()
    expected = (means - means.mean(axis=0)) @ vectors[:, ::-1][:, :2]
    np.testing.assert_allclose(np.abs(offsets(figure.axes[0])), np.abs(expected), atol=1e-4)
    assert figure.axes[0].get_xlabel() == f"principal component 1, {100 * shares[0]:.0f} % of the variance"
    assert figure.axes[0].get_ylabel() == f"principal component 2, {100 * shares[1]:.0f} % of the variance"


def test_latent_by_label_has_one_colour_a_class_and_a_legend(vae: Wardrobe):
    figure = figures.draw(vae, "latent-by-label")
    shown = vae.latents  # all of them, since few are held out
    assert len(vae.latents.split("test")) < 100 < len(shown)
    (cloud,) = figure.axes[0].collections
    points, colours = np.asarray(cloud.get_offsets()), cloud.get_facecolor()
    np.testing.assert_array_equal(in_order(points), in_order(shown.mean))
    rgb = {k: tuple(int(CLASS_COLOURS[k][i : i + 2], 16) / 255 for i in (1, 3, 5)) for k in range(3)}
    labels = dict(zip(map(tuple, shown.mean.tolist()), shown.labels.tolist(), strict=True))
    for point, colour in zip(points.tolist(), colours, strict=True):
        assert tuple(colour[:3]) == pytest.approx(rgb[labels[tuple(point)]])
    (legend,) = figure.legends
    assert [text.get_text().lstrip("\u200b") for text in legend.get_texts()] == ["bar", "$quare_", "_ring"]


def test_reconstructions_are_below_their_originals_with_z_and_error(vae: Wardrobe):
    figure = figures.draw(vae, "reconstructions")
    real = vae.images.split("test").images[:20]
    shown_images = pictures(figure)
    assert len(shown_images) == 2 * len(real)
    np.testing.assert_array_equal(shown_images[0], real[0, ..., 0])
    columns = min(10, len(real))
    assert_alike(shown_images[columns], vae.decode(vae.encode(real[:1]))[0, ..., 0])
    x, y = vae.encode(real[:1])[0]
    assert f"({x:.2f}, {y:.2f})".replace("-", "−") in words(figure)
    assert words(figure).count("BCE 0.") == len(real)


def test_outliers_are_the_least_usual_held_out_images_with_heat_maps(colour: Wardrobe):
    figure = figures.draw(colour, "outliers")
    real, shown_images = colour.images.split("test").images, pictures(figure)
    found = colour.outliers(real)
    n = min(10, len(real))
    assert len(shown_images) == 3 * n
    for k in range(n):
        assert_alike(shown_images[k], real[found.order[k]])
        assert_alike(shown_images[n + k], colour.decode(colour.encode(real[found.order[k]]))[0])
    statement = flat(words(figure))
    assert "held-out images" in statement and "95 % interval" in statement
    assert f"error {found.error_percentile[found.order[0]]:.0f} %" in statement


def test_samples_of_a_vae_are_18_draws_of_n01_decoded(vae: Wardrobe):
    figure = figures.draw(vae, "samples")
    z = vae.sample(18, seed=vae.recipe.seed)
    cloud, drawn = figure.axes[0].collections
    np.testing.assert_array_equal(np.asarray(cloud.get_offsets()), vae.latents.split("test").mean)
    np.testing.assert_array_equal(np.asarray(drawn.get_offsets()), z)
    assert_alike(np.stack(pictures(figure)), vae.decode(z)[..., 0])
    assert len(pictures(figure)) == 18
    assert "drawn from N(0, I)" in flat(words(figure))


def test_samples_of_an_autoencoder_are_in_the_bounding_box(lone: Wardrobe):
    figure = figures.draw(lone, "samples")
    drawn, means = np.asarray(figure.axes[0].collections[1].get_offsets()), lone.latents.split("test").mean
    assert len(drawn) == 18
    assert (drawn >= means.min(axis=0)).all()
    assert (drawn <= means.max(axis=0)).all()
    assert "bounding box" in flat(words(figure))


def test_samples_in_more_dimensions_are_30_images(colour: Wardrobe):
    shown_images = pictures(figures.draw(colour, "samples"))
    assert len(shown_images) == 30
    assert_alike(np.stack(shown_images), colour.decode(colour.sample(30, seed=colour.recipe.seed)))


def test_a_grid_has_square_tiles_over_all_of_a_box():
    grid = make_grid(np.array([0, 0], np.float32), np.array([10, 5], np.float32), 10)
    assert (grid.columns, grid.rows) == (10, 5)
    assert grid.extent == (0, 10, 0, 5)
    assert grid.centres[0].tolist() == [0.5, 4.5]
    assert grid.centres[-1].tolist() == [9.5, 0.5]


def test_plane_is_decoded_over_the_box_of_the_embeddings(vae: Wardrobe):
    figure = figures.draw(vae, "plane")
    means = vae.latents.split("test").mean
    decoded, cloud = figure.axes
    (sheet,) = decoded.get_images()
    left, right, bottom, top = sheet.get_extent()
    assert left <= means[:, 0].min() + 1e-5
    assert right >= means[:, 0].max() - 1e-5
    assert bottom <= means[:, 1].min() + 1e-5
    assert top >= means[:, 1].max() - 1e-5
    grid = make_grid(means.min(axis=0), means.max(axis=0), 20)
    assert_alike(np.asarray(sheet.get_array()), image_grid(vae.decode(grid.centres), grid.columns, 0)[..., 0])
    np.testing.assert_array_equal(in_order(offsets(cloud)), in_order(means))


def test_p_space_shows_the_means_and_phi_of_the_means(vae: Wardrobe):
    figure = figures.draw(vae, "p-space")
    means = vae.latents.split("test").mean
    np.testing.assert_array_equal(in_order(offsets(figure.axes[0])), in_order(means))
    np.testing.assert_allclose(in_order(offsets(figure.axes[1])), in_order(ndtr(means)), atol=1e-6)
    assert figure.axes[1].get_xlim() == (0, 1)


def test_p_grid_is_decoded_at_the_quantiles_of_n01(vae: Wardrobe):
    sheet = pictures(figures.draw(vae, "p-grid"))[0]
    p = (np.arange(20) + 0.5) / 20
    z = ndtri(np.stack(np.meshgrid(p, p[::-1]), axis=-1).reshape(-1, 2)).astype(np.float32)
    assert_alike(sheet, image_grid(vae.decode(z), 20, 0)[..., 0])


def test_losses_are_those_of_the_history(vae: Wardrobe, pair):
    panels = figures.draw(vae, "losses").axes
    for axes, term in zip(panels, ("distortion", "rate", "objective"), strict=True):
        train, held_out = axes.get_lines()
        assert train.get_ydata().tolist() == [row[f"train_{term}_nats"] for row in vae.run.history]
        assert held_out.get_ydata().tolist() == [row[f"test_{term}_nats"] for row in vae.run.history]
        assert axes.get_ylabel() == "nats per image"
    (only,) = figures.draw(pair[0], "losses").axes
    assert len(only.get_lines()[0].get_xdata()) == 1


def test_cross_entropy_charges_more_towards_the_extremes():
    low, high = penalty("bce", 0.7, np.array([0.6, 0.8]))
    assert low == pytest.approx(0.63247, abs=1e-5)
    assert high == pytest.approx(0.63903, abs=1e-5)
    assert penalty("mse", 0.7, np.array([0.6, 0.8])) == pytest.approx([0.01, 0.01])


def test_loss_choice_shows_both_losses_and_both_runs(pair):
    ae, rmse = pair
    figure = figures.draw(ae, "loss-choice")
    assert other_loss_run(ae).path == rmse.run.path
    assert other_loss_run(rmse).path == ae.run.path
    bce, mse, *_ = figure.axes
    assert {text.get_text() for text in bce.texts} == {"0.022", "0.028"}
    assert {text.get_text() for text in mse.texts} == {"0.010"}
    real = ae.images.split("test").images[:6]
    rows = pictures(figure)
    assert len(rows) == 18
    np.testing.assert_array_equal(np.stack(rows[:6]), real[..., 0])
    assert_alike(np.stack(rows[6:12]), ae.decode(ae.encode(real))[..., 0])
    assert_alike(np.stack(rows[12:]), rmse.decode(rmse.encode(real))[..., 0])


def test_loss_choice_without_a_pair_says_which_run_to_train(lone: Wardrobe):
    assert other_loss_run(lone) is None
    with pytest.raises(ArmoireError, match="armoire train fashion-ae-rmse --out"):
        figures.draw(lone, "loss-choice")


def test_sharpness_of_a_flat_image_is_zero_and_of_a_checkerboard_large():
    board = (np.indices((16, 16)).sum(axis=0) % 2 * 255).astype(np.uint8)[None, ..., None]
    assert sharpness(np.full_like(board, 90)) == 0
    assert sharpness(board) == pytest.approx(16.0)  # the Laplacian is +4 or -4 everywhere


def test_denoising_shows_noisy_clean_and_output(lone: Wardrobe, vae: Wardrobe):
    figure = figures.draw(lone, "denoising")
    rows = pictures(figure)
    real = lone.images.split("test").images[:8]
    assert len(rows) == 24
    np.testing.assert_array_equal(np.stack(rows[8:16]), real[..., 0])
    noisy = np.stack(rows[:8])
    noise = (noisy.astype(float) - real[..., 0]) / 255
    assert noise[(real[..., 0] > 0) & (noisy > 0) & (noisy < 255)].std() == pytest.approx(0.2, abs=0.06)
    assert "trained without noise" in flat(words(figures.draw(vae, "denoising")))
    assert "0.3" in flat(words(figures.draw(vae, "denoising")))


def test_histograms_show_each_distance_and_mark_the_worst(colour: Wardrobe):
    figure = figures.draw(colour, "latent-histograms")
    means = colour.latents.split("test").mean
    ks, statuses = ks_distances(means), dimension_statuses(means)
    worst = worst_of(ks, statuses)
    assert worst is not None
    for k, axes in enumerate(figure.axes[:5]):
        distance = "unused" if statuses[k] == "unused" else f"{ks[k]:.2f}"
        assert axes.get_title(loc="left") == f"z{'₀₁₂₃₄'[k]}   {distance}"
        assert (axes._left_title.get_color() == WARNING) == (k == worst)
        (curve,) = axes.get_lines()
        assert curve.get_ydata().max() == pytest.approx(1 / np.sqrt(2 * np.pi))
        density, _, _ = axes.patches[0].get_data()
        assert density.sum() * 8 / 40 == pytest.approx(1)
        assert to_hex(axes.patches[0].get_facecolor()) == COLOURS[statuses[k]]
    for name, advice in ADVICE.items():
        assert (advice in words(figure)) == (name in statuses)


def normal(n: int, *scales: float, shift: float = 0) -> np.ndarray:
    """The quantiles of N(shift, scale^2) at n evenly spread probabilities, a column for each scale."""
    return (ndtri((np.arange(n) + 0.5) / n)[:, None] * np.array(scales) + shift).astype(np.float32)


def test_a_dimension_is_far_close_narrow_or_unused():
    assert far_from(5000) == 0.1
    assert far_from(100) == pytest.approx(0.163)  # chance, in few images
    means = np.concatenate([normal(1000, 1, 2, 0.4, 0.05, 0), normal(1000, 1, shift=1)], axis=1)
    assert dimension_statuses(means) == ["close", "far", "narrow", "unused", "unused", "far"]
    assert ks_distances(means)[3:5] == pytest.approx([0.45, 0.5], abs=0.03)


def test_the_worst_dimension_is_a_far_one_if_there_is_any():
    ks = np.array([0.45, 0.2, 0.3, 0.5, 0.05])
    assert worst_of(ks, ["narrow", "far", "far", "unused", "close"]) == 2
    assert worst_of(ks, ["narrow", "narrow", "narrow", "unused", "close"]) == 0
    assert worst_of(ks, ["close", "close", "close", "unused", "close"]) == 0
    assert worst_of(ks, ["unused"] * 5) is None


@pytest.mark.parametrize(
    ("scales", "title"),
    [
        ((0.0, 0.01), "rgb uses none of its dimensions: there is too much weight on the KL"),
        ((1.0, 1.0), "All dimensions of rgb are close to N(0, 1), z₀ least"),
        ((1.0, 0.0), "All used dimensions of rgb are close to N(0, 1), z₀ least"),
        ((1.0, 3.0, 0.3), "1 of 3 used dimensions of rgb is far from N(0, 1), farthest z₁"),
        ((1.0, 0.3, 0.0), "1 of 2 used dimensions of rgb is narrow, none too wide"),
    ],
)
def test_the_title_names_the_worst_dimension(
    colour: Wardrobe, monkeypatch: pytest.MonkeyPatch, scales: tuple[float, ...], title: str
):
    latents = Latents(colour.latents.table.slice(0, 300), normal(300, *scales), None)
    monkeypatch.setattr(HISTOGRAMS, "shown_latents", lambda _: latents)
    assert title in flat(words(figures.draw(colour, "latent-histograms")))


def test_of_200_dimensions_50_are_shown_and_all_text_is_on_the_page(colour: Wardrobe, monkeypatch: pytest.MonkeyPatch):
    latents = Latents(colour.latents.table.slice(0, 300), normal(300, *np.linspace(0, 3, 200)), None)
    monkeypatch.setattr(HISTOGRAMS, "shown_latents", lambda _: latents)
    figure = figures.draw(colour, "latent-histograms")
    figure.canvas.draw()
    *panels, advice = figure.axes
    assert len(panels) == 50
    for text in [*figure.texts, *advice.texts]:
        assert text.get_window_extent().x1 <= figure.bbox.x1 - 0.4 * figure.dpi
    highest = advice.texts[0].get_window_extent().y1
    lowest = min(label.get_window_extent().y0 for axes in panels[40:] for label in axes.get_xticklabels())
    assert highest < lowest


def test_every_figure_that_applies_is_saved_as_a_png_of_a_slide(vae: Wardrobe):
    paths = figures.save(vae)
    assert [path.stem for path in paths] == [
        "losses",
        "reconstructions",
        "outliers",
        "latent",
        "latent-by-label",
        "samples",
        "morph",
        "plane",
        "p-space",
        "p-grid",
        "latent-histograms",
    ]
    sizes = {path.stem: Image.open(io.BytesIO(path.read_bytes())).size for path in paths}
    assert sizes["losses"] == (1920, 1080)
    assert sizes["latent"] == (1350, 1440)
    assert sizes["plane"] == (1920, 1080)
    assert {path.parent for path in paths} == {vae.run.path / "figures"}


def test_the_same_run_gives_the_same_bytes(vae: Wardrobe):
    (path,) = figures.save(vae, ["samples"])
    first = path.read_bytes()
    figures.save(vae, ["samples"])
    assert path.read_bytes() == first
    assert Image.open(io.BytesIO(png(figures.draw(vae, "latent")))).size == (1350, 1440)


def test_runs_that_differ_in_noise_are_compared_whatever_prior_was_fitted():
    noisy, clean = load_recipe("fashion-dae"), load_recipe("fashion-ae")
    assert differ_in_noise(noisy, clean.change(prior="flow"))
    assert not differ_in_noise(noisy, clean.change(latent=3))
    assert not differ_in_noise(noisy, noisy.change(noise=0.2))


def test_an_autoencoder_has_no_figures_of_a_prior(lone: Wardrobe):
    names = [name for name, kind in figures.FIGURES.items() if kind.applies(lone)]
    latent = ["latent", "latent-by-label", "samples", "morph", "plane"]
    assert names == ["losses", "reconstructions", "outliers", *latent, "denoising", "denoising-levels"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("p-space", "an autoencoder has no prior N"), ("p-grid", "fashion-vae"), ("latent-histograms", "train a VAE")],
)
def test_a_figure_that_does_not_apply_says_why(lone: Wardrobe, name: str, sentence: str):
    with pytest.raises(ArmoireError, match=sentence):
        figures.draw(lone, name)


def test_a_plane_needs_two_dimensions(colour: Wardrobe):
    with pytest.raises(ArmoireError, match="this run has 5; train one with --latent 2"):
        figures.save(colour, ["plane"])
    assert not Path(colour.run.path / "figures" / "plane.png").exists()
