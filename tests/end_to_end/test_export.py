"""A run as ONNX: what is typed, and what a program without PyTorch makes of the files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from command_line import Armoire, Trained, assert_one_sentence, contents, leftovers


def test_export_leaves_two_files_that_run_without_armoire(armoire: Armoire, trained: Trained) -> None:
    run = contents(trained.run)
    done = armoire("export", trained.run, "--onnx", "made")
    assert (done.code, done.out) == (0, "made/encoder.onnx\nmade/decoder.onnx\n"), done.err
    assert all(line.startswith("exporting: ") for line in done.err.splitlines())
    assert contents(trained.run) == run
    made = armoire.cwd / "made"
    assert sorted(contents(made)) == ["decoder.onnx", "encoder.onnx"]
    x = np.random.default_rng(0).random((2, 3, 16, 16), np.float32)
    mean, log_var = onnxruntime.InferenceSession(made / "encoder.onnx").run(["mean", "log_var"], {"x": x})
    (image,) = onnxruntime.InferenceSession(made / "decoder.onnx").run(["image"], {"z": mean})
    assert mean.shape == log_var.shape == (2, 2)
    assert image.shape == x.shape
    assert image.dtype == np.float32


@pytest.mark.slow
def test_what_was_exported_before_is_replaced_by_the_same(armoire: Armoire, trained: Trained) -> None:
    made = armoire.cwd / "made"
    made.mkdir()
    (made / "decoder.onnx").write_text("an old one")
    (made / "mine.txt").write_text("something else")
    assert armoire("export", trained.run, "--onnx", made).code == 0
    assert (made / "mine.txt").read_text() == "something else"
    first = contents(made)
    # A fresh Python, with other hashes: the same bytes.
    again = armoire.typed("export", trained.run, "--onnx", made)
    assert again.code == 0, again.err
    assert contents(made) == first
    assert leftovers(armoire.cwd) == []


# (what is typed, words of the sentence)
WRONG = {
    "nowhere": ("export {run}", "--onnx"),
    "no run": ("export", "RUN"),
    "no such run": ("export nowhere --onnx made", "no run at nowhere"),
    "run is a folder of pictures": ("export {pictures} --onnx made", "is no run"),
    "onnx without a folder": ("export {run} --onnx", "--onnx"),
    "misspelt": ("export {run} --onxx made", "--onxx"),
    "below a file": ("export {run} --onnx {pictures}/disc/001.png/made", "cannot write", "choose another place"),
    "a file": ("export {run} --onnx {pictures}/disc/001.png", "cannot write"),
    "where nothing can be": ("export {run} --onnx /proc/made", "cannot write"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_exported(armoire: Armoire, pictures: Path, trained: Trained, case: str) -> None:
    typed, *expected = WRONG[case]
    words = [word.format(pictures=pictures, run=trained.run) for word in typed.split()]
    assert_one_sentence(armoire(*words), *expected)
    assert list(armoire.cwd.iterdir()) == []


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated"])
@pytest.mark.parametrize("name", ["model.safetensors", "recipe.toml"])
def test_a_damaged_run(armoire: Armoire, copied: Path, name: str, damage: str) -> None:
    content = (copied / name).read_bytes()
    (copied / name).unlink()
    if damage != "missing":
        (copied / name).write_bytes(content[: len(content) // 2] if damage == "truncated" else b"")
    before = contents(armoire.cwd)
    assert_one_sentence(armoire("export", "run", "--onnx", "made"), "run")
    assert contents(armoire.cwd) == before


def test_damaged_latents_are_computed_again(armoire: Armoire, copied: Path) -> None:
    (copied / "latents.parquet").write_bytes(b"no table")
    made = armoire("export", "run", "--onnx", "made")
    assert made.code == 0
    assert "latents.parquet is damaged" in made.err
