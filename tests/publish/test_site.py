"""The explorer's data are those of the run, in the format of docs/site.md, and are written when out of date."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from armoire import Wardrobe, evaluate, train
from armoire.errors import ArmoireError
from armoire.images import Fit, ImageSet, SetInfo
from armoire.images.imageset import fingerprint, make_table
from armoire.publish import page, site, sitedata, write_onnx
from armoire.publish.onnx import OnnxPair
from armoire.publish.thumbnails import in_neighbourhoods, layout, make_sheets, thumbnails
from armoire.training import Run
from armoire.wardrobe.axes import principal_axes

DOCS = (Path(__file__).parents[2] / "docs/site.md").read_text(encoding="utf-8")
CLASSES = ("가방", "</script>", "Straße")
ATTRIBUTES = ("안경", "Smiling")
NO_MODELS = OnnxPair(b"encoder", b"decoder")


@pytest.fixture(scope="module")
def faces(pictures) -> ImageSet:
    """60 training and 20 test images in colour, with attributes, some labels unknown, and names in other scripts."""
    n = 80
    images, random = pictures(n, 16, 3), np.random.default_rng(0)
    labels = [None if i % 7 == 0 else i % 3 for i in range(n)]
    known = {name: random.integers(-1, 2, n).astype(np.int8) for name in ATTRIBUTES}
    table = make_table([f"폴더/{i:04d}.png" for i in range(n)], ["train"] * 60 + ["test"] * 20, labels, known)
    fit = Fit(16, background=(0, 0, 0), channels=3)
    return ImageSet(images, table, SetInfo("얼굴", "", fit, CLASSES, fingerprint(images, table)))


@pytest.fixture(scope="module")
def faces_run(tmp_path_factory, tiny, faces) -> Wardrobe:
    return train(tiny(latent=3, prior="gmm"), faces, tmp_path_factory.mktemp("runs") / "벽장", device="cpu")


@pytest.fixture(scope="module")
def data(faces_run, faces) -> Path:
    return site.site_data(Run.open(faces_run.run.path), images=faces)


@pytest.fixture(scope="module")
def data_of_ae(tmp_path_factory, ae_run, discs) -> Path:
    copy = shutil.copytree(ae_run.run.path, tmp_path_factory.mktemp("copies") / "ae")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sitedata, "export_run", lambda wardrobe, progress: NO_MODELS)
        return site.site_data(Run.open(copy), images=discs())


@pytest.fixture
def copied(tmp_path, vae_run) -> Run:
    not_explored = shutil.ignore_patterns("explorer")  # another test may have explored it
    return Run.open(shutil.copytree(vae_run.run.path, tmp_path / "vae", ignore=not_explored))


@pytest.fixture
def quick(monkeypatch) -> list[str]:
    """ONNX export, which takes seconds, is replaced; the names of the runs exported."""
    exported: list[str] = []
    monkeypatch.setattr(
        sitedata, "export_run", lambda wardrobe, progress: exported.append(wardrobe.run.name) or NO_MODELS
    )
    return exported


@pytest.fixture
def built(tmp_path, monkeypatch) -> Path:
    """A small page of the same files as the built one."""
    folder = tmp_path / "package/explorer"
    for name in ("index.html", "icon.svg", "licenses.md", "assets/index-CY6avwgp.js", ".built"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    monkeypatch.setattr(page.resources, "files", lambda name: tmp_path / "package")
    return folder


def manifest_of(folder: Path) -> dict:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"), parse_constant=refuse)


def array(folder: Path, name: str) -> np.ndarray:
    entry = manifest_of(folder)["files"][name]
    values = np.frombuffer((folder / entry["path"]).read_bytes(), np.dtype(entry["dtype"]).newbyteorder("<"))
    return values.reshape(entry["shape"])


def rows_of(folder: Path, wardrobe: Wardrobe) -> np.ndarray:
    """Which row of the run's latents each image shown is."""
    where = {name: row for row, name in enumerate(wardrobe.latents.ids)}
    return np.array([where[name] for name in json.loads((folder / "ids.json").read_text(encoding="utf-8"))])


def thumbnail(folder: Path, k: int) -> np.ndarray:
    """The k-th image shown, as its sheet has it."""
    sheets = manifest_of(folder)["sheets"]
    number, within = divmod(int(array(folder, "tiles")[k]), sheets["per_sheet"])
    row, column = divmod(within, sheets["columns"])
    with Image.open(folder / sheets["files"][number]["path"]) as sheet:
        side = sheets["side"]
        area = (column * side, row * side, (column + 1) * side, (row + 1) * side)
        return np.asarray(sheet.crop(area)).astype(int)


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_every_file_is_named_with_its_length_digest_and_shape(data):
    manifest = manifest_of(data)
    named = {"manifest.json"}
    for entry in [*manifest["files"].values(), *manifest["sheets"]["files"]]:
        content = (data / entry["path"]).read_bytes()
        named.add(entry["path"])
        assert len(content) == entry["bytes"]
        assert entry.get("sha256") in (None, hashlib.sha256(content).hexdigest())
        if "dtype" in entry:
            assert entry["bytes"] == np.dtype(entry["dtype"]).itemsize * np.prod(entry["shape"])
    assert {p.name for p in data.iterdir()} == named | {".cache_key.json"}
    shapes = {name: (entry["dtype"], entry["shape"]) for name, entry in manifest["files"].items() if "dtype" in entry}
    assert shapes == {
        "latents": ("float32", [80, 3]),
        "labels": ("int16", [80]),
        "splits": ("uint8", [80]),
        "attributes": ("int8", [2, 80]),
        "axes": ("float32", [3, 3]),
        "class_directions": ("float32", [3, 3]),
        "directions": ("float32", [2, 3]),
        "draws_gmm": ("float32", [4096, 3]),
        "tiles": ("uint32", [80]),
    }


def test_rows_are_those_of_the_run(data, faces_run):
    latents, rows = faces_run.latents, rows_of(data, faces_run)
    assert sorted(rows) == list(range(80))
    assert list(rows) != sorted(rows)
    np.testing.assert_array_equal(array(data, "latents"), latents.mean[rows])
    np.testing.assert_array_equal(array(data, "labels"), latents.labels[rows])
    names = np.array(manifest_of(data)["data"]["splits"])
    assert names[array(data, "splits")].tolist() == [latents.table["split"][int(row)].as_py() for row in rows]
    for known, name in zip(array(data, "attributes"), manifest_of(data)["data"]["attributes"], strict=True):
        np.testing.assert_array_equal(known, latents.attribute(name)[rows])


def test_the_manifest_describes_run_data_and_latents(data, faces_run):
    manifest = manifest_of(data)
    assert (manifest["format"], manifest["version"]) == ("armoire-site", 1)
    assert manifest["run"]["name"] == "벽장"
    assert manifest["run"]["model_sha256"] == faces_run.run.model_sha256()
    about = manifest["data"]
    assert [c["name"] for c in about["classes"]] == list(CLASSES)
    assert all(re.fullmatch(r"#[0-9a-f]{6}", c["colour"]) for c in about["classes"])
    assert (about["name"], about["splits"], about["split_sizes"]) == ("얼굴", ["train", "test"], [60, 20])
    assert (about["held_out"], about["shown"], about["of"]) == ("test", 80, 80)
    assert manifest["image"] == {"height": 16, "width": 16, "channels": 3}
    assert manifest["fit"] == {"size": 16, "how": "crop", "background": [0, 0, 0], "channels": 3, "canvas": 16}
    train_means = faces_run.latents.split("train").mean
    np.testing.assert_allclose(manifest["latent"]["mean"], train_means.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(manifest["latent"]["spread"], train_means.std(axis=0), rtol=1e-6)


def test_axes_and_directions_are_those_of_the_run(data, faces_run):
    manifest = manifest_of(data)
    axes = principal_axes(faces_run.latents.split("train").mean, 10)
    np.testing.assert_array_equal(array(data, "axes"), axes.vectors)
    np.testing.assert_allclose([axis["scale"] for axis in manifest["axes"]], axes.scales, rtol=1e-6)
    assert sum(axis["share"] for axis in manifest["axes"]) == pytest.approx(1)
    for vector, entry in zip(array(data, "directions"), manifest["directions"], strict=True):
        direction = faces_run.direction(entry["attribute"])
        np.testing.assert_array_equal(vector, direction.vector)
        assert {name: getattr(direction, name) for name in entry} == entry


def test_class_directions_are_those_against_all_other_classes(data, data_of_ae, ae_run, faces_run):
    entries = manifest_of(data_of_ae)["class_directions"]
    assert [entry["attribute"] for entry in entries] == ["a", "b", "c"]
    for vector, entry in zip(array(data_of_ae, "class_directions"), entries, strict=True):
        direction = ae_run.direction(entry["attribute"])
        np.testing.assert_allclose(vector, direction.vector, atol=1e-4)
        assert entry["scale"] == pytest.approx(direction.scale, rel=1e-4)
    assert bool(manifest_of(data)["class_directions"]) == bool(faces_run.run.data.classes)


def test_priors_and_error_percentiles_are_those_of_the_run(data, data_of_ae, faces_run):
    fitted, normal, box = manifest_of(data)["priors"]
    assert fitted == {"kind": "gmm", "file": "draws_gmm"}
    np.testing.assert_array_equal(array(data, "draws_gmm"), faces_run.sample(4096, prior="gmm"))
    held_out = faces_run.latents.split("test").mean
    assert normal == {"kind": "normal"}
    np.testing.assert_allclose(box["low"], held_out.min(axis=0), rtol=1e-6)
    np.testing.assert_allclose(box["high"], held_out.max(axis=0), rtol=1e-6)
    ae = manifest_of(data_of_ae)
    assert [prior["kind"] for prior in ae["priors"]] == ["box"]
    assert not {"attributes", "directions"} & ae["files"].keys()
    assert ae["directions"] == ae["data"]["attributes"] == []
    usual = faces_run.calibration
    assert manifest_of(data)["error_percentiles"] == {"percentiles": usual.error_percentiles(), "images": 20}


def test_a_prior_fitted_later_is_added(copied, discs, quick):
    before = site.site_data(copied, images=discs())
    assert [prior["kind"] for prior in manifest_of(before)["priors"]] == ["normal", "box"]
    assert site.site_data(copied, images=discs()) == before
    assert len(quick) == 1
    Wardrobe.open(copied.path, discs()).fit_prior("gmm")
    after = site.site_data(Run.open(copied.path), images=discs())
    assert [prior["kind"] for prior in manifest_of(after)["priors"]] == ["gmm", "normal", "box"]
    assert len(quick) == 2


def test_samples_between_training_images_come_with_their_names(copied, discs, quick):
    wardrobe = Wardrobe.open(copied.path, discs())
    wardrobe.fit_prior("neighbours")
    data = site.site_data(Run.open(copied.path), images=discs())
    chosen = manifest_of(data)["priors"][0]
    assert chosen == {"kind": "neighbours", "file": "draws_neighbours", "sources": "sources_neighbours"}
    named = json.loads((data / manifest_of(data)["files"]["sources_neighbours"]["path"]).read_text("utf-8"))
    expected = wardrobe.sample_sources(4096, prior="neighbours")
    assert [set(one) for one in named] == [set(one) for one in expected]
    assert all(abs(sum(one.values()) - 1) < 1e-3 for one in named)


def test_diagnostics_are_the_numbers_of_evaluate(data, data_of_ae, ae_run):
    diagnostics, latent = manifest_of(data_of_ae)["diagnostics"], evaluate(ae_run).latent
    assert (diagnostics.pop("split"), diagnostics.pop("n")) == ("test", 10)
    ks = diagnostics.pop("ks")
    assert max(ks) == pytest.approx(latent["ks_max"], rel=1e-6)
    assert np.mean(ks) == pytest.approx(latent["ks_mean"], rel=1e-6)
    assert diagnostics == {name: latent[name] for name in diagnostics}
    assert {"areas", "drawn_in_holes", "spread", "active_units"} <= diagnostics.keys()
    assert "areas" not in manifest_of(data)["diagnostics"]  # of three dimensions


def test_the_models_are_those_of_an_onnx_export(data, faces_run, tmp_path):
    write_onnx(faces_run, tmp_path)
    for name in ("encoder.onnx", "decoder.onnx"):
        assert (data / name).read_bytes() == (tmp_path / name).read_bytes()


@pytest.mark.parametrize(("folder", "wardrobe"), [("data", "faces_run"), ("data_of_ae", "ae_run")])
def test_a_thumbnail_shows_the_image_of_its_row(folder, wardrobe, request):
    folder, wardrobe = request.getfixturevalue(folder), request.getfixturevalue(wardrobe)
    sheets = manifest_of(folder)["sheets"]
    rows = rows_of(folder, wardrobe)
    assert sheets["per_sheet"] == sheets["columns"] * sheets["rows"]
    for k, row in enumerate(rows.tolist()):
        image = wardrobe.images.images[row].squeeze()
        assert np.abs(thumbnail(folder, k) - image).mean() < 8


def test_several_sheets_have_every_row_once(discs):
    images, rows = discs(), np.random.default_rng(0).permutation(50)
    sheets = [(n, Image.open(BytesIO(sheet))) for n, sheet in make_sheets(images, rows, 16, 4)]
    assert [n for n, _ in sheets] == [16, 16, 16, 2]
    assert [sheet.size for _, sheet in sheets] == [(64, 64)] * 3 + [(64, 16)]
    last = np.asarray(sheets[-1][1])
    assert np.abs(last[:, 16:32].astype(int) - images.images[rows[-1], ..., 0]).mean() < 5
    assert last[:, 34:].max() < 8  # unused tiles are black


def test_a_thumbnail_does_not_bleed_into_its_neighbours(discs):
    images = np.zeros((9, 16, 16, 3), np.uint8)
    images[4] = (255, 0, 0)
    images = ImageSet(images, discs().table.slice(0, 9), discs().info)
    ((_, sheet),) = make_sheets(images, np.arange(9), 16, 3)
    around = np.asarray(Image.open(BytesIO(sheet))).copy()
    around[16:32, 16:32] = 0
    assert around.max() == 0


@pytest.mark.parametrize("size", [16, 64, 256])
@pytest.mark.parametrize("n", [1, 50, 100_000])
def test_thumbnails_are_means_of_blocks_on_sheets_that_a_browser_decodes_quickly(size, n):
    side, columns = layout(n, size)
    assert side == min(size, 64)
    assert side * columns <= 1024
    assert columns * columns >= n or side * (columns + 1) > 1024
    images = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), np.uint8)
    small, k = thumbnails(images, side), size // side
    assert (small.dtype, small.shape) == (np.uint8, (2, side, side, 3))
    assert small[1, 3, 5, 0] == round(float(images[1, 3 * k : 4 * k, 5 * k : 6 * k, 0].mean()))


def test_neighbours_on_the_map_are_on_one_sheet():
    points = np.random.default_rng(0).random((4096, 2), np.float32)
    order = in_neighbourhoods(points)
    assert sorted(order) == list(range(4096))
    # 64 consecutive images fill a 64th of the square, with a side of an eighth.
    extents = np.ptp(points[order].reshape(64, 64, 2), axis=1)
    assert np.median(extents) < 0.2
    for n in (1, 2, 3):
        assert sorted(in_neighbourhoods(np.zeros((n, 2), np.float32))) == list(range(n))


def test_as_many_are_shown_as_a_page_can_hold():
    assert len(sitedata.shown_rows(70_000, 2)) == 70_000
    assert len(sitedata.shown_rows(202_599, 2)) == 100_000
    assert len(set(sitedata.shown_rows(202_599, 200))) == 80_000


def documented() -> dict[str, set[str]]:
    """The keys of docs/site.md's table, and the words in its code next to each."""
    rows = re.findall(r"^\| (`.+?) \| (.+) \|$", DOCS, flags=re.MULTILINE)
    return {
        key: set(re.findall(r"\w+", " ".join(re.findall(r"`(.+?)`", text))))
        for keys, text in rows
        for key in re.findall(r"`(\w+)`", keys)
    }


def test_every_key_is_documented_and_every_documented_key_is_there(data, data_of_ae):
    table = documented()
    assert table.keys() == manifest_of(data).keys()
    for folder in (data, data_of_ae):
        for key, value in manifest_of(folder).items():
            if key != "files":
                part = value[0] if isinstance(value, list) and value else value
                names = set(part) if isinstance(part, dict) else set()
                assert names <= table[key], key


def test_every_file_is_documented(data):
    block = DOCS[DOCS.index("data/\n") :]
    named = set(re.findall(r"^  ([\w.-]+\.\w+) ", block[: block.index("```")], flags=re.MULTILINE))
    assert {re.sub(r"\d{3}", "NNN", p.name) for p in data.iterdir()} - {".cache_key.json"} == named


def test_a_run_with_one_latent_dimension(tmp_path, tiny, discs, quick):
    one = train(tiny(latent=1), discs(12, 4), tmp_path / "line", device="cpu")
    folder = site.site_data(one.run, images=discs(12, 4))
    assert manifest_of(folder)["files"]["latents"]["shape"] == [16, 1]
    assert manifest_of(folder)["files"]["axes"]["shape"] == [1, 1]
    assert sorted(array(folder, "tiles")) == list(range(16))


def test_a_run_trained_on_few_of_the_images(tmp_path, tiny, discs, quick):
    few = train(tiny(limit=8), discs(), tmp_path / "few", device="cpu")
    folder = site.site_data(few.run, images=discs())
    assert manifest_of(folder)["data"]["split_sizes"] == [8, 10]
    last = rows_of(folder, few).tolist().index(17)  # the last test image, number 49 of the set
    assert np.abs(thumbnail(folder, last) - discs().images[49, ..., 0]).mean() < 5


def test_thumbnails_are_added_once_the_images_are_available(copied, discs, quick, recorder):
    (copied.path / "outliers.safetensors").unlink()
    folder = site.site_data(copied, recorder)
    manifest = manifest_of(folder)
    assert manifest["sheets"] is manifest["error_percentiles"] is None
    assert "tiles" not in manifest["files"]
    assert "no thumbnails of real images: " in recorder.notes[0]
    site.site_data(copied)
    assert quick == ["vae"]  # still without images: unchanged
    assert manifest_of(site.site_data(copied, images=discs()))["sheets"]
    assert quick == ["vae", "vae"]
    assert manifest_of(site.site_data(copied))["sheets"]
    assert quick == ["vae", "vae"]


def test_labels_too_large_for_int16_are_unknown(tmp_path, quick, tiny, pictures):
    images = pictures(12)
    table = make_table([str(i) for i in range(12)], ["train"] * 9 + ["test"] * 3, [None, 39_999, 32_767, *range(1, 10)])
    classes = tuple(f"class {k}" for k in range(40_000))
    many = ImageSet(images, table, SetInfo("many", "", Fit(16, channels=1), classes, fingerprint(images, table)))
    run = train(tiny(latent=3), many, tmp_path / "many", device="cpu").run
    labels = array(site.site_data(run, images=many), "labels")
    assert sorted(labels) == [-1, -1, *range(1, 10), 32_767]


def cut_file(run: Run, monkeypatch) -> None:
    os.truncate(run.path / "explorer/latents.f32", 7)


def newer_armoire(run: Run, monkeypatch) -> None:
    monkeypatch.setattr(site.metadata, "version", lambda name: "99.0")


@pytest.mark.parametrize("change", [cut_file, newer_armoire])
def test_damaged_data_and_those_of_another_version_are_written_again(copied, discs, quick, monkeypatch, change):
    folder = site.site_data(copied, images=discs())
    change(copied, monkeypatch)
    site.site_data(copied, images=discs())
    assert len(quick) == 2
    assert (folder / "latents.f32").stat().st_size == 50 * 2 * 4
    site.site_data(copied, images=discs())
    assert len(quick) == 2


def test_another_model_and_another_name_are_shown(copied, discs, quick, tiny):
    site.site_data(copied, images=discs())
    shutil.rmtree(copied.path)
    again = train(tiny(seed=1), discs(), copied.path, device="cpu").run
    manifest = manifest_of(site.site_data(again, images=discs()))
    assert manifest["run"]["model_sha256"] == again.model_sha256()
    moved = Run.open(again.path.rename(again.path.with_name("other")))
    assert manifest_of(site.site_data(moved, images=discs()))["run"]["name"] == "other"


def test_a_read_only_run_has_its_data_in_the_cache(copied, discs, quick, monkeypatch, cache):
    before = tree(copied.path)
    monkeypatch.setattr("armoire.io.artifacts.os.access", lambda path, mode: False)
    folder = site.site_data(copied, images=discs())
    assert folder.parent == cache / "explorer"
    assert manifest_of(folder)["sheets"]
    assert site.site_data(copied, images=discs()) == folder
    assert quick == ["vae"]
    assert tree(copied.path) == before


def test_data_that_are_up_to_date_are_found_without_torch(copied, discs, quick, built):
    site.site_data(copied, images=discs())
    code = (
        "import sys; from armoire.publish.site import site_data; from armoire.training import Run\n"
        f"site_data(Run.open({str(copied.path)!r}))\n"
        "print([m for m in ('torch', 'matplotlib', 'scipy', 'pyarrow', 'onnx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


@pytest.fixture
def ready(copied, discs, quick, built) -> Run:
    site.site_data(copied, images=discs())
    return copied


def test_an_export_has_the_served_files_and_replaces_an_older_one(ready, tmp_path, built):
    files = site.site_files(ready)
    assert page.page_folder() == built
    assert files["/"] == files["/index.html"] == built / "index.html"
    assert {"/assets/index-CY6avwgp.js", "/data/manifest.json", "/data/sheet-000.jpg"} <= files.keys()
    assert not any("/." in name for name in files)
    site.export_site(ready, tmp_path / "site")
    assert tree(tmp_path / "site") == {name[1:]: file.read_bytes() for name, file in files.items() if name != "/"}
    (tmp_path / "site/.DS_Store").touch()
    (built / "assets/index-CY6avwgp.js").rename(built / "assets/index-NEWnew12.js")
    site.export_site(ready, tmp_path / "site")
    assert [p.name for p in (tmp_path / "site/assets").iterdir()] == ["index-NEWnew12.js"]
    assert not (tmp_path / "site/.DS_Store").exists()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_an_export_that_fails_leaves_the_older_one(ready, tmp_path, monkeypatch):
    site.export_site(ready, tmp_path / "site")
    before = tree(tmp_path / "site")

    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(site.shutil, "copyfile", full)
    with pytest.raises(ArmoireError, match=r"cannot write .*site: no space left on device"):
        site.export_site(ready, tmp_path / "site")
    assert tree(tmp_path / "site") == before
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_an_empty_folder_a_link_a_relative_path_and_a_folder_in_the_run(ready, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    monkeypatch.chdir(tmp_path)
    site.export_site(ready, Path("link"))
    assert (tmp_path / "link").is_symlink()
    site.export_site(ready, Path("empty/../new"))
    site.export_site(ready, ready.path / "site")
    assert tree(tmp_path / "empty") == tree(tmp_path / "new") == tree(ready.path / "site")


REFUSED = {
    "other things": "there exists and is no exported explorer; choose an empty or a new folder",
    "a file": "there is a file; choose",
    "a repository around an export": "holds an exported explorer and also .git, which would be lost; choose",
    "notes in its data": "also data/notes.txt, which would be lost",
    "another data folder": "exists and is no exported explorer",
    "where the data are stored": "is where armoire stores the explorer of the run; choose another folder",
    "the run": "exists and is no exported explorer",
    "around the current folder": "would be replaced, and is the current folder",
}
ADDED = {"other things": "thesis.tex", "a repository around an export": ".git", "notes in its data": "data/notes.txt"}


def prepare(place: str, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of some kind that must not be exported to."""
    if place in ("a repository around an export", "notes in its data", "around the current folder"):
        site.export_site(run, folder)
    if place == "a file":
        folder.touch()
    elif place == "where the data are stored":
        return run.path / "explorer"
    elif place == "the run":
        return run.path
    elif place == "around the current folder":
        monkeypatch.chdir(folder / "data")
        return Path("..")
    else:
        (folder / "data").mkdir(parents=True, exist_ok=True)
        (folder / ADDED.get(place, "data/manifest.json")).write_text('["armoire-site"]')
    return folder


@pytest.mark.parametrize("place", REFUSED)
def test_only_an_older_export_is_ever_replaced(ready, tmp_path, monkeypatch, place):
    folder = prepare(place, ready, tmp_path / "there", monkeypatch)
    before = tree(tmp_path)
    with pytest.raises(ArmoireError, match=REFUSED[place]):
        site.export_site(ready, folder)
    assert tree(tmp_path) == before


def test_without_the_page_nothing_is_written(copied, quick, built, tmp_path):
    shutil.rmtree(built)
    for work in (lambda: site.site_files(copied), lambda: site.export_site(copied, tmp_path / "site")):
        with pytest.raises(ArmoireError, match="installed without it"):
            work()
    assert quick == []
    assert not (tmp_path / "site").exists()
