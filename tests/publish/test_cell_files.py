"""The explorer in a cell, as Python sees it: what is handed over, what is not, and its pinned latents."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from traitlets import TraitError

import armoire
from armoire.errors import ArmoireError
from armoire.publish import page, site
from armoire.publish.cell import cell_files, explore
from armoire.publish.widget import PART, pieces

BUILT = ("index.html", "licenses.md", "assets/index-Abc12345.js", "assets/ort-Abc12345.wasm")
CELL = ("cell/cell.html", "cell/widget.js")


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page as the build leaves it, whether or not there is one here."""
    folder = tmp_path / "built"
    for name in BUILT + CELL:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name} 내용")
    for module in (page, site):
        monkeypatch.setattr(module, "page_folder", lambda: folder)
    return folder


@pytest.fixture
def cell(built, vae_run):
    shown = explore(vae_run)
    sent: list[tuple[dict, list]] = []
    shown.send = lambda content, buffers=None: sent.append((content, buffers or []))
    shown.sent = sent
    return shown


def ask(cell, **asked: object) -> list[tuple[dict, list]]:
    cell.sent.clear()
    cell._handle_custom_msg({"kind": "get", "id": "view 7", **asked}, [])
    return cell.sent


def test_the_frame_may_ask_for_the_document_the_engine_and_the_data(built, vae_run):
    files = cell_files(vae_run.run, images=vae_run.images)
    assert files["cell.html"] == built / "cell/cell.html"
    assert files["engine"] == built / "assets/ort-Abc12345.wasm"
    data = {name for name in files if name.startswith("data/")}
    assert {"data/manifest.json", "data/latents.f32", "data/decoder.onnx", "data/sheet-000.jpg"} <= data
    assert set(files) == data | {"cell.html", "engine"}


def test_a_file_comes_in_parts_that_make_it_whole(tmp_path):
    for size in (0, 1, PART - 1, PART, PART + 1, 2 * PART):
        file = tmp_path / "file"
        file.write_bytes(bytes(i % 251 for i in range(size)))
        found = list(pieces(file))
        assert b"".join(piece for piece, _, _ in found) == file.read_bytes()
        assert [last for _, _, last in found] == [False] * (len(found) - 1) + [True]
        assert {total for _, total, _ in found} == {size}
        assert all(len(piece) <= PART for piece, _, _ in found)


def test_what_is_asked_for_is_sent_to_who_asked(cell):
    (content, (piece,)) = ask(cell, path="cell.html")[0]
    assert content == {"id": "view 7", "kind": "part", "total": len(piece), "last": True}
    assert piece.decode() == "cell/cell.html 내용"


@pytest.mark.parametrize(
    "path", ["data/../../recipe.toml", "/etc/passwd", "data/.cache_key.json", "widget.js", "", None, 3, ["cell.html"]]
)
def test_nothing_else_is_sent(cell, path):
    assert ask(cell, path=path) == [({"id": "view 7", "kind": "missing", "why": "there is no such file here"}, [])]


def test_other_messages_are_passed_over(cell):
    cell.sent.clear()
    for message in ({"kind": "put", "path": "cell.html"}, {}, "get", None, ["get"]):
        cell._handle_custom_msg(message, [])
    assert cell.sent == []


def test_a_file_that_has_gone_is_told_of(cell, tmp_path):
    cell._files["data/gone"] = tmp_path / "gone"
    assert ask(cell, path="data/gone") == [
        ({"id": "view 7", "kind": "missing", "why": "No such file or directory"}, [])
    ]


def test_pinned_latents_come_and_go_as_float32(cell):
    assert cell.pinned.shape == (0, 2)
    assert cell.pinned.dtype == np.float32
    cell.set_state({"pinned": memoryview(np.float32([[1, 2], [3, 4.5]]).tobytes())})
    assert cell.pinned.tolist() == [[1, 2], [3, 4.5]]
    seen: list[np.ndarray] = []
    cell.observe(lambda change: seen.append(change["new"]), "pinned")
    cell.pinned = [[0.1, -1]]
    assert [latents.tolist() for latents in seen] == [np.float32([[0.1, -1]]).tolist()]
    assert bytes(cell.get_state("pinned")["pinned"]) == np.float32([[0.1, -1]]).tobytes()
    cell.pinned = np.float32([[0.1, -1]])  # the same again
    assert len(seen) == 1
    cell.pinned = [2, 3]  # one place
    assert cell.pinned.tolist() == [[2, 3]]
    cell.set_state({"pinned": memoryview(b"")})
    assert cell.pinned.shape == (0, 2)


def test_pinned_is_a_copy_that_cannot_be_written_to(cell):
    z = np.zeros((1, 2), np.float32)
    cell.pinned = z
    z[:] = 9
    assert cell.pinned.tolist() == [[0, 0]]
    with pytest.raises(ValueError, match="read-only"):
        cell.pinned[0] = 1


@pytest.mark.parametrize(
    ("latents", "message"),
    [
        ([[1, 2, 3]], r"has 2 latent dimensions: pinned should be \(n, 2\), not \(1, 3\)"),
        ([[[1, 2]]], r"not \(1, 1, 2\)"),
        ([[1, float("nan")]], "finite"),
        (np.zeros((1001, 2)), "at most 1,000 latents can be pinned, not 1,001"),
        ("boots", "latents, numbers"),
        ([[1, 2], [3]], "latents, numbers"),
    ],
)
def test_what_are_no_latents_is_refused(cell, latents, message):
    with pytest.raises(TraitError, match=message):
        cell.pinned = latents


def test_a_run_a_path_and_a_wardrobe_are_explored_alike(built, vae_run):
    by_wardrobe = vae_run.explore(height=500)
    by_path = armoire.explore(str(vae_run.run.path), height=500)
    by_run = armoire.explore(vae_run.run, height=500)
    assert by_wardrobe.height == 500
    assert by_wardrobe._files == by_path._files == by_run._files
    assert by_wardrobe._esm == "cell/widget.js 내용"
    assert repr(by_path) == f"Cell({str(vae_run.run.path)!r}, 0 pinned; a notebook shows the explorer here)"


def test_without_anywidget_it_is_said_how_to_get_it(built, vae_run, monkeypatch):
    monkeypatch.delitem(sys.modules, "armoire.publish.widget", raising=False)
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(
        ArmoireError, match=r'\[notebook\]; .*pip install "anywidget[^"]*"; or open it .*: armoire explore '
    ):
        armoire.explore(vae_run)


def test_without_a_run_or_a_page_it_is_said_what_is_missing(tmp_path, vae_run, monkeypatch):
    with pytest.raises(ArmoireError, match="no run at"):
        armoire.explore(tmp_path / "nothing")

    def none() -> Path:
        raise ArmoireError("the explorer's page is not here")

    with pytest.raises(ArmoireError, match="height should be 240 pixels or more, not 100"):
        armoire.explore(vae_run, height=100)
    monkeypatch.setattr(page, "page_folder", none)
    with pytest.raises(ArmoireError, match="page is not here"):
        armoire.explore(vae_run)


def test_a_page_of_before_there_were_notebooks_is_told_of(built, vae_run):
    (built / "cell/widget.js").unlink()
    with pytest.raises(ArmoireError, match=r"explorer for notebooks is not in .*/cell: .* pip install -e"):
        armoire.explore(vae_run)


def test_data_that_are_at_hand_are_taken_even_if_there_are_none(built, vae_run, monkeypatch):
    given = []
    monkeypatch.setattr("armoire.publish.cell.cell_files", lambda run, progress, images: given.append(images) or {})
    vae_run.explore(images=vae_run.images[:0])
    vae_run.explore()
    assert [len(images) for images in given] == [0, len(vae_run.images)]


def test_the_cell_is_no_part_of_a_site(built, vae_run, tmp_path):
    files = site.site_files(vae_run.run, images=vae_run.images)
    assert not [name for name in files if name.startswith("/cell")]
    folder = tmp_path / "site"
    site.export_site(vae_run.run, folder, images=vae_run.images)
    assert not (folder / "cell").exists()
    (folder / "cell").mkdir()  # a visitor's own
    with pytest.raises(ArmoireError, match="also cell, which would be lost"):
        site.export_site(vae_run.run, folder, images=vae_run.images)
