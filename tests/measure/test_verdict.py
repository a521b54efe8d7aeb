"""What a run is good for: the trials behind it on runs of known kinds, and the sentences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from armoire import Wardrobe, evaluate, train
from armoire.images import from_array
from armoire.measure import stored_evaluation, verdict_on
from armoire.measure.doctor import Examination, examine
from armoire.measure.intervals import interval, ratio_interval, share_interval
from armoire.measure.uses import measure_uses
from armoire.measure.verdict import Verdict, give_verdict

GOOD = {"value": 0.98, "low": 0.95, "high": 1.0}


def ratio(value: float) -> dict[str, float]:
    return {"value": value, "low": 0.9 * value, "high": 1.1 * value}


def uses(**changes) -> dict[str, object]:
    """Numbers of a good run."""
    found = {
        "n": 300,
        "mse": ratio(0.003),
        "components": ratio(0.005),
        "dimensions": 64,
        "mse_ratio": ratio(0.6),
        "unlike": ratio(0.4),
        "same_class": GOOD,
        "by_chance": 0.1,
        "recompressed": GOOD,
        "cropped": GOOD,
        "beyond_cross_fade": ratio(0.5),
        "in_data": GOOD,
    }
    return found | changes


def samples(fd: float = 105.0, copies: float = 0.01) -> dict[str, object]:
    nearest = {"nearer_than_held_out": copies}
    references = {"reconstructions": {"fd": 100.0}, "floor": {"fd": 50.0}}
    return {"features": "efficientnet-lite0", "n": 300, "fd": fd, "nearest_training": nearest, **references}


def verdict(run: Wardrobe, found=None, measured=None, findings=(), **numbers) -> Verdict:
    given = {"explained": 0.95, "training_images": 5000, "steps": 4000} | numbers
    return give_verdict(run, found or uses(), Examination(tuple(findings), given), measured)


def answers(of: Verdict) -> dict[str, str]:
    return {use.name: use.answer for use in of.uses}


def test_a_good_run_is_good_for_everything(vae_run):
    found = verdict(vae_run, measured=samples())
    assert set(answers(found).values()) == {"yes"}
    assert found.headline == "This run is good for a map, finding copies, morphs and new images."
    assert "was worth it" in found.reconstructions and "64 principal components" in found.reconstructions
    assert found.caution == ""
    assert Verdict.from_dict(found.to_dict()) == found


@pytest.mark.parametrize(("dimensions", "flags"), [(2, "--latent 32"), (64, "--steps 8000")])
def test_a_plane_that_finds_no_copies_lacks_dimensions(vae_run, dimensions, flags):
    found = verdict(vae_run, uses(dimensions=dimensions, recompressed={"value": 0.0, "low": 0.0, "high": 0.03}))
    (of_copies,) = (use for use in found.uses if use.name == "finding copies")
    assert of_copies.answer == "no" and flags in of_copies.next


@pytest.mark.parametrize(
    ("use", "changes"),
    [
        ("a map", {"unlike": ratio(0.8)}),
        ("a map", {"same_class": {"value": 0.3, "low": 0.25, "high": 0.35}}),
        ("finding copies", {"recompressed": {"value": 0.7, "low": 0.6, "high": 0.8}}),
        ("morphs", {"beyond_cross_fade": ratio(0.02)}),
        ("morphs", {"in_data": {"value": 0.5, "low": 0.4, "high": 0.6}}),
    ],
)
def test_each_trial_limits_its_use_alone(use, changes, vae_run):
    found = answers(verdict(vae_run, uses(**changes), samples()))
    assert found.pop(use) == "partly"
    assert set(found.values()) == {"yes"}


@pytest.mark.parametrize(
    ("measured", "numbers", "answer"),
    [
        (samples(150.0), {}, "partly"),
        (samples(400.0), {}, "no"),
        (samples(copies=0.4), {}, "partly"),
        (samples(), {"training_images": 300}, "partly"),
        (None, {}, "not measured"),
        (None, {"explained": 0.3}, "no"),
    ],
)
def test_new_images(measured, numbers, answer, vae_run):
    found = verdict(vae_run, measured=measured, **numbers)
    assert answers(found)["new images"] == answer
    assert next(use for use in found.uses if use.name == "new images").next.startswith("armoire ")


def test_a_network_that_loses_to_principal_components_is_told(vae_run):
    assert "was not worth it" in verdict(vae_run, uses(mse_ratio=ratio(1.5))).reconstructions
    assert "no difference" in verdict(vae_run, uses(mse_ratio=ratio(1.0))).reconstructions


def test_a_run_that_learned_nothing_is_good_for_nothing(vae_run):
    found = verdict(vae_run, explained=0.02)
    assert set(answers(found).values()) == {"no"}
    assert "not good for anything yet" in found.headline and "armoire train" in found.lines("r")[1]


def test_few_images_are_told(vae_run):
    found = verdict(vae_run, uses(n=12), training_images=80)
    assert "Only 12 images" in found.caution
    assert answers(found)["a map"] == "partly"


@pytest.fixture(scope="module")
def run(tiny, discs, tmp_path_factory):
    recipe = tiny("images-vae", likelihood="calibrated", beta=4, latent=4, epochs=6, batch=20, lr=1e-2)
    return train(recipe, discs(n=600, test=150), tmp_path_factory.mktemp("runs") / "discs", device="cpu")


def test_the_trials_of_a_trained_run(run):
    found = measure_uses(run)
    assert found["n"] == 150 and found["dimensions"] == 4
    for name, value in found.items():
        if isinstance(value, dict):
            assert value["low"] <= value["value"] <= value["high"], name
    assert found["mse"]["value"] == pytest.approx(evaluate(run).reconstruction["mse"], rel=1e-3)
    assert 0 < found["unlike"]["value"] < 1  # neighbours are more alike than any two
    assert found["recompressed"]["value"] > 0.5
    # Labels are drawn at random: neighbours tell nothing of them.
    assert found["same_class"]["low"] - 0.1 < found["by_chance"] < found["same_class"]["high"] + 0.1


def test_untrained_weights_find_nothing(tiny, discs, tmp_path):
    """With the smallest learning rate, no trial but that of components succeeds."""
    recipe = tiny(lr=1e-12, epochs=1)
    found = measure_uses(train(recipe, discs(n=300, test=80), tmp_path / "r", device="cpu"))
    assert found["mse_ratio"]["low"] > 1


def test_equal_images_count_as_found(tiny, pictures, tmp_path):
    images = from_array(np.repeat(pictures(12), 6, axis=0))
    found = measure_uses(train(tiny("images-vae"), images, tmp_path / "r", device="cpu"))
    assert found["recompressed"]["value"] >= 0.5


def test_evaluate_and_doctor_give_the_same_verdict(run, tmp_path):
    wardrobe = run.save(tmp_path / "copy")
    found = evaluate(wardrobe)
    assert Verdict.from_dict(found.verdict) == verdict_on(wardrobe, examine(wardrobe))
    assert stored_evaluation(wardrobe.run).verdict == found.verdict
    text = str(found.verdict)
    assert str(tmp_path) not in text and "RUN" in text
    assert found.verdict["headline"] in found._repr_html_()


def test_other_data_have_no_verdict(run, discs):
    assert evaluate(run, discs(seed=3)).verdict is None
    assert evaluate(run, split="train").verdict is None


def test_the_report_begins_with_it(run, tmp_path):
    from armoire.publish import write_report

    wardrobe = run.save(tmp_path / "copy")
    page = write_report(wardrobe, found := evaluate(wardrobe), []).read_text()
    assert found.verdict["headline"] in page
    without = write_report(wardrobe, replace(found, verdict=None), []).read_text()
    assert "This run is" not in without


def test_intervals():
    values = np.random.default_rng(0).random(400)
    mean, share = interval(values), share_interval(values > 0.5)
    assert mean["low"] < mean["value"] == values.mean() < mean["high"]
    assert share["low"] < share["value"] < share["high"]
    assert ratio_interval(2 * values, values) == pytest.approx({"value": 2, "low": 2, "high": 2})
    all_found = share_interval(np.ones(20, bool))
    assert all_found["high"] == 1 and 0.8 < all_found["low"] < 1  # 20 of 20 is not certain
