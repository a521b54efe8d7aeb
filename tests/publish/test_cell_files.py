"""The explorer in a cell, in Python: the files that its frame gets, those that it does not, and its pinned latents."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from traitlets import TraitError

import armoire
from armoire.errors import ArmoireError
from armoire.publish import cell as module
from armoire.publish import site, widget
from armoire.publish.cell import cell_files, explore
from armoire.publish.widget import PART, parts

BUILT = ("index.html", "licenses.md", "assets/index-Abc12345.js", "assets/ort-Abc12345.wasm")
CELL = ("cell/cell.html", "cell/widget.js")


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page as the build leaves it, also where there is none."""
    folder = tmp_path / "built"
    for name in BUILT + CELL:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name} 내용")
    for user in (module, site, widget):
        monkeypatch.setattr(user, "page_folder", lambda: folder)
    return folder


@pytest.fixture
def cell(built, vae_run):
    shown = explore(vae_run)
    sent: list[tuple[dict, list]] = []
    shown.send = lambda content, buffers=None: sent.append((content, buffers or []))
    shown.sent = sent
    return shown


def ask(cell, message: object) -> list[tuple[dict, list]]:
    cell.sent.clear()
    cell._handle_custom_msg(message, [])
    return cell.sent


def get(path: object) -> dict:
    return {"kind": "get", "id": "view 7", "path": path}


def test_the_frame_gets_the_document_the_engine_and_the_data(built, vae_run):
    files = cell_files(vae_run.run, images=vae_run.images)
    assert files["cell.html"] == built / "cell/cell.html"
    assert files["engine"] == built / "assets/ort-Abc12345.wasm"
    data = {name for name in files if name.startswith("data/")}
    assert {"data/manifest.json", "data/latents.f32", "data/decoder.onnx", "data/sheet-000.jpg"} <= data
    assert set(files) == data | {"cell.html", "engine"}


def test_a_file_is_sent_in_parts(cell, tmp_path):
    (content, (part,)) = ask(cell, get("cell.html"))[0]
    assert content == {"id": "view 7", "kind": "part", "total": len(part), "last": True}
    assert part.decode() == "cell/cell.html 내용"
    for size in (0, 1, PART - 1, PART, PART + 1, 2 * PART):
        file = tmp_path / "file"
        file.write_bytes(bytes(i % 251 for i in range(size)))
        found = list(parts(file))
        assert b"".join(part for part, _, _ in found) == file.read_bytes()
        assert [last for _, _, last in found] == [False] * (len(found) - 1) + [True]
        assert {total for _, total, _ in found} == {size}
        assert all(len(part) <= PART for part, _, _ in found)


@pytest.mark.parametrize(
    "path", ["data/../../recipe.toml", "/etc/passwd", "data/.cache_key.json", "widget.js", "", None, 3, ["cell.html"]]
)
def test_no_other_file_is_sent(cell, path):
    assert ask(cell, get(path)) == [({"id": "view 7", "kind": "missing", "why": "there is no such file here"}, [])]


@pytest.mark.parametrize("message", [{"kind": "put", "path": "cell.html"}, {}, "get", None, ["get"]])
def test_other_messages_are_ignored(cell, message):
    assert ask(cell, message) == []


def test_a_missing_file_is_reported(cell, tmp_path):
    cell._files["data/gone"] = tmp_path / "gone"
    answer = {"id": "view 7", "kind": "missing", "why": "No such file or directory"}
    assert ask(cell, get("data/gone")) == [(answer, [])]


def test_pinned_latents_are_float32_in_both_directions(cell):
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
    cell.pinned = [2, 3]  # one latent
    assert cell.pinned.tolist() == [[2, 3]]
    cell.set_state({"pinned": memoryview(b"")})
    assert cell.pinned.shape == (0, 2)
    z = np.zeros((1, 2), np.float32)
    cell.pinned = z  # a read-only copy
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
def test_invalid_latents_are_refused(cell, latents, message):
    with pytest.raises(TraitError, match=message):
        cell.pinned = latents


def test_a_run_a_path_and_a_wardrobe_open_the_same_explorer(built, vae_run):
    by_wardrobe = vae_run.explore(height=500)
    by_path = armoire.explore(str(vae_run.run.path), height=500)
    by_run = armoire.explore(vae_run.run, height=500)
    assert by_wardrobe.height == 500
    assert by_wardrobe._files == by_path._files == by_run._files
    assert by_wardrobe._esm == "cell/widget.js 내용"
    assert repr(by_path) == f"Cell({str(vae_run.run.path)!r}, 0 pinned; a notebook shows the explorer here)"


def test_errors_say_what_is_missing_and_how_to_get_it(built, tmp_path, vae_run, monkeypatch):
    with pytest.raises(ArmoireError, match="no run at"):
        armoire.explore(tmp_path / "nothing")
    with pytest.raises(ArmoireError, match="height should be 240 pixels or more, not 100"):
        armoire.explore(vae_run, height=100)
    monkeypatch.delitem(sys.modules, "armoire.publish.widget")
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(
        ArmoireError, match=r'\[notebook\]; .*pip install "anywidget[^"]*"; or open it .*: armoire explore '
    ):
        armoire.explore(vae_run)


def test_given_images_are_used_even_if_there_are_none(built, vae_run, monkeypatch):
    given = []
    monkeypatch.setattr(module, "cell_files", lambda run, progress, images: given.append(images) or {})
    vae_run.explore(images=vae_run.images[:0])
    vae_run.explore()
    assert [len(images) for images in given] == [0, len(vae_run.images)]


def test_the_page_for_notebooks_is_no_part_of_a_site(built, vae_run, tmp_path):
    files = site.site_files(vae_run.run, images=vae_run.images)
    assert not [name for name in files if name.startswith("/cell")]
    folder = tmp_path / "site"
    site.export_site(vae_run.run, folder, images=vae_run.images)
    assert not (folder / "cell").exists()
    (folder / "cell").mkdir()  # a user's own
    with pytest.raises(ArmoireError, match="also cell, which would be lost"):
        site.export_site(vae_run.run, folder, images=vae_run.images)
