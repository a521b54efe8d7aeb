from __future__ import annotations

import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from armoire import Wardrobe
from armoire.errors import ArmoireError
from armoire.wardrobe import index as index_module
from armoire.wardrobe import neighbours
from armoire.wardrobe.index import FOLDER, SUFFICIENT_RECALL, NeighbourIndex, build_index, load_index, recall
from armoire.wardrobe.neighbours import nearest


def draw(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d), dtype=np.float32)


@pytest.fixture(scope="module")
def latents() -> np.ndarray:
    return draw(3000, 32)


@pytest.fixture(scope="module")
def index(latents):
    return build_index(latents)


@pytest.fixture
def indexes(cache, monkeypatch):
    """The folder of cached indexes, which small sets use too."""
    monkeypatch.setattr(index_module, "WORTH_IT", 0)
    return cache / FOLDER


@given(n=st.integers(1, 40), d=st.integers(1, 5), m=st.integers(0, 6), k=st.integers(1, 50), seed=st.integers(0, 99))
def test_exact_search_is_a_sort_of_all_distances(n, d, m, k, seed):
    x, z = draw(n, d, seed) * 3 + 100, draw(m, d, seed + 1) * 3 + 100
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "QUERIES", 4)
        found = nearest(x, z, k)
    distances = np.linalg.norm(x[None].astype(float) - z[:, None], axis=2)
    assert found.rows.shape == found.distances.shape == (m, min(k, n))
    np.testing.assert_allclose(found.distances, np.sort(distances, axis=1)[:, :k], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.distances, np.take_along_axis(distances, found.rows, 1), rtol=1e-4, atol=1e-5)
    assert (found.search, found.recall) == ("exact", 1.0)


def test_of_equally_near_images_the_first_comes_first():
    assert nearest(np.ones((9, 2), np.float32), np.ones((1, 2), np.float32), 9).rows.tolist() == [list(range(9))]


def test_exact_search_is_exact_far_from_the_origin():
    latents = draw(500, 2) * np.float32(0.1) + np.float32(1000)
    assert (nearest(latents, latents[:50], 1).distances == 0).all()


@pytest.mark.parametrize("among", [slice(100, 200), slice(0, 3000, 7), slice(0, 0)])
def test_exact_search_among_some_rows(latents, among):
    mask = np.zeros(len(latents), bool)
    mask[among] = True
    found = nearest(latents, latents[:5], 4, mask)
    rows = np.flatnonzero(mask)
    expected = nearest(latents[rows], latents[:5], 4)
    np.testing.assert_array_equal(found.rows, rows[expected.rows] if len(rows) else expected.rows)
    np.testing.assert_array_equal(found.distances, expected.distances)


def test_an_index_finds_nearly_all_and_reports_how_many(index, latents):
    queries = draw(300, 32, seed=5)
    found, truth = index.search(queries, 10), nearest(latents, queries, 10)
    share = recall(found.rows, truth.rows)
    assert share >= SUFFICIENT_RECALL - 0.03
    assert abs(share - index.recall) < 0.03
    assert (found.search, found.recall) == ("index", index.recall)


def test_results_of_an_index_are_sorted_by_exact_distances(index, latents):
    z = draw(40, 32, seed=6)
    found = index.search(z, 7)
    np.testing.assert_allclose(found.distances, np.linalg.norm(latents[found.rows] - z[:, None], axis=2), rtol=1e-6)
    assert (np.diff(found.distances, axis=1) >= 0).all()
    assert all(len(set(rows)) == 7 for rows in found.rows.tolist())


def test_an_index_contains_every_image_including_those_it_was_measured_with(index, latents):
    assert (index.search(latents, 1).rows[:, 0] == np.arange(len(latents))).mean() > 0.99


@pytest.mark.parametrize("share", [0.5, 0.1, 0.002])
def test_an_index_searches_among_some_rows_only(index, latents, share):
    among = np.random.default_rng(0).random(len(latents)) < share
    z = draw(50, 32, seed=8)
    found, truth = index.search(z, 4, among), nearest(latents, z, 4, among)
    assert among[found.rows].all()
    assert recall(found.rows, truth.rows) >= SUFFICIENT_RECALL - 0.03
    if share < 0.01:  # the graph would be asked for thousands
        assert found.search == "exact"


def test_search_is_exact_where_the_graph_finds_too_few(index, latents):
    # All eligible rows are on one side; a latent on the other has none of them among its candidates.
    among = latents[:, 0] > 0.7
    z = np.zeros((3, 32), np.float32)
    z[:, 0] = -6
    found = index.search(z, 6, among)
    assert found.search == "exact"
    np.testing.assert_array_equal(found.rows, nearest(latents, z, 6, among).rows)


def test_many_neighbours_are_searched_exactly(index, latents):
    found = index.search(latents[:2], 101)
    assert found.search == "exact"
    np.testing.assert_array_equal(found.rows, nearest(latents, latents[:2], 101).rows)


def test_half_precision_is_used_where_it_distinguishes_neighbours(index):
    assert str(index.graph.dtype) == "ScalarKind.F16"
    # Two clusters far from each other: in each, hundreds of images would be rounded to the same values.
    sides = np.where(np.arange(2000) % 2, 5, -5).astype(np.float32)
    clusters = build_index(0.01 * draw(2000, 2) + sides[:, None])
    assert str(clusters.graph.dtype) == "ScalarKind.F32"
    assert clusters.recall >= SUFFICIENT_RECALL


def test_of_a_large_set_a_lower_recall_is_sufficient(monkeypatch):
    latents = draw(3000, 60)
    monkeypatch.setattr(index_module, "SUFFICIENT_RECALL", 1.1)  # out of reach
    assert build_index(latents).graph.expansion_search == 512
    monkeypatch.setattr(index_module, "LARGE", 3000)
    large = build_index(latents)
    assert large.graph.expansion_search < 512
    assert large.recall >= 0.88


def test_an_index_is_built_once_for_the_same_latents(latents, indexes, monkeypatch):
    built, z = load_index(latents), draw(20, 32, seed=9)
    with monkeypatch.context() as patch:
        patch.setattr(index_module, "build_index", lambda *_: pytest.fail("it was built again"))
        loaded = load_index(latents)
    assert (loaded.recall, loaded.graph.expansion_search) == (built.recall, built.graph.expansion_search)
    np.testing.assert_array_equal(loaded.search(z, 5).rows, built.search(z, 5).rows)
    changed = latents + np.float32(1)
    assert load_index(changed).search(changed[:1], 1).distances.tolist() == [[0.0]]
    assert len(list(indexes.iterdir())) == 2


DAMAGE = {
    "cut": lambda content: content[:-100],
    "empty": lambda _: b"",
    "a flipped bit": lambda content: content[: len(content) // 2] + b"\xaa\x55" + content[len(content) // 2 + 2 :],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_index_is_built_again(latents, indexes, damage, recorder):
    load_index(latents)
    (file,) = indexes.iterdir()
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    assert load_index(latents, recorder).search(latents[:1], 1).rows.tolist() == [[0]]
    assert "is damaged" in recorder.notes[0]
    load_index(latents, recorder)
    assert len(recorder.notes) == 1


def test_a_graph_of_another_number_of_latents_is_refused(index, latents):
    with pytest.raises(ValueError, match="no graph of"):
        NeighbourIndex.decode(index.encode(), latents[:-1])


def test_a_small_set_needs_no_index(latents):
    assert load_index(latents) is None


def test_without_usearch_a_note_says_what_would_help(latents, indexes, monkeypatch, recorder):
    monkeypatch.setattr(index_module, "find_spec", lambda _: None)
    assert load_index(latents, recorder) is None
    assert 'armoire[neighbours] makes it quicker: pip install "usearch' in recorder.notes[0]


def test_an_interrupted_build_leaves_nothing(latents, indexes, stops_at):
    with pytest.raises(KeyboardInterrupt):
        load_index(latents, stops_at(1))
    assert not indexes.exists()


@pytest.fixture
def indexed(vae_run, tmp_path, indexes):
    """A copy of the tiny run in which an index is used."""
    return Wardrobe.open(shutil.copytree(vae_run.run.path, tmp_path / "run"), device="cpu")


@pytest.mark.parametrize("wardrobe", ["vae_run", "indexed"])
@pytest.mark.parametrize("split", [None, "train", "test"])
def test_a_wardrobe_finds_the_nearest_images_of_a_split(wardrobe, split, request, pictures):
    search = "index" if wardrobe == "indexed" else "exact"
    wardrobe = request.getfixturevalue(wardrobe)
    z = wardrobe.encode(pictures(5, seed=4))
    found = wardrobe.nearest(z, k=3, split=split)
    rows = np.flatnonzero(wardrobe.latents.is_of(split)) if split else np.arange(50)
    expected = nearest(wardrobe.latents.mean[rows], z, 3)
    np.testing.assert_array_equal(found.rows, rows[expected.rows])
    np.testing.assert_allclose(found.distances, expected.distances)
    assert found.search == search
    assert not (wardrobe.run.path / FOLDER).exists()  # a run may come from anybody


def test_an_unknown_split_is_reported(vae_run):
    with pytest.raises(ArmoireError, match="no split 'tests' in the latents; did you mean 'test'"):
        vae_run.nearest(np.zeros((1, 2)), split="tests")
