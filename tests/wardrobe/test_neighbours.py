from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from armoire import Wardrobe
from armoire.errors import ArmoireError
from armoire.wardrobe import index as index_module
from armoire.wardrobe import neighbours
from armoire.wardrobe.index import (
    ENOUGH,
    FACTS,
    FOLDER,
    GRAPHS,
    build_index,
    is_worth_it,
    kept_index,
    latents_digest,
    open_index,
    recall,
)
from armoire.wardrobe.neighbours import nearest, nearest_among


def draw(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d), dtype=np.float32)


@pytest.fixture(scope="module")
def latents() -> np.ndarray:
    return draw(3000, 32)


@pytest.fixture(scope="module")
def one_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def cache(one_cache, monkeypatch):
    """One for the whole file: in it stands which indices were built by this user."""
    monkeypatch.setenv("ARMOIRE_CACHE", str(one_cache))
    return one_cache


@pytest.fixture(scope="module")
def kept(latents, tmp_path_factory, one_cache):
    """A folder with an index; not to be written to."""
    folder = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARMOIRE_CACHE", str(one_cache))
        build_index(latents).write(folder)
    return folder


@pytest.fixture
def copied(kept, tmp_path):
    return shutil.copytree(kept, tmp_path / "copied")


def opened(folder, latents):
    return open_index(folder, latents_digest(latents), latents)


@given(n=st.integers(1, 40), d=st.integers(1, 5), m=st.integers(0, 6), k=st.integers(1, 50), seed=st.integers(0, 99))
def test_exact_search_is_a_sort_of_all_distances(n, d, m, k, seed):
    x, z = draw(n, d, seed) * 3 + 100, draw(m, d, seed + 1) * 3 + 100
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "ROWS", 7)
        patch.setattr(neighbours, "PLACES", 4)
        found = nearest(x, z, k)
    distances = np.linalg.norm(x[None].astype(float) - z[:, None], axis=2)
    assert found.rows.shape == found.distances.shape == (m, min(k, n))
    np.testing.assert_allclose(found.distances, np.sort(distances, axis=1)[:, :k], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.distances, np.take_along_axis(distances, found.rows, 1), rtol=1e-4, atol=1e-5)
    assert (found.search, found.recall) == ("exact", 1.0)


def test_of_equally_near_images_the_first_comes_first():
    assert nearest(np.ones((9, 2), np.float32), np.ones((1, 2), np.float32), 9).rows.tolist() == [list(range(9))]


@pytest.mark.parametrize("among", [slice(100, 200), slice(0, 3000, 7), slice(0, 0)])
def test_exact_search_among_some_rows(latents, among):
    mask = np.zeros(len(latents), bool)
    mask[among] = True
    found = nearest_among(latents, latents[:5], 4, mask)
    rows = np.flatnonzero(mask)
    expected = nearest(latents[rows], latents[:5], 4)
    np.testing.assert_array_equal(found.rows, rows[expected.rows] if len(rows) else expected.rows)
    np.testing.assert_array_equal(found.distances, expected.distances)


def test_an_index_finds_nearly_all_and_knows_how_many(kept, latents):
    index, queries = opened(kept, latents), draw(300, 32, seed=5)
    found, truth = index.search(queries, 10), nearest(latents, queries, 10)
    share = recall(found.rows, truth.rows)
    assert share >= ENOUGH - 0.03
    assert index.facts.recall >= ENOUGH
    assert abs(share - index.facts.recall) < 0.03
    assert (found.search, found.recall) == ("index", index.facts.recall)
    assert found.rows.dtype == np.int64
    assert found.distances.dtype == np.float32


def test_what_an_index_finds_is_in_order_and_its_distances_are_exact(kept, latents):
    z = draw(40, 32, seed=6)
    found = opened(kept, latents).search(z, 7)
    np.testing.assert_allclose(found.distances, np.linalg.norm(latents[found.rows] - z[:, None], axis=2), rtol=1e-6)
    assert (np.diff(found.distances, axis=1) >= 0).all()
    assert all(len(set(rows)) == 7 for rows in found.rows.tolist())


def test_one_place_is_searched_as_among_many(kept, latents):
    index, z = opened(kept, latents), draw(20, 32, seed=7)
    together = index.search(z, 5)
    for i in range(20):
        np.testing.assert_array_equal(index.search(z[i : i + 1], 5).rows[0], together.rows[i])


def test_every_image_is_in_the_index_also_those_it_was_measured_with(kept, latents):
    found = opened(kept, latents).search(latents, 1)
    assert (found.rows[:, 0] == np.arange(len(latents))).mean() > 0.99


def test_the_same_latents_give_the_same_file(kept, latents, tmp_path):
    build_index(latents).write(tmp_path)
    assert contents(tmp_path) == contents(kept)
    assert len(contents(kept)) == GRAPHS + 1


def contents(run):
    return {path.name: path.read_bytes() for path in (run / FOLDER).iterdir()}


@pytest.mark.parametrize("share", [0.5, 0.1, 0.002])
def test_an_index_searches_among_some_rows_only(kept, latents, share):
    among = np.random.default_rng(0).random(len(latents)) < share
    z = draw(50, 32, seed=8)
    found, truth = opened(kept, latents).search(z, 4, among), nearest_among(latents, z, 4, among)
    assert among[found.rows].all()
    assert recall(found.rows, truth.rows) >= ENOUGH - 0.03
    if share < 0.01:  # rather than ask the graph for thousands
        assert found.search == "exact"
        np.testing.assert_array_equal(found.rows, truth.rows)


def test_places_for_which_the_graph_gives_too_few_are_searched_exactly(kept, latents):
    # All that counts lies on one side; a place on the other has none of it among its neighbours.
    among = latents[:, 0] > 0.7
    z = np.zeros((3, 32), np.float32)
    z[:, 0] = -6
    found, truth = opened(kept, latents).search(z, 6, among), nearest_among(latents, z, 6, among)
    assert found.search == "index"
    np.testing.assert_array_equal(found.rows, truth.rows)


@pytest.mark.parametrize("k", [101, 5000])
def test_many_neighbours_are_searched_exactly(kept, latents, k):
    found = opened(kept, latents).search(latents[:2], k)
    assert found.search == "exact"
    np.testing.assert_array_equal(found.rows, nearest(latents, latents[:2], k).rows)


def test_bytes_hold_the_latents_where_they_tell_neighbours_apart(kept, latents):
    assert opened(kept, latents).facts.dtype == "i8"
    # Two crowds far from each other: in each, hundreds of images share their bytes.
    sides = np.where(np.arange(2000) % 2, 5, -5).astype(np.float32)
    crowded = build_index(0.01 * draw(2000, 2) + sides[:, None])
    assert crowded.facts.dtype == "f32"
    assert crowded.facts.recall >= ENOUGH


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


DAMAGE = {
    "the graph is gone": lambda folder: (folder / FOLDER / "1.usearch").unlink(),
    "the graph is cut": lambda folder: (folder / FOLDER / "1.usearch").write_bytes(
        (folder / FOLDER / "1.usearch").read_bytes()[:-100]
    ),
    "the graph is empty": lambda folder: (folder / FOLDER / "1.usearch").write_bytes(b""),
    "one bit differs": lambda folder: flip(folder / FOLDER / "1.usearch"),
    "the facts are gone": lambda folder: (folder / FOLDER / FACTS).unlink(),
    "the facts are no JSON": lambda folder: (folder / FOLDER / FACTS).write_bytes(b"\xff{"),
    "the facts are a list": lambda folder: (folder / FOLDER / FACTS).write_text("[]"),
    "the facts are null": lambda folder: (folder / FOLDER / FACTS).write_text("null"),
    "the facts are others": lambda folder: (folder / FOLDER / FACTS).write_text('{"format": "armoire-neighbours-1"}'),
    "the format is another": lambda folder: alter(folder, format="armoire-neighbours-0"),
    "the type is another": lambda folder: alter(folder, dtype="f16"),
    "the step is no number": lambda folder: alter(folder, step=None),
    "the expansion is no number": lambda folder: alter(folder, expansion_search="many"),
}


def alter(folder, **changes):
    (folder / FOLDER / FACTS).write_text(json.dumps(json.loads((folder / FOLDER / FACTS).read_text()) | changes))


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_refused_and_built_again(copied, latents, kept, damage, monkeypatch):
    monkeypatch.setattr(index_module, "WORTH_IT", 0)
    DAMAGE[damage](copied)
    assert opened(copied, latents) is None
    assert kept_index(copied, latents) is not None
    assert contents(copied) == contents(kept)
    assert opened(copied, latents) is not None


def test_a_foreign_graph_is_refused_even_where_its_digest_is_vouched_for(copied, latents):
    (copied / FOLDER / "1.usearch").write_bytes(b"hello" * 1000)
    digest = index_module._digest(copied / FOLDER)
    alter(copied, graphs_sha256=digest)
    index_module.write_text(index_module._voucher(digest), "")
    assert opened(copied, latents) is None
    build_index(latents[:500]).write(copied)
    alter(copied, latents_sha256=latents_digest(latents))
    assert opened(copied, latents) is None


def test_an_index_that_was_built_elsewhere_is_built_again(copied, latents, kept, tmp_path, monkeypatch):
    """usearch believes what it maps, and a stranger may have forged both a graph and its digest."""
    monkeypatch.setattr(index_module, "WORTH_IT", 0)
    monkeypatch.setenv("ARMOIRE_CACHE", str(tmp_path / "another"))
    assert opened(copied, latents) is None
    assert kept_index(copied, latents) is not None
    assert contents(copied) == contents(kept)
    assert opened(copied, latents) is not None


def test_other_latents_have_another_index(copied, latents, monkeypatch):
    monkeypatch.setattr(index_module, "WORTH_IT", 0)
    changed = latents.copy()
    changed[7, 3] += 1
    assert opened(copied, changed) is None
    assert kept_index(copied, changed).facts.latents_sha256 == latents_digest(changed)
    assert opened(copied, latents) is None
    assert latents_digest(latents.reshape(32, -1)) != latents_digest(latents)


def test_a_small_set_needs_no_index(latents, tmp_path):
    assert kept_index(tmp_path, latents) is None
    assert list(tmp_path.iterdir()) == []
    assert not is_worth_it((202_599, 200))
    assert is_worth_it((1_000_000, 200))


def test_an_index_is_built_once(copied, latents, monkeypatch):
    monkeypatch.setattr(index_module, "WORTH_IT", 0)
    monkeypatch.setattr(index_module, "build_index", lambda *_: pytest.fail("it was built again"))
    assert kept_index(copied, latents) is not None


def test_a_folder_that_may_only_be_read_is_searched_exactly(latents, tmp_path, monkeypatch):
    monkeypatch.setattr(index_module, "WORTH_IT", 0)
    monkeypatch.setattr(index_module.os, "access", lambda *_: False)
    assert kept_index(tmp_path, latents) is None


def test_a_full_disk_costs_only_the_keeping(latents, tmp_path, monkeypatch):
    monkeypatch.setattr(index_module, "WORTH_IT", 0)
    monkeypatch.setattr(index_module, "atomic_folder", full)
    index = kept_index(tmp_path, latents)
    assert index.search(latents[:1], 1).rows.tolist() == [[0]]


def full(path):
    raise ArmoireError(f"cannot write {path}: no space left on device")


def test_without_usearch_a_note_says_what_would_help(latents, tmp_path, monkeypatch, recorder):
    monkeypatch.setattr(index_module, "WORTH_IT", 0)
    monkeypatch.setattr(index_module, "find_spec", lambda _: None)
    assert kept_index(tmp_path, latents, recorder) is None
    assert 'armoire[neighbours] makes it quicker: pip install "usearch' in recorder.notes[0]


def test_a_building_that_is_stopped_leaves_nothing(latents, tmp_path, monkeypatch, stops_at):
    monkeypatch.setattr(index_module, "WORTH_IT", 0)
    with pytest.raises(KeyboardInterrupt):
        kept_index(tmp_path, latents, stops_at(1))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def indexed(vae_run, tmp_path, monkeypatch):
    """A copy of the tiny run in which an index is used."""
    monkeypatch.setattr(index_module, "WORTH_IT", 0)
    return Wardrobe.open(shutil.copytree(vae_run.run.path, tmp_path / "run"), device="cpu")


def test_a_wardrobe_with_an_index_finds_what_exact_search_finds(indexed, vae_run, pictures):
    z = vae_run.encode(pictures(6, seed=3))
    found, truth = indexed.nearest(z, k=4), nearest(vae_run.latents.mean, z, 4)
    assert found.search == "index"
    np.testing.assert_array_equal(found.rows, truth.rows)
    np.testing.assert_allclose(found.distances, truth.distances)
    assert (indexed.run.path / FOLDER / FACTS).is_file()


@pytest.mark.parametrize("wardrobe", ["vae_run", "indexed"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_only_images_of_a_split(wardrobe, split, request, pictures):
    wardrobe = request.getfixturevalue(wardrobe)
    z = wardrobe.encode(pictures(5, seed=4))
    found = wardrobe.nearest(z, k=3, split=split)
    rows = np.flatnonzero(wardrobe.latents.is_of(split))
    np.testing.assert_array_equal(found.rows, rows[nearest(wardrobe.latents.mean[rows], z, 3).rows])
    assert set(wardrobe.latents.table["split"].take(found.rows.ravel()).to_pylist()) == {split}


def test_a_split_that_is_not_there_is_told(vae_run):
    with pytest.raises(ArmoireError, match="no image is of the split 'tests'; did you mean 'test'"):
        vae_run.nearest(np.zeros((1, 2)), split="tests")


def test_an_index_of_other_weights_is_not_used(indexed):
    indexed.nearest(np.zeros((1, 2)))
    other = replace(indexed.latents, mean=indexed.latents.mean + 1)
    assert open_index(indexed.run.path, latents_digest(other.mean), other.mean) is None


def test_of_very_many_a_little_less_is_enough(monkeypatch):
    latents = np.random.default_rng(0).normal(size=(3000, 60)).astype(np.float32)
    monkeypatch.setattr("armoire.wardrobe.index.ENOUGH", 1.1)  # more than there is
    assert build_index(latents).facts.expansion_search == 512
    monkeypatch.setattr("armoire.wardrobe.index.MANY", 3000)
    many = build_index(latents)
    assert many.facts.expansion_search < 512
    assert many.facts.recall >= 0.88
