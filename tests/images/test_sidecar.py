"""Tables next to images: which column names them, what the others mean, and which rows and tables count."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import pytest

from armoire.errors import ArmoireError
from armoire.images.columns import ColumnChoice, Columns
from armoire.images.listing import FileListing
from armoire.images.sidecar import read_sidecars

N = 20
PLAIN = [f"{i:02d}.png" for i in range(N)]
KINDS = [("cat", "dog")[i % 2] for i in range(N)]


class InMemory(FileListing):
    """Files whose bytes are their places."""

    @property
    def root_name(self) -> str:
        return self.path.name

    def open(self, name: str) -> BytesIO:
        return BytesIO(self.places[name])


def read(names: list[str], files: Mapping[str, str | bytes], root: str = "", **choice) -> tuple[Columns, str]:
    """The columns of tables next to images of these names in a folder `root`, and all notes; no image is opened."""
    contents = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    notes: list[str] = []
    listing = InMemory(Path(root), names, "", dict.fromkeys(contents, ""), places=contents)
    columns, _ = read_sidecars(listing, notes.append, ColumnChoice(**choice))
    return columns, "\n".join([*notes, *columns.notes])


def table(header: str, row: str, **values) -> str:
    """A CSV of N rows; {n} is the image's name, {k} its class, {i} its number."""
    rows = (row.format(i=i, j=i + 1, n=PLAIN[i], k=KINDS[i], s=i // 5) for i in range(N))
    return "\n".join([header, *rows])


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (PLAIN, table("label,img", "{k},{i:02d}.png")),
        ([f"{i}.png" for i in range(N)], table("pages,img,label", "{s},{i}.png,{k}")),
        ([f"{i + 1}.png" for i in range(N)], table(",img,label", "{i},{j}.png,{k}")),
        ([f"{i + 1}.png" for i in range(N)], table("Unnamed: 0,image_id,label", "{i},{j},{k}")),
        (PLAIN, table("path,label", "/content/drive/pets/{n},{k}")),
        (PLAIN, table("path,label", "C:\\pets\\{n},{k}")),
        (PLAIN, table("path,label", "https://x.org/pets/{n}?w=200,{k}")),
        ([f"data/set/{name}" for name in PLAIN], table("path,label", "set/{n},{k}")),
        ([name.upper() for name in PLAIN], table("path,label", "{n},{k}")),
        ([f"{i:02d}.webp" for i in range(N)], table("path,label", "{n},{k}")),
        (PLAIN, table("id,label", "{i},{k}")),
        (PLAIN, table("id,label", "{i}.0,{k}")),
        ([f"사진{i:02d}.png" for i in range(N)], table("path,label", "사진{i:02d}.png,{k}")),
        (PLAIN, table(" path , label ", " {n} , {k} ")),
        (PLAIN, table("label", "{j} {n} {k}").replace(" ", ",").replace("label", "path,label")),
    ],
)
def test_the_column_that_names_the_images(names, text):
    columns, _ = read(names, {"t.csv": text})
    assert columns.labels == KINDS
    assert columns.label_column == "label"


def test_rows_and_tables_that_name_no_image_are_said():
    more = {"t.csv": table("path,label", "{n},{k}") + "\nother.png,cat", "prices.csv": "article,price\n1,2\n"}
    columns, said = read(PLAIN, more)
    assert columns.labels == KINDS
    assert "t.csv: 1 rows name no image, for example 'other.png'" in said
    assert "prices.csv is ignored: no column of it names the images" in said


def test_row_numbers_that_miss_name_nothing():
    columns, said = read([f"{i + 1}.png" for i in range(N)], {"t.csv": table(",label", "{i},{k}")})
    assert set(columns.labels) == {None}
    assert "no column of it names the images (--name-column)" in said
    columns, said = read(PLAIN, {"t.csv": table("a,b,label", "{n},{j:02d}.png,{k}")}, name="b")
    assert columns.labels == [None, *KINDS[:-1]]
    with pytest.raises(ArmoireError, match=r"no column 'image' for --name-column; there is: a, label"):
        read(PLAIN, {"t.csv": table("a,label", "{n},{k}")}, name="image")


def test_a_name_that_several_images_have_is_left_out_and_said():
    _, said = read([f"{a}/{name}" for a in "ab" for name in PLAIN], {"t.csv": table("path,label", "{n},{k}")})
    assert "'00.png' in its column 'path' may be any of a/00.png, b/00.png; write the folders" in said
    names = [*(f"a/{name}" for name in PLAIN), f"b/{PLAIN[0]}"]
    columns, said = read(names, {"t.csv": table("path,label", "{n},{k}")})
    assert columns.labels == [None, *KINDS[1:], None]
    assert f"1 rows may name several images and are left out; write their folders too, for example '{PLAIN[0]}'" in said


def test_rows_of_another_split_name_no_image_of_this_one():
    text = "path,label\n" + "\n".join(f"test/{name},{kind}" for name, kind in zip(PLAIN, KINDS, strict=True))
    assert set(read([f"train/{name}" for name in PLAIN], {"t.csv": text})[0].labels) == {None}
    listed = "path,label\n" + "\n".join(f"{split}/{n},{split}" for split in ("test", "train") for n in PLAIN)
    assert read(PLAIN, {"t.csv": listed}, root="train")[0].labels == ["train"] * N
    assert set(read(PLAIN, {"t.csv": listed})[0].labels) == {None}
    both = [f"{split}/{i}.png" for split in ("test", "train") for i in range(N)]
    columns, _ = read(both, {"train.csv": table("id,label", "{i},{k}"), "test.csv": table("id", "{i}")})
    assert columns.labels == [*[None] * N, *KINDS]
    assert columns.splits == [*["test"] * N, *["train"] * N]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        (table("path,label", "{n},{k}").replace("04.png,cat", "04.png,cat, black"), 19),
        (table("path,label", "{n},{k}").replace("04.png,cat", "04.png"), 19),
        (table("path,label", "{n},{k}").replace("04.png,cat", "04.png,c\udcff\udc81t"), 19),
        (table("path,label,note", "{n},{k},메모").replace("04.png,cat", "04.png,c\udcfft"), 19),
        (table("path,label,note", '{n},{k},""').replace('04.png,cat,""', '04.png,cat,"'), 20),
        (table("path,note,label", '{n},"two\nlines, ""{i}""",{k}'), 20),
        (table("path,label", "{n},{k}").replace("\n", "\r"), 20),
        ("sep=;\n" + table("path;label", "{n};{k}"), 20),
        ("# made by hand\n\n" + table("path,label,a", "{n},{k},7"), 20),
        (table("path,label,", "{n},{k},"), 20),
        (table("path,label,label", "{n},{k},7"), 20),
        ("\n".join(row.partition("\n")[2] for row in [table("", "{n},{k}")]), 20),
    ],
)
def test_a_row_that_does_not_fit_costs_no_other(text, labels):
    columns, said = read(PLAIN, {"t.csv": text.encode(errors="surrogateescape")})
    assert [found or kind for found, kind in zip(columns.labels, KINDS, strict=True)] == KINDS
    assert sum(label is not None for label in columns.labels) == labels
    assert ("line 6 " in said) == (labels < N)


def test_json_lines_and_json():
    rows = [{"file_name": n, "label": k, "more": {"age": 3}} for n, k in zip(PLAIN, KINDS, strict=True)]
    rows[9]["more"] = {"age": "unknown"}
    lines = [json.dumps(row) for row in rows]
    assert read(PLAIN, {"m.jsonl": "\n".join(lines)})[0].labels == KINDS
    assert read(PLAIN, {"m.json": json.dumps(rows)})[0].labels == KINDS
    assert read(PLAIN, {"m.json": json.dumps(dict(zip(PLAIN, KINDS, strict=True)))})[0].labels == KINDS
    lines[7] = lines[7][:20]
    columns, said = read(PLAIN, {"m.jsonl": "\n".join(lines)})
    assert columns.labels == [*KINDS[:7], None, *KINDS[8:]]
    assert "m.jsonl: line 8 has is no JSON" not in said
    assert "line 8" in said


def test_tables_without_a_header():
    columns, said = read(PLAIN, {"t.csv": table("", "{n},{k}").lstrip()})
    assert (columns.labels, columns.label_column) == (KINDS, "column 2")
    assert "t.csv has no header" in said
    columns, _ = read(PLAIN, {"t.csv": "\n".join(f"1,{name},1,{k}" for name, k in zip(PLAIN, KINDS, strict=True))})
    assert columns.labels == KINDS
    columns, _ = read(PLAIN, {"t.csv": "\n".join(f"{name},{i % 2}" for i, name in enumerate(PLAIN))})
    assert (columns.labels, dict(columns.attributes)) == ([str(i % 2) for i in range(N)], {})


def test_tables_that_disagree_and_templates():
    right, wrong = table("id,label", "{n},{k}"), table("id,label", "{n},cow")
    twice = right + "\n" + wrong.partition("\n")[2]
    columns, said = read(PLAIN, {"a.csv": twice})
    assert columns.labels == KINDS
    assert "20 rows name an image that an earlier row names, which counts; they differ in label" in said
    columns, said = read(PLAIN, {"a.csv": right, "b.csv": wrong})
    assert columns.labels == KINDS
    assert "a.csv and b.csv differ in 'label' of 20 images; a.csv counts" in said
    for name in ("sample_submission.csv", "sampleSubmission.csv", "template.csv", "example_labels.csv"):
        columns, said = read(PLAIN, {name: wrong})
        assert set(columns.labels) == {None}
        assert f"{name} is ignored" in said


def test_data_sets_of_several_text_files():
    """The layouts of CUB-200, Food-101 and FGVC-Aircraft."""
    names = [f"images/{1 + i % 3:03d}.Bird {i % 3}/{i:03d}.jpg" for i in range(N)]
    files = {
        "images.txt": "".join(f"{i + 1} {name[7:]}\n" for i, name in enumerate(names)),
        "image_class_labels.txt": "".join(f"{i + 1} {1 + i % 3}\n" for i in range(N)),
        "classes.txt": "".join(f"{k + 1} {k + 1:03d}.Bird {k}\n" for k in reversed(range(3))),
        "train_test_split.txt": "".join(f"{i + 1} {int(i > 3)}\n" for i in range(N)),
        "bounding_boxes.txt": "".join(f"{i + 1} 60.0 27.0 325.0 304.0\n" for i in range(N)),
        "README.txt": "nothing of use",
    }
    columns, _ = read(names, files)
    assert columns.labels == [f"{1 + i % 3:03d}.Bird {i % 3}" for i in range(N)]
    assert columns.classes == ("003.Bird 2", "002.Bird 1", "001.Bird 0")
    assert columns.splits == ["test" if i <= 3 else "train" for i in range(N)]
    lists = {"train.txt": "\n".join(f"a/{i}" for i in range(15)), "test.txt": "\n".join(f"a/{i}" for i in range(15, N))}
    columns, said = read([f"images/a/{i}.jpg" for i in range(N)], lists)
    assert columns.splits == [*["train"] * 15, *["test"] * 5]
    assert "split from the names of" in said
    planes = {"variant_train.txt": "\n".join(f"{100 + i} {('A300 B4', 'Falcon 900', '707')[i % 3]}" for i in range(N))}
    assert read([f"{100 + i}.jpg" for i in range(N)], planes)[0].labels[:3] == ["A300 B4", "Falcon 900", "707"]


def test_the_roles_of_columns():
    text = table("id,label,Smiling,sex,width", "{n},{k},1.0,{k}x,640")
    columns, _ = read(PLAIN, {"t.csv": text})
    assert [(role.column, role.role, role.example, role.table) for role in columns.roles] == [
        ("id", "name", "00.png", "t.csv"),
        ("label", "label", "cat", "t.csv"),
        ("Smiling", "attribute", "1", "t.csv"),
        ("sex", "ignored", "catx", "t.csv"),
        ("width", "ignored", "640", "t.csv"),
    ]
    assert [role.reason for role in columns.roles[3:]] == [
        "could be the class (--label-column)",
        "the same value in every row",
    ]
