from __future__ import annotations

import shutil

import pytest

from armoire.errors import ArmoireError
from armoire.io.tensors import change_metadata
from armoire.model.pretrained import read_header
from armoire.training import Run


@pytest.fixture
def copy(vae_run, tmp_path):
    """A copy of a finished run, to be changed."""
    return shutil.copytree(vae_run.run.path, tmp_path / "run")


def test_history_written_and_read_is_the_same(copy, vae_run):
    run, rows = Run(copy), [{"epoch": 1, "loss": 0.1 + 0.2}, {"epoch": 2, "loss": 1e-300}]
    run.write_history(rows)
    run.write_model(vae_run.model, vae_run.recipe, vae_run.images, 1, 2, rows)
    assert Run(copy).history == rows


def test_a_history_that_is_not_the_models_is_an_error(copy, vae_run):
    path = copy / "history.csv"
    text, last = path.read_text(), vae_run.run.history[-1]
    path.write_text(text.replace(repr(last["train_objective_nats"]), "1.5"))
    with pytest.raises(ArmoireError, match=r"is not the history of model\.safetensors"):
        _ = Run(copy).history
    path.write_text(text.replace(f",{last['seconds']:g},", ",1000,"))  # times may differ
    assert len(Run(copy).history) == 2
    rows = text.splitlines()
    path.write_text("\n".join([*rows, "3" + rows[-1].removeprefix("2")]))  # as a kill between the two files leaves them
    assert len(Run(copy).history) == 3
    path.write_text("\n".join([*rows, rows[-1]]))
    with pytest.raises(ArmoireError, match="is not the history"):
        _ = Run(copy).history


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("recipe.toml", r"is no run \(it holds no recipe\.toml\)"),
        ("model.safetensors", r"holds no model\.safetensors"),
        ("history.csv", r"no history\.csv"),
        ("", r"no run at .*armoire train"),
    ],
)
def test_a_missing_file_is_an_error(copy, name, words):
    (copy / name).unlink() if name else shutil.rmtree(copy)
    with pytest.raises(ArmoireError, match=words):
        _ = Run.open(copy).history


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
def test_a_damaged_file_is_an_error(copy, name, content, what):
    (copy / name).write_text(content)
    with pytest.raises(ArmoireError, match=name.replace(".", r"\.")):
        getattr(Run.open(copy), what)


@pytest.mark.parametrize(
    ("entry", "value", "reason"),
    [
        ("recipe", 'name = "r"\ndepth = 3', "its recipe: no setting 'depth' in its header"),
        ("recipe", "depth =", "its recipe: "),
        ("data", "{}", "its data: "),
        ("step", "ten", "its step: "),
    ],
)
def test_an_intact_file_of_another_version_is_not_called_damaged(copy, entry, value, reason):
    file = copy / "model.safetensors"
    changed = read_header(file) | {entry: value, "armoire_version": "9.1"}
    file.write_bytes(change_metadata(file.read_bytes(), changed))

    def read() -> None:
        run = Run.open(copy)
        _ = run.data, run.steps

    with pytest.raises(
        ArmoireError, match=rf"is intact, but this version cannot read it \({reason}.*armoire 9\.1: open"
    ):
        read()
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(ArmoireError, match="is damaged"):
        read()
