"""The figure of an attribute: which images it shows, and their edits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from shape_runs import CLASSES, assert_alike, drawn_images, pictures, words

from armoire import figures
from armoire.errors import ArmoireError
from armoire.figures.attributes import STRENGTHS, attribute_figures, chosen, default_attributes
from armoire.images import Fit, ImageSet, SetInfo
from armoire.images.imageset import fingerprint, make_table
from armoire.training import load_recipe
from armoire.wardrobe import Wardrobe, train


def described_images() -> ImageSet:
    """200 shapes, 40 held out, with attributes of every kind of completeness."""
    plain = drawn_images(200)
    bright = np.where(plain.images.max(axis=(1, 2, 3)) > 180, 1, -1).astype(np.int8)
    square = np.where(plain.labels == 1, 1, -1).astype(np.int8)
    ring, rare, part = square.copy(), np.full(200, -1, np.int8), bright.copy()
    ring[160:] = 0  # unknown for all held-out images
    rare[:3] = 1
    part[:100] = 0
    known = {"Bright": bright, "Square/ish": square, "Ring": ring, "Rare": rare, "Part": part}
    known["Last"] = np.where(np.arange(200) < 15, 1, -1).astype(np.int8)
    splits = ["train"] * 160 + ["test"] * 40
    table = make_table([str(i) for i in range(200)], splits, plain.labels.tolist(), known)
    fit = Fit(16, background=(0, 0, 0), channels=1)
    return ImageSet(plain.images, table, SetInfo("described", "", fit, CLASSES, fingerprint(plain.images, table)))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Wardrobe:
    recipe = load_recipe("images-vae").change(size=16, latent=3, epochs=1, channels=[4, 8], batch=16, data="array")
    return train(recipe, described_images(), tmp_path_factory.mktemp("described") / "run", device="cpu")


def test_each_column_is_an_edit_and_zero_is_the_reconstruction(run: Wardrobe):
    figure = figures.draw(run, "attribute-Bright")
    held_out = run.images.split("test")
    rows = chosen(held_out.attribute("Bright"))
    z, shown = run.encode(held_out.images[rows]), np.stack(pictures(figure)).reshape(10, 6, 16, 16)
    np.testing.assert_array_equal(shown[0], held_out.images[rows][..., 0])
    assert_alike(shown[5], run.decode(z)[..., 0])
    direction = run.direction("Bright")
    for column, strength in zip(shown[1:], STRENGTHS, strict=True):
        assert_alike(column, run.decode(direction.move(z, strength))[..., 0])
    heads = words(figure).split("\n")
    strengths = ["−4", "−3", "−2", "−1", "0", "+1", "+2", "+3", "+4"]
    assert [head for head in heads if head in strengths] == strengths
    assert heads.count("without") == 4
    assert heads.count("with") == 2


def test_the_caption_describes_the_direction(run: Wardrobe):
    text, d = words(figures.draw(run, "attribute-Bright")).replace("\n", " "), run.direction("Bright")
    expected = [
        f"one standard deviation of the training images' projection on the direction, {d.scale:.2f} latent units",
        f"the {d.positives} training images with the attribute and the {d.negatives} without",
        f"differ by {d.separation:.2f} of these (95 % interval {d.separation_low:.2f} to {d.separation_high:.2f})",
        "Method “partial”",
        f"Steadiness {d.steadiness:.2f} of 1",
    ]
    assert all(part.replace("-", "−") in text for part in expected)
    assert ("would give another direction" in text) == (d.steadiness < 0.7)


@pytest.mark.parametrize(
    ("known", "rows"),
    [
        ([1, -1, 1, -1, -1, 1, -1, -1, 0], [1, 3, 4, 6, 0, 2]),
        ([1, 1, 1, 1, 1, 1, 1, -1], [7, 0, 1, 2, 3, 4]),
        ([-1, -1, -1, -1, -1, -1, -1, 1], [0, 1, 2, 3, 4, 7]),
        ([0, 0, 1, 0, 0, -1, 0, 0], [5, 2, 0, 1, 3, 4]),
        ([0] * 9, [0, 1, 2, 3, 4, 5]),
        ([1, 0], [0, 1]),
    ],
)
def test_images_without_the_attribute_come_before_some_with_it(known: list[int], rows: list[int]):
    assert chosen(np.array(known, np.int8)).tolist() == rows


def test_the_first_images_are_shown_where_the_attribute_is_unknown(run: Wardrobe):
    figure = figures.draw(run, "attribute-Ring")
    np.testing.assert_array_equal(np.stack(pictures(figure)[:6]), run.images.split("test").images[:6, ..., 0])
    assert words(figure).split("\n").count("unknown") == 6


def test_four_attributes_of_most_images_are_drawn_by_default(run: Wardrobe):
    train_set = run.images.split("train")
    smaller = {
        name: min((train_set.attribute(name) == sign).sum() for sign in (1, -1)) for name in train_set.attributes
    }
    assert smaller["Last"] == 15
    assert smaller["Rare"] == 3
    best = default_attributes(run)
    assert len(best) == 4
    assert "Rare" not in best
    assert "Last" not in best
    assert [smaller[name] for name in best] == sorted(smaller.values(), reverse=True)[:4]
    saved = [path.name for path in figures.save(run)]
    starts = [f"attribute-{name.replace('/', '_')}" for name in best]
    assert all(file.startswith(start) for file, start in zip(saved[-4:], starts, strict=True))
    assert list(attribute_figures(run)) == [f"attribute-{name}" for name in run.latents.attributes]


def test_a_slash_in_a_name_is_no_folder(run: Wardrobe):
    (path,) = figures.save(run, ["attribute-Square/ish"])
    assert path.parent == run.run.path / "figures"
    assert path.name.startswith("attribute-Square_ish-")


def test_figures_are_described_for_a_report(vae: Wardrobe):
    assert figures.described("attribute-Smiling") == "Smiling removed from and added to held-out images"
    assert figures.described("samples") == figures.FIGURES["samples"].description
    assert figures.described("mine") == ""


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("attribute-Brihgt", r"^no figure 'attribute-Brihgt'; did you mean 'attribute-Bright'\?$"),
        ("atribute-Bright", r"^no figure 'atribute-Bright'; did you mean 'attribute-Bright'\?$"),
        ("attribute-Rare", "^Rare holds for 3 and does not for 157 of the labelled training images"),
        ("latnet", r"did you mean 'latent'\?$"),
    ],
)
def test_an_unknown_figure_is_an_error_of_one_sentence(run: Wardrobe, name: str, sentence: str):
    with pytest.raises(ArmoireError, match=sentence):
        figures.draw(run, name)


def test_data_without_attributes_have_no_such_figures(vae: Wardrobe):
    with pytest.raises(ArmoireError, match="has no attributes; train on data with attributes"):
        figures.save(vae, ["losses", "attribute-Smiling"])
    assert default_attributes(vae) == []


def test_names_are_checked_before_anything_is_drawn(run: Wardrobe):
    Path(run.run.path / "figures" / "latent.png").unlink(missing_ok=True)
    with pytest.raises(ArmoireError, match="did you mean 'attribute-Bright'"):
        figures.save(run, ["latent", "attribute-Brigth"])
    assert not (run.run.path / "figures" / "latent.png").exists()
