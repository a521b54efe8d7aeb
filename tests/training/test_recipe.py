from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armoire.errors import ArmoireError
from armoire.model import Architecture
from armoire.training import Recipe, load_recipe, recipe_names
from armoire.training.recipe import parse_recipe


def test_the_recipes_that_come_with_armoire():
    fashion = {"fashion-ae", "fashion-ae-rmse", "fashion-dae", "fashion-vae"}
    assert fashion | {"images-vae", "celeba-vae", "celeba-vae-32", "drawn-faces-vae"} <= set(recipe_names())
    assert recipe_names() == sorted(recipe_names())


def test_the_settings_of_the_published():
    vae, ae, dae = (load_recipe(f"fashion-{kind}") for kind in ("vae", "ae", "dae"))
    for recipe in (vae, ae, dae):
        assert (recipe.data, recipe.channels, recipe.latent) == ("fashion-mnist", (32, 64, 128), 2)
        assert (recipe.batch, recipe.epochs, recipe.likelihood) == (100, 5, "bernoulli")
    assert (vae.posterior, vae.beta, vae.published_weight) == ("gaussian", 2.048, 500.0)
    assert (ae.posterior, ae.noise, ae.published_weight) == ("point", 0.0, 1.0)
    assert dae.noise > 0
    assert load_recipe("fashion-ae-rmse").published_error == "rmse"


@pytest.mark.parametrize(
    ("name", "near"), [("fashion-va", "fashion-vae"), ("fashon-ae", "fashion-ae"), ("image-vae", "images-vae")]
)
def test_an_unknown_recipe_names_the_nearest(name, near):
    with pytest.raises(ArmoireError, match=f"no recipe '{name}'; did you mean '{near}'"):
        load_recipe(name)


@pytest.mark.parametrize(
    ("key", "near"), [("epoch", "epochs"), ("chanels", "channels"), ("lattent", "latent"), ("beat", "beta")]
)
def test_an_unknown_setting_names_the_nearest(tmp_path, key, near):
    (tmp_path / "mine.toml").write_text(f"{key} = 3\n")
    with pytest.raises(ArmoireError, match=rf"no setting '{key}' in .*mine\.toml; did you mean '{near}'\?"):
        load_recipe(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", "5"),
        ("epochs", 5.0),
        ("epochs", True),
        ("epochs", 0),
        ("latent", 0),
        ("latent", -1),
        ("latent", 5000),
        ("batch", 0),
        ("lr", 0),
        ("lr", "1e-3"),
        ("lr", True),
        ("beta", -1.0),
        ("beta", float("nan")),
        ("noise", 1.5),
        ("sigma", 0.0),
        ("size", 8),
        ("size", 512),
        ("channels", [0]),
        ("channels", "32"),
        ("channels", [32.5]),
        ("posterior", "cloud"),
        ("likelihood", "poisson"),
        ("norm", "layer"),
        ("limit", 1),
        ("seed", -1),
        ("name", 3),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_its_key(key, value):
    with pytest.raises(ArmoireError) as caught:
        load_recipe("fashion-vae").change(**{key: value})
    said = str(caught.value)
    assert said.startswith(f"{key} in recipe fashion-vae should be ")
    assert "\n" not in said


def test_a_recipe_cannot_be_changed_in_place():
    with pytest.raises(ValueError, match="frozen"):
        load_recipe("fashion-vae").epochs = 7


def test_change_keeps_the_rest_and_none_changes_nothing():
    recipe = load_recipe("fashion-vae")
    changed = recipe.change(epochs=7, beta=None)
    assert changed.epochs == 7
    assert changed.model_dump() | {"epochs": recipe.epochs} == recipe.model_dump()
    assert recipe.change(epochs=None) is recipe


@pytest.mark.parametrize("key", ["lr", "beta", "sigma", "noise", "warmup"])
def test_a_whole_number_serves_where_a_number_is_wanted(key):
    value = getattr(load_recipe("fashion-vae").change(**{key: 1}), key)
    assert value == 1.0
    assert isinstance(value, float)


def test_a_file_takes_its_own_name_and_defaults(tmp_path):
    (tmp_path / "mine.toml").write_text("latent = 7\nchannels = [8, 16]\n")
    recipe = load_recipe(str(tmp_path / "mine.toml"))
    assert recipe == Recipe(name="mine", latent=7, channels=(8, 16))


@pytest.mark.parametrize("content", [b"latent = ", b"\xff\xfe", b"= 3", b"latent = 3\nlatent = 4"])
def test_a_file_that_is_no_toml_is_told(tmp_path, content):
    (tmp_path / "mine.toml").write_bytes(content)
    with pytest.raises(ArmoireError, match="cannot be read as TOML"):
        load_recipe(tmp_path / "mine.toml")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ArmoireError, match="no recipe file"):
        load_recipe(tmp_path / "mine.toml")


recipes = st.builds(
    Recipe,
    name=st.from_regex(r"[^./\\\x00-\x1f][^/\\\x00-\x1f]*", fullmatch=True),
    data=st.text(st.characters(exclude_categories=["Cs"])),
    summary=st.sampled_from(["", 'a "quoted" \\ word', "two\nlines", "tab\there", "\r\x00\x1f\x7f", "é ü 日本 😀"]),
    size=st.none() | st.integers(16, 256),
    latent=st.integers(1, 4096),
    sigma=st.floats(1e-12, 1e12),
    beta=st.floats(0, 1e300),
    noise=st.floats(0, 1),
    lr=st.floats(1e-300, 1e3),
    channels=st.lists(st.integers(1, 4096), max_size=5).map(tuple),
    seed=st.integers(0, 2**63 - 1),
    published_weight=st.none() | st.floats(1e-9, 1e9),
    published_error=st.none() | st.sampled_from(["bce", "mse", "rmse"]),
)


@given(recipe=recipes, comments=st.booleans(), everything=st.booleans())
def test_any_recipe_survives_toml(recipe, comments, everything):
    text = recipe.to_toml(comments=comments, everything=everything)
    assert parse_recipe(tomllib.loads(text), "there") == recipe


def test_only_what_differs_is_written_when_asked():
    recipe = Recipe(name="mine", latent=7)
    assert recipe.to_toml(everything=False) == 'name = "mine"\nlatent = 7\n'
    assert "latent = 7  # latent dimensions\n" in recipe.to_toml(comments=True)


def test_the_architecture_follows_recipe_and_data(discs):
    recipe = load_recipe("fashion-vae").change(channels=[4, 8], latent=5, likelihood="gaussian", sigma=0.2)
    assert recipe.architecture(discs(channels=3)) == Architecture(
        16, 3, 5, "gaussian", "gaussian", 0.2, (4, 8), "none", "relu"
    )


def test_a_network_that_images_are_too_small_for_is_told(discs):
    recipe = load_recipe("fashion-vae").change(channels=[4] * 5)
    with pytest.raises(ArmoireError, match="5 stages do not divide a size of 16 in recipe fashion-vae"):
        recipe.architecture(discs())
