from __future__ import annotations

import tomllib
from pathlib import Path

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


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("fashion-va", None, "no recipe 'fashion-va'; did you mean 'fashion-vae'"),
        ("mine.toml", None, "no recipe file"),
        ("mine.toml", b"latent = 3\nlatent = 4", "cannot be read as TOML"),
        ("mine.toml", b"\xff\xfe", "cannot be read as TOML"),
        ("mine.toml", b"chanels = 3", r"no setting 'chanels' in .*mine\.toml; did you mean 'channels'\?"),
    ],
)
def test_a_recipe_that_cannot_be_read_is_an_error(tmp_path, monkeypatch, name, content, words):
    monkeypatch.chdir(tmp_path)
    if content:
        Path(name).write_bytes(content)
    with pytest.raises(ArmoireError, match=words):
        load_recipe(name)


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
    assert str(caught.value).startswith(f"{key} in recipe fashion-vae should be ")
    assert "\n" not in str(caught.value)


def test_a_change_gives_another_recipe_and_none_leaves_a_setting():
    recipe = load_recipe("fashion-vae")
    with pytest.raises(ValueError, match="frozen"):
        recipe.epochs = 7
    changed = recipe.change(epochs=7, beta=None)
    assert changed.epochs == 7
    assert changed.model_dump() | {"epochs": recipe.epochs} == recipe.model_dump()
    assert recipe.change(epochs=None) is recipe


@pytest.mark.parametrize("key", ["lr", "beta", "sigma", "noise", "warmup", "published_weight"])
def test_a_whole_number_is_accepted_as_a_real_one(key):
    value = getattr(load_recipe("fashion-vae").change(**{key: 1}), key)
    assert value == 1.0
    assert isinstance(value, float)


def test_a_file_takes_its_own_name_and_defaults(tmp_path):
    (tmp_path / "mine.toml").write_text("latent = 7\nchannels = [8, 16]\n")
    recipe = load_recipe(str(tmp_path / "mine.toml"))
    assert recipe == Recipe(name="mine", latent=7, channels=(8, 16))


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


def test_settings_at_their_default_can_be_left_out():
    recipe = Recipe(name="mine", latent=7)
    assert recipe.to_toml(everything=False) == 'name = "mine"\nlatent = 7\n'
    assert "latent = 7  # latent dimensions" in recipe.to_toml(comments=True)


def test_the_architecture_follows_recipe_and_data(discs):
    recipe = load_recipe("fashion-vae").change(channels=[4, 8], latent=5, likelihood="gaussian", sigma=0.2)
    assert recipe.architecture(discs(channels=3)) == Architecture(
        16, 3, 5, "gaussian", "gaussian", 0.2, (4, 8), "none", "relu"
    )
