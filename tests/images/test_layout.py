"""What the folders and the names of files say."""

from __future__ import annotations

from armoire.images.column_roles import ColumnChoice
from armoire.images.layout import read_layout, suggest_pattern

FILES = [f"{split}_{i:03d}.png" for split in ("test", "train") for i in range(4)]


def test_file_names_that_all_begin_with_a_split_state_it():
    found = read_layout(FILES)
    assert found.splits == ["test"] * 4 + ["train"] * 4 and found.labels == [None] * 8
    assert found.notes == ("split from the beginnings of file names, such as test_000.png (--split-column none)",)
    assert not suggest_pattern(FILES)
    for others in ([*FILES, "cat_001.png"], ["train_1.png", "train_2.png"], ["training.png", "testing.png"]):
        assert not any(read_layout(others).splits)


def test_what_is_chosen_to_be_none_is_none():
    names = [f"{split}/{kind}/{i}.png" for split in ("train", "test") for kind in ("cat", "dog") for i in range(3)]
    assert read_layout(names).labels[:3] == ["cat"] * 3
    assert not any(read_layout(names, ColumnChoice(label="none")).labels)
    without = read_layout(names, ColumnChoice(split="none"))
    assert not any(without.splits) and without.labels[:3] == ["cat"] * 3


def test_a_second_level_that_could_be_the_classes_is_named():
    names = [f"{top}/{below}/{i}.png" for top in ("animals", "plants") for below in "xy" for i in range(3)]
    found = read_layout(names)
    assert found.labels[:6] == ["animals"] * 6
    assert found.notes == (
        "folders such as animals/ are the classes; those below, such as x/, could be, too (--label-pattern)",
    )
    assert not read_layout([f"{top}/data/{i}.png" for top in ("cat", "dog") for i in range(3)]).notes
