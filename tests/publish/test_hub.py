from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from hub_stand_in import Hub
from huggingface_hub import ModelCard, constants

from armoire.errors import ArmoireError
from armoire.hub import Reference
from armoire.hub.download import local_folder
from armoire.hub.parts import PARTS
from armoire.measure import evaluate, stored_evaluation
from armoire.publish import push
from armoire.publish.card import make_card
from armoire.publish.hub import measured, run_files
from armoire.wardrobe import Wardrobe

CARD = "README.md"


def copied(original: Wardrobe, folder: Path) -> Wardrobe:
    """A writable copy of a run, with its data loaded."""
    return Wardrobe.open(shutil.copytree(original.run.path, folder), original.images, device="cpu")


@pytest.fixture
def run(vae_run, tmp_path) -> Wardrobe:
    wardrobe = copied(vae_run, tmp_path / "discs-vae")
    (wardrobe.run.path / "evaluation.json").unlink(missing_ok=True)  # another test may have evaluated it
    return wardrobe


def unshowable(wardrobe: Wardrobe) -> Wardrobe:
    """As if its recipe did not allow its pictures to be shown."""
    recipe = wardrobe.run.path / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("showable = true", "showable = false"))
    return Wardrobe.open(wardrobe.run.path, wardrobe.images, device="cpu")


def of_celeba(wardrobe: Wardrobe) -> Wardrobe:
    """As if it had been trained on CelebA, whatever its recipe says."""
    return with_data(wardrobe, '"discs"', '"celeba"')


def with_data(wardrobe: Wardrobe, old: str, new: str) -> Wardrobe:
    """The run with another description of its data, in which `old` is replaced."""
    run = wardrobe.run
    wardrobe.model.save_pretrained(run.path, run.header | {"data": run.header["data"].replace(old, new)})
    return Wardrobe.open(run.path, device="cpu")


def card_of(hub: Hub, repository: str = "me/run") -> str:
    return hub.files(repository)[CARD].decode()


def test_a_run_pushed_and_fetched_is_equal_to_the_bit(hub, run):
    run.fit_prior("gmm")
    sent = push(run, "me/run")
    assert (sent.url, sent.private) == (f"{hub.url}/me/run", False)
    assert sent.commit == hub.repositories["me/run"].commits[-1][0]
    folder = local_folder("hf:me/run")
    expected = run_files(run)
    assert {"recipe.toml", "model.safetensors", "latents.parquet", "priors/gmm.safetensors"} < set(expected)
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} == set(expected)
    assert all((folder / name).read_bytes() == path.read_bytes() for name, path in expected.items())
    again = Wardrobe.open("hf:me/run", device="cpu")
    assert again.run.name == "run"
    assert np.array_equal(again.sample(5), run.sample(5))
    z = run.latents.mean[:3]
    assert np.array_equal(again.decode(z), run.decode(z))
    assert np.array_equal(again.nearest(z, k=3).rows, run.nearest(z, k=3).rows)
    np.testing.assert_allclose(again.calibration.scores, run.calibration.scores)


def test_one_commit_has_the_files_of_a_run_and_no_others(hub, run):
    path = run.run.path
    (path / "model.pt").write_bytes(b"pickle")
    (path / ".lock").touch()
    (path / "figures").mkdir()
    (path / "figures" / "holiday.png").write_bytes(b"somebody's own")
    sent = push(run, "me/run")
    repository = hub.repositories["me/run"]
    assert repository.messages == ["fashion-vae, by armoire push"]
    assert set(repository.commits[-1][1]) == set(sent.files)
    assert set(sent.files) <= {*PARTS, CARD, "figures/samples.png"}
    assert (path / "checkpoints").is_dir()
    assert (path / "previews").is_dir()


def test_a_second_push_sends_what_is_new_and_removes_what_the_run_no_longer_has(hub, run):
    run.fit_prior("gmm")
    push(run, "me/run")
    repository = hub.repositories["me/run"]
    repository.commit(repository.commits[-1][1] | {"notes.md": b"my own", "figures/old.png": b"old"})
    shutil.rmtree(run.run.path / "priors")
    push(Wardrobe.open(run.run.path, run.images, device="cpu"), "me/run")
    there = hub.files("me/run")
    assert "priors/gmm.safetensors" not in there
    assert "figures/old.png" not in there
    assert there["notes.md"] == b"my own"
    uploads = len(hub.asked("PUT /lfs/"))
    push(Wardrobe.open(run.run.path, run.images, device="cpu"), "me/run")
    assert len(hub.asked("PUT /lfs/")) == uploads
    assert hub.files("me/run") == there


def test_the_card_has_metadata_that_the_hub_accepts(hub, run, monkeypatch):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        push(run, "me/run", licence="mit")
    assert [str(w.message) for w in caught if "data file" in str(w.message)] == []
    text = card_of(hub)
    assert hub.cards == [text]
    card = ModelCard(text)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    card.validate()  # asks the Hub
    assert len(hub.cards) == 2
    assert card.data.library_name == "armoire"
    assert card.data.pipeline_tag == "unconditional-image-generation"
    assert card.data.license == "mit"
    assert card.data.model_name == "run"
    results = {result.metric_type: result for result in card.data.eval_results}
    found = stored_evaluation(run.run)
    assert results["mse"].metric_value == found.reconstruction["mse"]
    assert results["rate"].metric_value == found.elbo["rate_nats"]
    assert results["mse"].dataset_split == "test"
    assert results["mse"].dataset_args["n"] == found.data["n"]
    for words in (
        "hf:me/run",
        "armoire.train('recipe.toml', images)",
        "Seed 0",
        "## Limits",
        "![samples from the prior",
    ):
        assert words in text


def test_the_card_names_the_extractor_and_number_of_samples(hub, run):
    run_evaluated = evaluate(run, samples=10, features="classifier")
    evaluate(run)  # without samples: those measured before stay
    push(run, "me/run")
    samples = run_evaluated.samples
    (result,) = [r for r in ModelCard(card_of(hub)).data.eval_results if r.metric_type == "frechet_distance"]
    assert result.metric_value == samples["fd"]
    assert result.metric_name == f"Fréchet distance of samples ({samples['features']}, n = {samples['n']})"
    assert result.metric_args["features"] == samples["features"] == "classifier of discs's own labels"
    assert result.metric_args["n"] == samples["n"]
    assert f"by the features of {samples['features']}, {samples['n']} of each" in card_of(hub)


def test_an_evaluation_of_other_weights_or_changed_by_hand_is_not_used(run, ae_run, tmp_path):
    evaluate(run)
    other = copied(ae_run, tmp_path / "other")
    shutil.copy(run.run.path / "evaluation.json", other.run.path)
    assert stored_evaluation(run.run)
    assert stored_evaluation(other.run) is None
    text = (run.run.path / "evaluation.json").read_text()
    (run.run.path / "evaluation.json").write_text(text.replace('"mse": 0', '"mse": 1'))
    assert stored_evaluation(run.run) is None


def test_without_its_data_a_run_is_pushed_with_the_numbers_of_its_training(hub, run, recorder):
    alone = Wardrobe.open(run.run.path, device="cpu", progress=recorder)
    found = measured(alone, recorder)
    assert "numbers of the training alone" in recorder.notes[0]
    assert found.elbo["rate_nats"] == run.run.history[-1]["test_rate_nats"]
    push(alone, "me/run", progress=recorder)
    results = {result.metric_type for result in ModelCard(card_of(hub)).data.eval_results}
    assert results == {"distortion", "rate"}


@pytest.mark.parametrize("change", [unshowable, of_celeba])
def test_pictures_that_may_not_be_shown_are_never_sent(hub, run, recorder, change):
    figures = run.run.path / "figures"
    figures.mkdir()
    (figures / "reconstructions.png").write_bytes(b"faces")
    push(change(run), "me/run", progress=recorder)
    there, card = hub.files("me/run"), card_of(hub)
    assert not [name for name in there if name.endswith((".png", ".html"))]
    assert "None: pictures of these data" in card
    assert "![" not in card
    assert "latents.parquet" in there  # numbers
    assert not any("the card shows" in note for note in recorder.notes)
    assert ("non-commercial research only" in card) == (change is of_celeba)


def test_figures_can_be_left_out(hub, run):
    push(run, "me/run", figures=False)
    assert not [name for name in hub.files("me/run") if name.endswith(".png")]


def test_untrusted_names_are_escaped_and_no_folder_is_named(run):
    wild = with_data(run, '"discs"', '"<b>x</b> | [a](b) `c`\\n# d"')
    wild = with_data(wild, '"source": ""', '"source": "/home/me/x\\n```\\n# e"')
    body = make_card(wild, Reference("me", "run"), measured(wild)).split("\n---\n", 1)[1]
    for text in ("<b>", "\n# d", "\n# e", "[a](b)", "/home"):
        assert text not in body


def test_a_private_push_never_becomes_public(hub, run):
    assert push(run, "me/mine", private=True).private
    assert hub.repositories["me/mine"].private
    push(run, "me/ours")
    files = hub.files("me/ours")
    with pytest.raises(ArmoireError, match="hf:me/ours is public, and nothing was sent"):
        push(run, "me/ours", private=True)
    assert hub.files("me/ours") == files


@pytest.mark.parametrize(
    ("where", "how", "words"),
    [
        ("/api/repos/create", 500, "is too busy for"),
        ("/api/repos/create", 403, "your token does not allow hf:me/run to be written"),
        ("/preupload/", 403, "your token does not allow hf:me/run to be written"),
        ("/lfs/objects/batch", 500, "is too busy for"),
        ("PUT /lfs/", 500, "is too busy for"),
        ("PUT /lfs/", 403, "your token does not allow"),
        ("/commit/", 500, "is too busy for"),
        ("/commit/", 412, "refuses hf:me/run to be written"),
        ("/api/validate-yaml", 500, "is too busy for"),
        ("/api/validate-yaml", 400, "Invalid metadata in README"),
    ],
)
def test_a_failed_push_is_one_sentence_and_can_be_repeated(hub, run, where, how, words):
    hub.fails(where, how)
    with pytest.raises(ArmoireError, match=words) as caught:
        push(run, "me/run")
    assert how == 400 or "\n" not in str(caught.value)
    assert not hub.repositories or hub.files("me/run") == {}
    hub.faults.clear()
    push(run, "me/run")
    assert "model.safetensors" in hub.files("me/run")


def test_a_push_without_permission_or_token_is_one_sentence(hub, run, monkeypatch):
    with pytest.raises(ArmoireError, match="your token does not allow hf:somebody/run to be written"):
        push(run, "somebody/run")
    monkeypatch.setenv("HF_TOKEN", "hf_of_nobody")
    with pytest.raises(ArmoireError, match="with a token from"):
        push(run, "me/run")
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nowhere/token")
    with pytest.raises(ArmoireError, match=r"there is no token for 127\.0\.0\.1:.* get one with `hf auth login`"):
        push(run, "me/run")
    assert not hub.asked("/commit/")


@pytest.mark.parametrize("name", ["run", "me/run/more", "../run", "me/run ning"])
def test_a_name_that_is_no_repository_is_an_error(hub, run, name):
    with pytest.raises(ArmoireError, match="names no repository of the Hub; give OWNER/NAME"):
        push(run, name)
    assert hub.requests == []


def test_a_model_alone_gets_a_card_and_never_replaces_one(hub, run):
    url = run.model.push_to_hub("me/model", metadata={"note": "hello"})
    assert url == f"{hub.url}/me/model"
    assert set(hub.files("me/model")) == {"model.safetensors", CARD}
    hub.repositories["me/model"].commit(hub.files("me/model") | {CARD: b"my own words"})
    run.model.push_to_hub("me/model", private=None)
    assert card_of(hub, "me/model") == "my own words"
    assert json.loads(json.dumps(hub.repositories["me/model"].messages))[0] == "Model trained with armoire"
