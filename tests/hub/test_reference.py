from __future__ import annotations

from pathlib import Path

import pytest

from armoire.errors import ArmoireError
from armoire.hub.parts import PARTS, is_ours
from armoire.hub.reference import Reference, host, parse_reference
from armoire.measure.evaluation import FILE
from armoire.priors import stored_kinds
from armoire.wardrobe.directions import METHODS

COMMIT = "0123456789" * 4


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("hf:me/run", Reference("me", "run")),
        ("hf:me/run@v1.0", Reference("me", "run", "v1.0")),
        ("hf:me/run@refs/pr/1", Reference("me", "run", "refs/pr/1")),
        (f"hf:me/my.run-2_b@{COMMIT}", Reference("me", "my.run-2_b", COMMIT)),
        ("hf:me/pets:small", Reference("me", "pets", config="small")),
        ("hf:me/pets:small@refs/pr/1", Reference("me", "pets", "refs/pr/1", "small")),
    ],
)
def test_a_reference_is_printed_as_it_was_given(given, expected):
    assert parse_reference(given, config=True) == parse_reference(Path(given), config=True) == expected
    assert str(expected) == given
    assert expected.is_commit == (expected.revision == COMMIT)


@pytest.mark.parametrize("given", ["me/run", "runs/fashion-vae", "/tmp/hf:me/run", Path("fashion-vae"), "photos/"])
def test_a_path_is_no_reference(given):
    assert parse_reference(given) is None


@pytest.mark.parametrize("given", ["hf://me/run", Path("hf://me/run"), "hf:me/run@main"])
def test_other_spellings(given):
    assert parse_reference(given) == Reference("me", "run")


@pytest.mark.parametrize(
    "given", ["hf:", "hf:me", "hf:me/", "hf:me/run/more", "hf:../run", "hf:me/..", "hf:me/run@", "hf:me/run:small"]
)
def test_what_names_no_repository_is_an_error(given):
    with pytest.raises(ArmoireError, match=r"names no repository of the Hub; give hf:OWNER/NAME"):
        parse_reference(given)


@pytest.mark.parametrize(
    ("url", "expected"),
    [("", "huggingface.co"), ("https://hub.example/", "hub.example"), ("http://me:secret@one:80/x", "one:80")],
)
def test_the_host_is_named_without_a_password(monkeypatch, url, expected):
    monkeypatch.setenv("HF_ENDPOINT", url)
    assert host() == expected


def test_every_artifact_of_a_run_is_uploaded():
    assert {f"directions/{method}.parquet" for method in METHODS} <= set(PARTS)
    assert {f"priors/{kind}.safetensors" for kind in stored_kinds()} <= set(PARTS)
    assert FILE in PARTS


@pytest.mark.parametrize(
    "name", ["model.pt", "run.py", "../recipe.toml", "checkpoints/best.safetensors", "previews/a.png", "x/recipe.toml"]
)
def test_nothing_else_is(name):
    assert name not in PARTS
    assert not is_ours(name)
