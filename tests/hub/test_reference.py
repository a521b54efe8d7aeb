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
        ("hf://me/run", Reference("me", "run")),
        (Path("hf:me/run@main"), Reference("me", "run")),
        (Path("hf://me/run"), Reference("me", "run")),
        ("me/run", None),
        ("runs/fashion-vae", None),
        ("/tmp/hf:me/run", None),
        (Path("fashion-vae"), None),
    ],
)
def test_a_reference_is_told_from_a_path(given, expected):
    assert parse_reference(given) == expected


@pytest.mark.parametrize("given", ["hf:", "hf:me", "hf:me/", "hf:me/run/more", "hf:../run", "hf:me/..", "hf:me/run@"])
def test_what_names_no_repository_is_told(given):
    with pytest.raises(ArmoireError, match=r"names no repository of the Hub; give hf:OWNER/NAME"):
        parse_reference(given)


def test_what_is_printed_can_be_given_again():
    for reference in (Reference("me", "run"), Reference("me", "run", "v1"), Reference("me", "run", COMMIT)):
        assert parse_reference(str(reference)) == reference
    assert Reference("me", "run", COMMIT).is_commit
    assert not Reference("me", "run").is_commit


@pytest.mark.parametrize(
    ("url", "expected"),
    [("", "huggingface.co"), ("https://hub.example/", "hub.example"), ("http://me:secret@one:80/x", "one:80")],
)
def test_the_host_is_told_without_a_password(monkeypatch, url, expected):
    monkeypatch.setenv("HF_ENDPOINT", url)
    assert host() == expected


def test_whatever_a_run_keeps_of_its_own_travels():
    assert {f"directions/{method}.parquet" for method in METHODS} <= set(PARTS)
    assert {f"priors/{kind}.safetensors" for kind in stored_kinds()} <= set(PARTS)
    assert FILE in PARTS


@pytest.mark.parametrize(
    "name", ["model.pt", "run.py", "../recipe.toml", "checkpoints/best.safetensors", "previews/a.png", "x/recipe.toml"]
)
def test_nothing_else_does(name):
    assert name not in PARTS
    assert not is_ours(name)
