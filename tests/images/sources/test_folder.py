from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from data_sets import DataSet, rejected, saved, zipped
from PIL import Image

from armoire import load_images
from armoire.errors import ArmoireError
from armoire.images.imageset import split_by_content


def picture(seed: int, colour: bool = True, size: tuple[int, int] = (20, 20)) -> Image.Image:
    shape = (size[1], size[0], 3) if colour else (size[1], size[0])
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def png(seed: int, **options) -> bytes:
    return saved(picture(seed, **options)).getvalue()


def fill(root: Path, names: list[str], colour: bool = True) -> Path:
    """A folder of noise pictures; each name its own noise."""
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(seed, colour=colour))
    return root


def in_zip(folder: Path, members: dict[str, bytes]) -> Path:
    (folder / "set.zip").write_bytes(zipped(members))
    return folder / "set.zip"


@pytest.fixture
def photos(tmp_path) -> Path:
    return fill(tmp_path / "photos", [f"{i:02d}.png" for i in range(30)])


def labels_of(images) -> dict[str, str | None]:
    names = [images.info.classes[i] if i >= 0 else None for i in images.labels]
    return dict(zip(images.ids, names, strict=True))


def test_a_folder_of_pictures(photos):
    images = load_images(photos, size=16)
    assert len(images) == 30
    assert images.shape == (16, 16, 3)
    assert images.info.name == "photos"
    assert sorted(images.ids) == [f"{i:02d}.png" for i in range(30)]
    assert set(labels_of(images).values()) == {None}
    for name, pixels in zip(images.ids, images.images, strict=True):
        small = picture(int(name[:2])).resize((16, 16), Image.Resampling.BILINEAR)
        assert np.array_equal(pixels, np.asarray(small))


def test_the_store_holds_train_then_valid_then_test(tmp_path):
    names = [f"{split}/{kind}/{i}.png" for split in ("test", "train", "val") for kind in "ab" for i in range(3)]
    images = load_images(fill(tmp_path / "set", names), size=16)
    assert images.split_of.tolist() == ["train"] * 6 + ["valid"] * 6 + ["test"] * 6
    assert images.splits == {"train": 6, "valid": 6, "test": 6}
    assert images.info.classes == ("a", "b")
    assert labels_of(images)["val/b/1.png"] == "b"
    assert all(name.startswith("test/") for name in images.split("test").ids)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ({f"{kind}/{place}{i}.png": kind for kind in ("cat", "Dog", "ant") for place in ("", "deep/") for i in (0, 1)},
         ("Dog", "ant", "cat")),
        ({"a/0.png": "a", "b/1.png": "b", "loose.png": None}, ("a", "b")),
        ({"data/all/x/0.png": "x", "data/all/y/1.png": "y"}, ("x", "y")),
        ({"only/0.png": None, "only/1.png": None}, ()),
    ],
)  # fmt: skip
def test_labels_are_the_names_of_the_folders_that_differ(tmp_path, labels, classes):
    images = load_images(fill(tmp_path / "set", list(labels)), size=16)
    assert (labels_of(images), images.info.classes) == (labels, classes)


@pytest.mark.parametrize(("name", "n"), [("{}.png", 2), ("{}.png", 3), ("train/{}.png", 20)])
def test_some_are_trained_on_and_some_held_out(tmp_path, name, n):
    names = [name.format(i) for i in range(n)]
    assert set(load_images(fill(tmp_path / "set", names), size=16).splits) == {"train", "test"}


def test_hidden_files_and_what_a_mac_leaves_are_ignored(tmp_path):
    names = ["0.png", "1.png", ".hidden.png", ".git/2.png", "__MACOSX/._0.png", "a/.DS_Store/3.png"]
    folder = fill(tmp_path / "set", names)
    assert sorted(load_images(folder, size=16).ids) == ["0.png", "1.png"]
    archive = in_zip(tmp_path, {name: (folder / name).read_bytes() for name in names})
    assert sorted(load_images(archive, size=16).ids) == ["0.png", "1.png"]


def test_broken_files_are_named_with_their_reason(photos, recorder):
    whole = png(99)
    (photos / "cut.png").write_bytes(whole[: len(whole) // 2])
    (photos / "text.jpg").write_text("hello")
    (photos / "empty.gif").write_bytes(b"")
    (photos / "vector.svg").write_text("<svg/>")
    images = load_images(photos, size=16, progress=recorder)
    assert len(images) == 30
    reasons = rejected(images.store)
    assert set(reasons) == {"cut.png", "text.jpg", "empty.gif", "vector.svg"}
    assert reasons["cut.png"].startswith("damaged")
    assert reasons["text.jpg"] == reasons["vector.svg"] == "not a JPEG, PNG, WEBP, BMP, GIF, TIFF or HEIC image"
    assert reasons["empty.gif"] == "empty file"
    assert images.info.rejected == images.describe()["rejected"] == 4
    assert images.rejections.startswith("4 of 34 files could not be read and are excluded")
    assert str(images.store / "rejected.csv") in images.rejections
    assert load_images(fill(photos.parent / "whole", ["0.png", "1.png"]), size=16).rejections == ""
    assert recorder.done == recorder.total == 34


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_nothing_but_broken_files_is_told(tmp_path, kind, cache):
    members = {f"{i}.png": b"hello" for i in range(3)}
    source = in_zip(tmp_path, members) if kind == "zip" else DataSet(members, {}).write(tmp_path / "set")
    with pytest.raises(
        ArmoireError, match=r"holds 0 readable images; 3 could not be read, the first, 0\.png, is not a"
    ):
        load_images(source, size=16)
    assert list(cache.rglob("*")) == []


@pytest.mark.parametrize("kind", ["folder", "zip", "notes"])
def test_an_empty_source_is_told(tmp_path, kind):
    (tmp_path / "set").mkdir()
    source = in_zip(tmp_path, {}) if kind == "zip" else tmp_path / "set"
    if kind == "notes":
        (source / "README.md").write_text("hello")
    with pytest.raises(ArmoireError, match="no images in"):
        load_images(source, size=16)


def test_a_file_that_is_no_zip_is_told(tmp_path):
    (tmp_path / "photo.png").write_bytes(png(0))
    with pytest.raises(ArmoireError, match="is not a zip"):
        load_images(tmp_path / "photo.png")
    archive = in_zip(tmp_path, {f"{i}.png": png(i) for i in range(5)})
    archive.write_bytes(archive.read_bytes()[:-40])
    with pytest.raises(ArmoireError, match="is not a zip"):
        load_images(archive, size=16)


@pytest.mark.parametrize("colour", [False, True])
def test_grey_is_detected(tmp_path, colour):
    folder = fill(tmp_path / "set", [f"{i}.png" for i in range(6)], colour=False)
    picture(50, colour=False).convert("RGB").save(folder / "as-colour.png")
    if colour:
        picture(51).save(folder / "one-in-colour.png")
    images = load_images(folder, size=16)
    assert images.shape == (16, 16, 3 if colour else 1)
    assert images.info.fit.channels == (3 if colour else 1)


def test_channels_asked_for_change_neither_splits_nor_grey_pixels(tmp_path):
    folder = fill(tmp_path / "set", [f"{i:02d}.png" for i in range(40)], colour=False)
    found, one, three = (load_images(folder, size=16, channels=c) for c in (None, 1, 3))
    assert found.info.fingerprint == one.info.fingerprint
    assert found.table == one.table == three.table
    assert np.array_equal(np.repeat(one.images, 3, axis=3), three.images)


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("asked", [1, 3])
def test_channels_asked_for_once_are_not_those_of_a_set(tmp_path, colour, asked, recorder):
    folder = fill(tmp_path / "set", [f"{i}.png" for i in range(6)], colour=colour)
    assert load_images(folder, size=16, channels=asked).shape[2] == asked
    assert load_images(folder, size=16, progress=recorder).shape[2] == (3 if colour else 1)
    load_images(folder, size=16, channels=3 if colour else 1, progress=recorder)
    assert len(recorder.titles) == 1


def test_a_size_between_powers_of_two_is_padded(photos):
    images = load_images(photos, size=20, background="#010203")
    assert images.shape == (32, 32, 3)
    assert (images.images[:, :6] == [1, 2, 3]).all()
    for name, pixels in zip(images.ids, images.images, strict=True):
        assert np.array_equal(pixels[6:26, 6:26], np.asarray(picture(int(name[:2]))))


def test_the_store_is_used_again_until_a_file_changes(photos, recorder):
    first = load_images(photos, size=16, progress=recorder)
    assert recorder.titles == ["reading photos"]
    again = load_images(photos, size=16, progress=recorder)
    assert recorder.titles == ["reading photos"]
    assert again.info == first.info
    assert isinstance(again.images, np.memmap)

    (photos / "07.png").write_bytes(png(1000))
    changed = load_images(photos, size=16, progress=recorder)
    assert len(recorder.titles) == 2
    assert changed.info.fingerprint != first.info.fingerprint
    (photos / "08.png").unlink()
    assert len(load_images(photos, size=16, progress=recorder)) == 29
    fill(photos, ["new.png"])
    assert len(load_images(photos, size=16, progress=recorder)) == 30
    assert len(recorder.titles) == 4
    for size, fit in ((32, "crop"), (16, "pad"), (32, "crop")):  # a store of its own for each
        assert load_images(photos, size=size, fit=fit, progress=recorder).shape[0] == size
    assert len(recorder.titles) == 6


@pytest.mark.parametrize("name", ["images.npy", "table.parquet", "info.json"])
@pytest.mark.parametrize("content", [b"", b"[1]", None])
def test_a_damaged_store_is_built_again(photos, recorder, name, content):
    first = load_images(photos, size=16, progress=recorder)
    fingerprint = first.info.fingerprint
    (first.store / name).unlink()  # the open one stays mapped
    if content is not None:
        (first.store / name).write_bytes(content)
    again = load_images(photos, size=16, progress=recorder)
    assert len(recorder.titles) == 2
    assert again.info.fingerprint == fingerprint


def test_copies_have_one_split_which_stays_when_images_are_added(tmp_path):
    folder = fill(tmp_path / "set", [f"{i:03d}.png" for i in range(60)])
    for i in range(60):
        (folder / f"{i:03d}-copy.png").write_bytes(png(i))
    before = load_images(folder, size=16)
    side = dict(zip(before.ids, before.split_of, strict=True))
    assert all(side[f"{i:03d}.png"] == side[f"{i:03d}-copy.png"] for i in range(60))
    assert 2 <= before.splits["test"] <= 30
    fill(folder, [f"{i:03d}.png" for i in range(90)])
    after = load_images(folder, size=16)
    assert side.items() <= dict(zip(after.ids, after.split_of, strict=True)).items()


def test_about_a_tenth_is_held_out():
    held = sum(split_by_content(bytes([i % 256, i // 256])) == "test" for i in range(5000))
    assert held == pytest.approx(500, abs=5 * 21)


def test_links_are_followed_and_each_folder_is_read_once(photos, tmp_path):
    fill(tmp_path / "elsewhere" / "cats", ["a.png", "b.png"])
    (photos / "cats").symlink_to(tmp_path / "elsewhere" / "cats")
    (photos / "loop").symlink_to(photos)
    (photos / "sub").mkdir()
    (photos / "sub" / "up").symlink_to("..")
    (photos / "link.png").symlink_to(photos / "00.png")
    (photos / "nowhere.png").symlink_to(photos / "missing.png")
    images = load_images(photos, size=16)
    assert sorted(images.ids) == sorted([*(f"{i:02d}.png" for i in range(30)), "link.png", "cats/a.png", "cats/b.png"])
    assert set(rejected(images.store)) == {"nowhere.png"}
    assert {item.name for item in images.reading.ignored} == {"loop/", "sub/up/"}


def test_broken_members_of_a_zip_are_named(tmp_path):
    archive = in_zip(tmp_path, {f"{i}.png": png(i) for i in range(5)} | {"bad.png": b"hello"})
    content = bytearray(archive.read_bytes())
    start = content.find(png(3))
    content[start + 100] ^= 0xFF
    archive.write_bytes(bytes(content))
    images = load_images(archive, size=16)
    reasons = rejected(images.store)
    assert set(reasons) == {"3.png", "bad.png"}
    assert "CRC" in reasons["3.png"]


def test_names_that_are_not_utf8_are_kept_readable(tmp_path):
    folder = fill(tmp_path / "set", ["0.png", "1.png"])
    (folder / os.fsdecode(b"caf\xe9.png")).write_bytes(png(2))
    (folder / os.fsdecode(b"bad\xe9.png")).write_bytes(b"hello")
    images = load_images(folder, size=16)
    assert sorted(images.ids) == ["0.png", "1.png", "caf\\udce9.png"]
    assert set(rejected(images.store)) == {"bad\\udce9.png"}


def test_warnings_of_the_process_are_left_as_they_were(photos):
    before = list(warnings.filters)
    load_images(photos, size=16)
    assert warnings.filters == before


def test_pictures_that_pillow_warns_of_are_read(tmp_path):
    folder = fill(tmp_path / "set", ["0.png", "1.png"])
    # Pillow warns of palettes whose transparency is a string of bytes, when they are converted
    image = Image.new("P", (16, 16), 0)
    image.putpalette([i % 256 for i in range(768)])
    for i in range(40):
        image.save(folder / f"p{i}.png", transparency=bytes([0] * (i + 1) + [255] * (255 - i)))
    images = load_images(folder, size=16)
    assert images.info.rejected == 0


@pytest.mark.parametrize("path", ["stores", "."])
def test_a_cache_that_cannot_be_written_is_told(photos, tmp_path, monkeypatch, path):
    place = tmp_path / "blocked" / path
    place.parent.mkdir(exist_ok=True)
    place.write_text("")
    monkeypatch.setenv("ARMOIRE_CACHE", str(tmp_path / "blocked"))
    with pytest.raises(ArmoireError, match="cannot write"):
        load_images(photos, size=16)


def test_the_current_folder_has_a_name(photos, monkeypatch):
    monkeypatch.chdir(photos)
    assert load_images(".", size=16).info.name == "photos"


def test_zips_of_a_folder_are_classes_and_announced(tmp_path, recorder):
    for name in ("cats", "dogs"):
        (tmp_path / f"{name}.zip").write_bytes(zipped({f"{name}{i}.png": png(i) for i in range(3)}))
    images = load_images(tmp_path, 16, progress=recorder)
    assert images.info.classes == ("cats", "dogs")
    assert any("2 zips, such as cats.zip, are read as folders of their names" in note for note in images.reading.notes)


def test_learn_is_training(tmp_path):
    fill(tmp_path, [f"{split}/{kind}/{i}.png" for split in ("learn", "test") for kind in "ab" for i in range(2)])
    images = load_images(tmp_path, 16)
    assert images.splits == {"train": 4, "test": 4}
    assert images.info.classes == ("a", "b")
