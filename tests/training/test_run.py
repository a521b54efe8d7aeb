from __future__ import annotations

import shutil

import pytest

from armoire.errors import ArmoireError
from armoire.training import Run


@pytest.fixture
def copy(vae_run, tmp_path):
    """A copy of a finished run, to be damaged."""
    return shutil.copytree(vae_run.run.path, tmp_path / "run")


def test_it_opens_with_all_it_knows(copy, vae_run):
    run = Run.open(copy)
    assert run.recipe == vae_run.recipe
    assert run.data == vae_run.run.data
    assert run.data.classes == ("a", "b", "c")
    assert run.header["armoire_version"]
    assert len(run.history) == 2


def test_history_written_and_read_is_the_same(copy, vae_run):
    run, rows = Run(copy), [{"epoch": 1, "loss": 0.1 + 0.2}, {"epoch": 2, "loss": 1e-300}]
    run.write_history(rows)
    run.write_model(vae_run.model, vae_run.recipe, vae_run.images, 1, 2, rows)
    assert Run(copy).history == rows


def test_a_history_that_is_not_the_models_is_told(copy, vae_run):
    path = copy / "history.csv"
    text, last = path.read_text(), vae_run.run.history[-1]
    path.write_text(text.replace(repr(last["train_objective_nats"]), "1.5"))
    with pytest.raises(ArmoireError, match=r"is not the history of model\.safetensors"):
        _ = Run(copy).history
    path.write_text(text.replace(f",{last['seconds']:g},", ",1000,"))  # a time is nobody's promise
    assert len(Run(copy).history) == 2
    rows = text.splitlines()
    path.write_text("\n".join([*rows, "3" + rows[-1].removeprefix("2")]))  # as a kill between the two files leaves them
    assert len(Run(copy).history) == 3
    path.write_text("\n".join([*rows, rows[-1]]))
    with pytest.raises(ArmoireError, match="is not the history"):
        _ = Run(copy).history


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("recipe.toml", r"is no run \(it holds no recipe\.toml\)"), ("model.safetensors", r"holds no model\.safetensors")],
)
def test_a_missing_file_is_told(copy, name, sentence):
    (copy / name).unlink()
    with pytest.raises(ArmoireError, match=sentence):
        Run.open(copy)


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(ArmoireError, match=r"no run at .*armoire train"):
        Run.open(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("recipe.toml", "latent = ", "recipe"),
        ("recipe.toml", "lattent = 2", "recipe"),
        ("history.csv", "epoch,step\n1,two\n", "history"),
        ("history.csv", "epoch,step\n1\n", "history"),
        ("model.safetensors", "hello", "header"),
        ("model.safetensors", "hello", "data"),
    ],
)
def test_a_damaged_file_is_told(copy, name, content, what):
    (copy / name).write_text(content)
    with pytest.raises(ArmoireError, match=name.replace(".", r"\.")):
        getattr(Run.open(copy), what)


def test_a_missing_history_is_told(copy):
    (copy / "history.csv").unlink()
    with pytest.raises(ArmoireError, match=r"no history\.csv"):
        Run.open(copy).history
