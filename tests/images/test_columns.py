"""What columns mean, found or chosen: split, class and attributes; text means the same in every format."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from armoire.errors import ArmoireError
from armoire.images.columns import ColumnChoice, Columns, read_columns
from armoire.images.layout import Layout

N = 20


def cycle(*values: object, n: int = N) -> list[Any]:
    return [values[i % len(values)] for i in range(n)]


def read(columns: dict[str, list[Any]], **choice) -> Columns:
    return read_columns(pa.table(columns), {}, N, ColumnChoice(**choice))


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        (("train", "train", "test"), ("train", "train", "test")),
        (("Training", "PublicTest", "PrivateTest"), ("train", "valid", "test")),
        (("train", "train", "holdout"), ("train", "train", "test")),
        (("train", "val", "unlabeled"), ("train", "valid", None)),
        (("training set", "validation-set", "test_set"), ("train", "valid", "test")),
        (("0", "0", "1"), ("train", "train", "test")),
        (("0.0", "0.0", "1.0", "2.0"), ("train", "train", "valid", "test")),
        ((1, 1, 2, 3), ("train", "train", "valid", "test")),
        (("1", "0"), (None, None)),  # which of them is train?
        (("A", "B"), (None, None)),
    ],
)
def test_splits_and_never_a_class(words, meaning):
    for name in ("split", "Partition", "data_split"):
        found = read({name: cycle(*words), "breed": cycle("pug", "collie")})
        assert found.splits == cycle(*meaning)
        assert found.label_column == "breed"
    assert read({"split": cycle(*words)}).label_column == ""
    assert read({"split": cycle(*words)}).attributes == {}


def test_splits_of_other_names():
    assert read({"phase": cycle("train", "test")}).splits == cycle("train", "test")
    assert read({"of": cycle("train", "test"), "kind": cycle("a", "b")}).label_column == "kind"
    assert read({"is_train": cycle(True, True, False)}).splits == cycle("train", "train", "test")
    assert read({"fold": cycle("0", "1")}).attributes == {}
    assert read({"of": cycle("train", "quiz")}, split="of").splits == cycle("train", "test")
    assert read({"split": cycle("train", "test")}, split="none").splits == [None] * N
    with pytest.raises(ArmoireError, match=r"column 'of' holds x, y, which are no splits; use train, valid and test"):
        read({"of": cycle("x", "y")}, split="of")


def test_text_is_what_it_is_in_other_formats():
    columns = {"label": cycle("1.0", "2.0", ""), "width": cycle("640", "480"), "smile": cycle("1.0", "0.0", "")}
    found = read(columns)
    assert found.labels == cycle("1", "2", None)
    assert found.attributes["smile"].tolist() == cycle(1, -1, 0)
    assert [role.column for role in found.roles if role.role == "ignored"] == ["width"]
    assert read({"label": cycle("EU", "NA", "AS")}).labels == cycle("EU", "NA", "AS")
    assert read({"label": cycle("cat", "N/A")}).labels == cycle("cat", None)
    assert read({"label": cycle("007", "012")}).labels == cycle("007", "012")
    assert read({"age": cycle("3", "unknown")}).label_column == ""
    assert read({"label": cycle("café", "cafe\u0301")}).labels == ["café"] * N
    for columns in (
        {"day": cycle("2020-01-01", "2020-01-02")},
        {"mask": cycle("a.png", "b.png")},
        {"score": cycle("50%", "9%")},
    ):
        assert read(columns | {"breed": cycle("pug", "collie")}).label_column == "breed"


def test_types_of_values():
    found = read({
        "label": cycle(3, 10, None),
        "a": cycle(1, 0, None),
        "b": cycle(1.0, -1.0, float("nan")),
        "c": cycle("Yes", "no", "", "TRUE"),
        "ok": cycle(True, False, None),
        "height": cycle(20, 30),
        "nothing": [None] * N,
    })  # fmt: skip
    assert found.labels == cycle("3", "10", None)
    assert {name: values.tolist() for name, values in found.attributes.items()} == {
        "a": cycle(1, -1, 0), "b": cycle(1, -1, 0), "c": cycle(1, -1, 0, 1), "ok": cycle(1, -1, 0),
    }  # fmt: skip
    assert [role.column for role in found.roles if role.role == "ignored"] == ["height", "nothing"]
    assert read({"label": cycle(0.5, 1.5, 2.5), "kind": cycle("a", "b")}).label_column == "kind"
    assert read({"label": cycle(True, False)}).attributes == {}
    assert read({"split": ["train"] * N}).splits == [None] * N


def test_one_column_of_ones_is_one_class():
    hot = {name: cycle(*(f"{float(i == k)}" for i in range(3))) for k, name in enumerate(("mel", "nv", "bcc"))}
    found = read(hot | {"unknown": cycle("0.0"), "sex": cycle("male", "female")})
    assert found.labels == cycle("mel", "nv", "bcc")
    assert found.attributes == {}
    assert any("--label-column none" in note for note in found.notes)
    assert list(read(hot, label="none").attributes) == ["mel", "nv", "bcc"]
    assert read(hot | {"label": cycle("a", "b")}).labels == cycle("a", "b")
    assert read({"a": cycle("1", "0"), "b": cycle("0", "0")}).label_column == ""


def test_minus_one_is_unknown_where_zero_is_no():
    found = read({"edema": cycle("1.0", "0.0", "-1.0", ""), "fracture": cycle("1.0", "-1.0")})
    assert found.attributes["edema"].tolist() == cycle(1, -1, 0, 0)
    assert found.attributes["fracture"].tolist() == cycle(1, 0)
    assert "-1 in edema, fracture is taken for unknown, since 0 is no" in found.notes
    assert read({"a": cycle("1", "-1"), "b": cycle("1", "0", "1")}).attributes["a"].tolist() == cycle(1, -1)


def test_several_columns_may_be_the_class():
    columns = {
        "sex": cycle("male", "female"),
        "site": cycle("back", "face", "arm"),
        "source": cycle("kaggle"),
        "patient_id": cycle("p1", "p2"),
    }
    found = read(columns)
    assert found.label_column == ""
    assert "no column is taken for the class; it could be sex, site (--label-column)" in found.notes
    assert read(columns, label="Site").labels == cycle("back", "face", "arm")
    assert "the class could also be sex, site (--label-column)" in read(columns | {"dx": cycle("nv", "mel")}).notes
    with pytest.raises(ArmoireError, match="no column 'sitte' for --label-column; did you mean 'site'"):
        read(columns, label="sitte")


def test_chosen_attributes():
    columns = {"Smiling": cycle("yes", "no"), "Male": cycle("1", "0", "1"), "age": cycle("1", "2")}
    assert list(read(columns, attributes=("male",)).attributes) == ["Male"]
    assert read(columns, attributes=()).attributes == {}
    with pytest.raises(ArmoireError, match="column 'age' holds '2', not only yes and no"):
        read(columns, attributes=("age",))


def folders_of(labels: list[str | None]) -> Layout:
    return Layout([None] * N, labels)


def test_folders_complete_a_table_only_in_its_own_words():
    known = read({"label": ["cat", "dog", *[None] * (N - 2)]})
    assert known.fill_missing(folders_of(cycle("cat", "dog"))).labels == cycle("cat", "dog")
    mixed = known.fill_missing(folders_of(cycle("dog", "cat")))
    assert mixed.labels[:4] == ["cat", "dog", "dog", "cat"]
    assert "column 'label' and the folders differ in the class of 2 images; the column counts" in mixed.notes
    other = known.fill_missing(folders_of(cycle("part_1", "part_2")))
    assert other.labels == known.labels
    assert "their folders are none of its classes" in other.notes[-1]


def test_folders_count_more_than_a_class_that_is_guessed():
    guessed = read({"material": cycle("clay", "glass")})
    folders = guessed.fill_missing(folders_of(cycle("mug", "box")))
    assert (guessed.label_column, folders.label_column, folders.labels) == ("material", "", cycle("mug", "box"))
    assert [note for note in folders.notes if "material" in note] == [
        "the folders are the classes; column 'material' could be, too (--label-column)"
    ]
    assert folders.roles[0].role == "ignored" and "--label-column" in folders.roles[0].reason
    for none in ([None] * N, ["mug"] * N, [None, *cycle("mug", "box")[1:]]):
        assert guessed.fill_missing(folders_of(none)).labels == guessed.labels


def test_a_column_of_few_numbers_is_named_as_a_possible_class():
    found = read({"level": cycle(0, 1, 2), "age": [*range(N)], "patient_id": cycle(4, 5, 6), "Smiling": cycle(0, 1)})
    assert not found.label_column
    assert "no column is taken for the class; it could be level (--label-column)" in found.notes
