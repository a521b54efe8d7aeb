"""`evaluate` of runs on images with attributes: edits and samples, measured by the attribute classifier."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from half_images import halves

from armoire import Wardrobe, evaluate, train
from armoire.errors import ArmoireError
from armoire.figures import draw
from armoire.measure.editing import held_out_editing

NETWORK = {"channels": [16], "blocks": "residual", "norm": "group", "activation": "silu", "likelihood": "calibrated"}


@pytest.fixture(scope="module", autouse=True)
def one_cache(tmp_path_factory):
    """The attribute classifier of these tests is trained once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARMOIRE_CACHE", str(tmp_path_factory.mktemp("classifiers")))
        yield


@pytest.fixture(autouse=True)
def cache():
    """Instead of a cache per test."""


@pytest.fixture(scope="module")
def images():
    return halves()


@pytest.fixture(scope="module")
def wardrobe(images, tiny, tmp_path_factory):
    recipe = tiny("images-vae", **NETWORK, latent=2, epochs=12, batch=32, lr=3e-3)
    return train(recipe, images, tmp_path_factory.mktemp("runs") / "halves", device="cpu")


@pytest.fixture(scope="module")
def found(wardrobe):
    return evaluate(wardrobe)


def test_edits_of_a_trained_run_are_measured(found):
    editing = found.editing
    assert set(editing["retention"]) == {"left", "right"}
    assert editing["retention"]["left"]["value"] > 0.9
    for method in ("difference", "partial", "logistic"):
        edits = editing["methods"][method]["left"]
        assert edits["clean"]["flip_rate"]["value"] > 0.9, method
        assert edits["at_one_spread"]["leakage"]["right"] < 0.4, method
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()


def test_samples_of_a_trained_run_are_measured(found):
    samples = found.samples
    assert samples["n"] == 60
    assert samples["features"] == "classifier of halves's own attributes"
    assert min(samples["floor"]["fd"], samples["fd"]) > 0
    assert samples["drawn_from"] == "N(0, I)"


def test_edits_are_cached_in_the_run_with_its_weights(wardrobe, images, found, monkeypatch):
    path = wardrobe.run.path / "editing.json"
    cached = json.loads(path.read_text())
    assert cached["content"] == found.editing
    assert cached["cache_key"]["model_sha256"] == wardrobe.run.model_sha256()
    path.write_text(path.read_text().replace("0.", "1.", 1))
    assert held_out_editing(Wardrobe.open(wardrobe.run.path, images)) == found.editing
    assert json.loads(path.read_text()) == cached
    monkeypatch.setattr(import_module("armoire.measure.editing"), "measure_editing", None)
    assert held_out_editing(Wardrobe.open(wardrobe.run.path, images)) == found.editing


def test_a_held_out_part_alone_is_measured_by_a_classifier_of_the_runs_data(wardrobe, images, found):
    part = images.split("test")
    alone = replace(part, info=replace(part.info, fingerprint="another"))
    again = evaluate(wardrobe, alone)
    assert again.editing["judge"] == found.editing["judge"]
    # Encoded in other batches, an image near the decision boundary may be predicted otherwise.
    cached, measured = ({name: row["value"] for name, row in e.editing["retention"].items()} for e in (found, again))
    assert measured == pytest.approx(cached, abs=0.02)
    assert not again.data["as_trained_on"]


def test_a_note_reports_missing_training_images(wardrobe, images, recorder):
    part = images.split("test")
    alone = replace(part, info=replace(part.info, fingerprint="another"))
    homeless = Wardrobe.open(wardrobe.run.path, progress=recorder)
    again = evaluate(homeless, alone, progress=recorder)
    assert again.editing is None
    assert again.samples is None
    assert again.reconstruction["mse"] > 0
    assert any("not measured" in note for note in recorder.notes)


def test_runs_without_attributes_have_no_edits(vae_run):
    found = evaluate(vae_run)
    assert found.editing is None
    assert found.samples is None
    with pytest.raises(ArmoireError, match="fewer than two attributes"):
        draw(vae_run, "leakage")


def test_the_leakage_figure_shows_what_was_measured(wardrobe, found):
    figure = draw(wardrobe, "leakage")
    leak = found.editing["methods"]["partial"]["left"]["at_one_spread"]["leakage"]["right"]
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_title(loc="left")}
    assert {"difference", "partial", "logistic"} <= set(panels)
    values = np.ma.filled(panels["partial"].images[0].get_array(), np.nan)
    assert values[0, 1] == pytest.approx(leak)
