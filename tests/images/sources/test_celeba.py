"""CelebA in every layout in which people have it, written with drawn faces."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data_sets import rejected, zipped
from PIL import Image

from armoire import load_images
from armoire.errors import ArmoireError
from armoire.images.sources.drawn_faces import ATTRIBUTES, drawn_face, write_kaggle

N = 40
REAL = Path(__file__).parents[4] / "shared" / "celeba" / "celeba64-train-valid.zip"
PICTURES = Path("img_align_celeba") / "img_align_celeba"


@pytest.fixture(scope="session")
def kaggle(tmp_path_factory) -> Path:
    """Forty faces of 64 x 64 in the Kaggle layout, unpacked; not to be written to."""
    return write_kaggle(tmp_path_factory.mktemp("celeba") / "archive", N, size=(64, 64))


@pytest.fixture
def copied(kaggle, tmp_path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(kaggle, tmp_path / "archive"))


def celeba(path: Path, **options):
    return load_images(f"celeba:{path}", **{"size": 64} | options)


def table(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def write(path: Path, rows: list[list[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def as_zip(folder: Path, out: Path, below: str = "") -> Path:
    files = {below + file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*")) if file.is_file()}
    (out / "archive.zip").write_bytes(zipped({name: file.read_bytes() for name, file in files.items()}))
    return out / "archive.zip"


def as_higher(folder: Path, out: Path) -> Path:
    shutil.copytree(folder / PICTURES, out / "img_align_celeba")
    for name in ("list_attr_celeba.csv", "list_eval_partition.csv"):
        shutil.copy(folder / name, out)
    return out


def as_official(folder: Path, out: Path, count: bool = True, ending: str = "\n") -> Path:
    """img_align_celeba/, and tables between blanks: one that begins with the number of rows, one without header."""
    shutil.copytree(folder / PICTURES, out / "img_align_celeba")
    header, *rows = table(folder / "list_attr_celeba.csv")
    lines = (
        [str(len(rows))] * count
        + [" ".join(header[1:])]
        + [f"{r[0]} " + " ".join(f"{v:>2}" for v in r[1:]) for r in rows]
    )
    partition = [" ".join(row) for row in table(folder / "list_eval_partition.csv")[1:]]
    for name, text in (("Anno/list_attr_celeba.txt", lines), ("Eval/list_eval_partition.txt", partition)):
        (out / name).parent.mkdir(parents=True)
        (out / name).write_bytes((ending.join(text) + ending).encode())
    return out


LAYOUTS: dict[str, Callable[[Path, Path], Path]] = {
    "kaggle zip": as_zip,
    "kaggle zip with a folder around": lambda folder, out: as_zip(folder, out, "celeba-dataset/"),
    "unpacked in a folder around": lambda folder, out: Path(shutil.copytree(folder, out / "data/archive")).parent,
    "pictures one folder higher": as_higher,
    "official": as_official,
    "official without the number of rows": lambda folder, out: as_official(folder, out, count=False),
    "official with the line endings of Windows": lambda folder, out: as_official(folder, out, ending="\r\n"),
}


def test_what_is_in_the_files_is_in_the_set(kaggle):
    images = celeba(kaggle)
    assert images.shape == (64, 64, 3)
    assert images.info.name == "celeba"
    assert images.info.source == f"celeba:{kaggle}"
    assert images.info.fit.how == "stretch"
    assert images.splits == {"train": 32, "valid": 4, "test": 4}
    assert images.held_out == "test"
    assert images.attributes == list(ATTRIBUTES) == sorted(ATTRIBUTES)
    assert [str(field.type) for field in images.table.schema][3:] == ["bool"] * len(ATTRIBUTES)
    known = {name: images.attribute(name) for name in ATTRIBUTES}
    for row, (name, pixels, split) in enumerate(zip(images.ids, images.images, images.split_of, strict=True)):
        number = int(name.removesuffix(".jpg")) - 1
        assert split == {8: "valid", 9: "test"}.get(number % 10, "train")
        face = drawn_face(number)
        assert {a: known[a][row] for a in known} == {a: 1 if holds(face) else -1 for a, holds in ATTRIBUTES.items()}
        with Image.open(kaggle / PICTURES / name) as image:
            assert np.array_equal(pixels, np.asarray(image))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_the_same_set(kaggle, tmp_path, layout):
    (tmp_path / "given").mkdir()
    expected, found = celeba(kaggle), celeba(LAYOUTS[layout](kaggle, tmp_path / "given"))
    assert found.info.fingerprint == expected.info.fingerprint
    assert found.table == expected.table
    assert found.info.rejected == found.info.ignored == 0


def test_originals_are_stretched_as_a_whole(tmp_path):
    folder = write_kaggle(tmp_path / "large", 4, size=(178, 218))
    for size in (64, 32):
        images = celeba(folder, size=size)
        assert images.shape == (size, size, 3)
        for name, pixels in zip(images.ids, images.images, strict=True):
            with Image.open(folder / PICTURES / name) as image:
                assert image.size == (178, 218)
                expected = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR), dtype=int)
            # At 32 pixels the JPEG is decoded at half its size first, which costs a step or two of 255.
            assert np.abs(pixels - expected).mean() <= (0 if size == 64 else 3)


def test_any_columns_in_any_number_of_files(copied):
    header, *rows = table(copied / "list_attr_celeba.csv")
    smiling, glasses = header.index("Smiling"), header.index("Eyeglasses")
    (copied / "list_attr_celeba.csv").unlink()
    write(copied / "list_attr_celeba.csv", [["image_id", "Smiling"], *([row[0], row[smiling]] for row in rows)])
    half = [[row[0], row[smiling], row[glasses]] for row in rows[: N // 2]]
    write(copied / "more/list_attr_celeba_40.csv", [["image_id", "Smiling", "Eyeglasses"], *half])
    lines = [f"{row[0]} {row[header.index('Bangs')]}" for row in rows[5:15]]
    (copied / "list_attr_celeba_b.txt").write_text("10\nBangs\n" + "\n".join(lines) + "\n")
    images = celeba(copied)
    assert images.attributes == ["Bangs", "Eyeglasses", "Smiling"]
    assert images.info.attribute_files == ("list_attr_celeba.csv", "list_attr_celeba_b.txt", "list_attr_celeba_40.csv")
    whole = {row[0]: row for row in rows}
    for name, bangs, eyes, smile in zip(
        images.ids, *(images.attribute(a).tolist() for a in images.attributes), strict=True
    ):
        number, row = int(name[:6]), whole[name]
        assert smile == int(row[smiling])
        assert eyes == (int(row[glasses]) if number <= N // 2 else 0)
        assert bangs == (int(row[header.index("Bangs")]) if 5 < number <= 15 else 0)
    counts = images.describe()["attributes"]
    assert [sum(count.values()) for count in counts.values()] == [N] * 3
    assert (counts["Bangs"]["missing"], counts["Eyeglasses"]["missing"], counts["Smiling"]["missing"]) == (30, 20, 0)
    assert images.table["Bangs"].null_count == 30
    assert counts["Smiling"]["positive"] == sum(row[smiling] == "1" for row in rows)


def test_an_empty_cell_is_a_missing_value_whatever_wrote_it(copied):
    values = ["1", "-1", "", "1.0", "-1.0", "nan", "NaN", "0", "0.0"]
    rows = [[f"{i + 1:06d}.jpg", value] for i, value in enumerate(values)]
    write(copied / "list_attr_celeba.csv", [["image_id", "Smiling"], *rows])
    images = celeba(copied)
    known = dict(zip(images.ids, images.attribute("Smiling").tolist(), strict=True))
    assert [known[name] for name, _ in rows] == [1, -1, 0, 1, -1, 0, 0, -1, -1]
    assert known["000010.jpg"] == 0


def test_images_of_another_format_and_rows_of_absent_images(copied):
    for file in (copied / PICTURES).iterdir():
        with Image.open(file) as image:
            image.save(file.with_suffix(".png"))
        file.unlink()
    for number in (3, 17):
        (copied / PICTURES / f"{number:06d}.png").unlink()
    images = celeba(copied)
    assert set(images.ids) == {f"{i:06d}.png" for i in range(1, N + 1) if i not in (3, 17)}
    assert images.splits == {"train": 30, "valid": 4, "test": 4}
    assert all((images.attribute(name) != 0).all() for name in images.attributes)


def test_files_that_disagree_are_both_named(copied):
    header, *rows = table(copied / "list_attr_celeba.csv")
    value = str(-int(rows[6][header.index("Smiling")]))
    write(copied / "list_attr_celeba_40.csv", [["image_id", "Smiling"], [rows[6][0], value]])
    with pytest.raises(
        ArmoireError, match=r"celeba\.csv and list_attr_celeba_40\.csv disagree on Smiling of image 000007"
    ):
        celeba(copied)


BROKEN = {
    "image_id,Smiling\n000001.jpg,2\n": r"line 2 of list_attr_celeba\.csv has '2', which should be one of: 1, -1",
    "image_id,Smiling\n000001.jpg,1\n000002.jpg,1,1\n": r"line 3 of list_attr_celeba\.csv has 2 values",
    "image_id,Smiling\n000001.jpg\n": r"line 2 of list_attr_celeba\.csv has 0 values",
    "image_id,A,B,C\n000001.jpg,1\n": r"line 2 of list_attr_celeba\.csv has 1 values, its header 4",
    "image_id,Smiling\n000001.jpg,1\n000001.jpg,1\n": "lists image 000001 twice",
    "image_id,Smiling,Smiling\n000001.jpg,1,1\n": "distinct names",
    "image_id,mean_3\n000001.jpg,1\n": "'mean_3', which cannot name an attribute",
    "image_id,split\n000001.jpg,1\n": "'split', which cannot name an attribute",
    "image_id,Smiling\n": "one row per image",
    "": "cannot be read \\(empty file\\)",
    b"image_id,Smil\xffing\n": "cannot be read",
}


@pytest.mark.parametrize("content", BROKEN, ids=range(len(BROKEN)))
def test_a_table_that_cannot_be_understood_is_told(copied, content):
    raw = content if isinstance(content, bytes) else content.encode()
    (copied / "list_attr_celeba.csv").write_bytes(raw)
    with pytest.raises(ArmoireError, match=BROKEN[content]):
        celeba(copied)


@pytest.mark.parametrize("is_there", [False, True])
def test_a_partition_that_holds_nothing_out_is_replaced_by_the_content(copied, recorder, is_there):
    rows = [[name, "0"] for name, _ in table(copied / "list_eval_partition.csv")[1:]]
    (copied / "list_eval_partition.csv").unlink()
    if is_there:
        write(copied / "list_eval_partition.csv", [["image_id", "partition"], *rows])
    images = celeba(copied, progress=recorder)
    assert set(images.splits) == {"train", "test"}
    assert 1 <= images.splits["test"] <= 12
    assert len(recorder.notes) == 1
    why = "list_eval_partition.csv holds out none of these images" if is_there else "no list_eval_partition.csv or .txt"
    assert recorder.notes[0].startswith(f"celeba: {why}: a tenth of the images")
    assert (images.attribute("Smiling") != 0).all()


@pytest.mark.parametrize(("partition", "splits"), [("0 1", ["train", "valid"]), ("2", ["test"]), ("1", ["valid"])])
def test_the_official_partition_stays_what_it_is(copied, partition, splits, recorder):
    rows = table(copied / "list_eval_partition.csv")[1:]
    for name, number in rows:
        if number not in partition:
            (copied / PICTURES / name).unlink()
    images = celeba(copied, progress=recorder)
    assert list(images.splits) == splits
    assert len(images) == sum(number in partition for _, number in rows)
    assert recorder.notes == []
    if "test" not in splits:
        assert images.held_out == "valid"


def test_images_that_the_partition_does_not_list_were_held_out_by_nobody(copied, recorder):
    rows = table(copied / "list_eval_partition.csv")
    write(copied / "list_eval_partition.csv", [row for row in rows if row[0] not in ("000003.jpg", "000009.jpg")])
    images = celeba(copied, progress=recorder)
    assert images.splits == {"train": 33, "valid": 3, "test": 4}
    assert recorder.notes == ["celeba: 2 images that list_eval_partition.csv does not list are counted as train"]


def test_no_attribute_files_are_noted(copied, recorder):
    (copied / "list_attr_celeba.csv").unlink()
    images = celeba(copied, progress=recorder)
    assert images.attributes == []
    assert images.describe()["attributes"] == {}
    assert "no attributes" in recorder.notes[0]
    with pytest.raises(ArmoireError, match="no column 'Smiling' in celeba; there is none"):
        images.attribute("Smiling")


@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_a_damaged_picture_in_the_middle_is_named(kaggle, copied, tmp_path, kind):
    bad = copied / PICTURES / "000020.jpg"
    bad.write_bytes(bad.read_bytes()[:700])
    images = celeba(as_zip(copied, tmp_path) if kind == "zip" else copied)
    assert images.info.rejected == 1
    assert len(images) == N - 1
    assert rejected(images.store).keys() == {"000020.jpg"}
    assert rejected(images.store)["000020.jpg"].startswith("damaged")
    whole = celeba(kaggle)
    kept = np.array([name != "000020.jpg" for name in whole.ids])
    assert np.array_equal(images.images, whole.images[kept])
    assert images.table == whole.table.filter(kept)


def test_one_image_in_two_places_is_told(copied):
    shutil.copy(copied / PICTURES / "000001.jpg", copied / "img_align_celeba" / "000001.jpg")
    with pytest.raises(ArmoireError, match="has one image twice"):
        celeba(copied)


def test_other_pictures_beside_the_aligned_ones_are_ignored(copied):
    (copied / "img_celeba").mkdir()
    shutil.copy(copied / PICTURES / "000001.jpg", copied / "img_celeba" / "000001.jpg")
    (copied / "list_bbox_celeba.csv").write_text("image_id,x_1\n")
    images = celeba(copied)
    assert len(images) == N
    assert images.info.ignored == 2


@pytest.mark.parametrize("given", ["celeba", "celeba:", "celeba:nowhere", "celeba:."])
def test_what_is_not_there_is_told(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArmoireError, match=r"(no data at 'celeba|no images in ).*give celeba:PATH"):
        load_images(given)


def test_a_misspelt_attribute_names_the_file_and_the_nearest(kaggle, copied):
    with pytest.raises(
        ArmoireError, match=r"^no column 'Smilling' in list_attr_celeba\.csv; did you mean 'Smiling'\?$"
    ):
        celeba(kaggle).attribute("Smilling")
    write(copied / "list_attr_celeba_2.csv", [["image_id", "Male"], ["000001.jpg", "1"]])
    with pytest.raises(
        ArmoireError, match=r"in list_attr_celeba\.csv and list_attr_celeba_2\.csv; did you mean 'Male'"
    ):
        celeba(copied).attribute("male")
    with pytest.raises(ArmoireError, match="no column 'label'"):
        celeba(kaggle).attribute("label")


def test_the_store_is_used_again_until_a_table_changes(copied, recorder):
    celeba(copied, progress=recorder)
    celeba(copied, progress=recorder)
    assert recorder.titles == ["reading celeba"]
    (copied / "readme.txt").write_text("hello")
    celeba(copied, progress=recorder)
    assert len(recorder.titles) == 1
    write(copied / "list_attr_celeba.csv", [["image_id", "Male"], ["000001.jpg", "1"]])
    assert celeba(copied, progress=recorder).attributes == ["Male"]
    assert len(recorder.titles) == 2


def test_the_real_archive(unchecked):
    if not REAL.is_file():
        pytest.skip(f"the real CelebA is not at {REAL}; it may not be redistributed")
    unchecked("import sys; from armoire import load_images; load_images(sys.argv[1], size=16)", f"celeba:{REAL}")
    images = celeba(REAL, size=16)
    assert len(images) == 27_097
    assert images.splits == {"train": 24_152, "valid": 2_945}
    assert images.held_out == "valid"
    assert images.info.rejected == 0
    assert len(images.attributes) == 40
    missing = {name: count["missing"] for name, count in images.describe()["attributes"].items()}
    assert {name for name, n in missing.items() if n == 0} == {"Bangs", "Eyeglasses", "No_Beard", "Smiling"}
    assert {n for n in missing.values() if n} == {27_097 - 3_014}
    assert images.describe()["attributes"]["Smiling"] == {"positive": 12_984, "negative": 14_113, "missing": 0}
    first = images.ids.index("000002.jpg")
    assert images.split_of[first] == "train"
    assert [int(images.attribute(name)[first]) for name in ("Bangs", "No_Beard", "Smiling", "Young")] == [-1, 1, 1, 1]
