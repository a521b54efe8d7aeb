"""What the folders of a path say about an image: its split and its class.

Levels of folders that all images share say nothing. The level that names splits (train, val, test, under any of their
usual names) gives the split, and the first other level gives the class.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from armoire.images.column_roles import FREE, LABEL_COLUMNS, NONE, SPLIT_COLUMNS, ColumnChoice
from armoire.images.split_words import split_word

# Next to split folders: images without a class, which are trained on.
UNLABELED = {"unlabeled", "unlabelled", "unsup", "unsupervised", "pred", "extra"}
# Next to folders of images: pictures of another kind, one for an image.
MASKS = {
    *("ground_truth", "groundtruth", "gt", "mask", "masks", "trimap", "trimaps", "annotation", "annotations"),
    *("segmentation", "segmentations", "segmentationclass", "segmentationobject", "label_images", "labels", "depth"),
}
IMAGE_FOLDERS = {"image", "images", "img", "imgs", "jpegimages", "photos", "rgb", "input", "inputs", "original"}
# Folders that hold images of all classes.
NO_CLASSES = {*IMAGE_FOLDERS, "imgs", "data", "pictures", "photographs", "files", "all"}
# Folders of these words and a number divide the images of one class, patient or archive.
PARTS = re.compile(
    r"(.*[ _-])?(part|batch|chunk|shard|patient|subject|study|series|case|scan|session|video|clip|page|imgs?|images?)"
    r"[ _-]?\d+",
    re.IGNORECASE,
)
FILE_WORD = r"([^/]+?)[ ._-]*\d+\.\w+$"  # the words before the number of a file
FIRST_WORD = re.compile(r"([^\W\d_]+)[ ._-]*\d")
MOST_SUGGESTED = 1000
KEY_VALUE = re.compile(r"(\w+)=(.*)")


@dataclass(frozen=True)
class Layout:
    """What the paths of n images say."""

    splits: list[str | None]  # train, valid or test; None where unknown
    labels: list[str | None]  # class names; None where unknown
    notes: tuple[str, ...] = ()  # what was guessed, in sentences


def find_masks(names: Sequence[str]) -> dict[str, str]:
    """Pictures in folders of masks next to folders of images, each with the reason why it is ignored."""
    parents: dict[str, set[str]] = {}
    for name in names:
        parts = name.split("/")
        for level in range(len(parts) - 1):
            parents.setdefault("/".join(parts[:level]), set()).add(parts[level])
    masks = {
        f"{parent}/{folder}/".removeprefix("/")
        for parent, folders in parents.items()
        for folder in folders
        if folder.lower() in MASKS and any(split_word(f) or f.lower() in IMAGE_FOLDERS for f in folders)
    }
    if not masks:
        return {}
    inside = {name: mask for name in names for mask in masks if name.startswith(mask)}
    if len(inside) == len(names):
        return {}
    return {name: f"in {mask}, a folder of masks; give its path to read it" for name, mask in inside.items()}


def read_layout(names: Sequence[str], choice: ColumnChoice = FREE) -> Layout:
    """Splits and classes from the folders of paths with forward slashes, but those that `choice` says are none."""
    folders = [name.split("/")[:-1] for name in names]
    splits: list[str | None] = [None] * len(names)
    labels: list[str | None] = [None] * len(names)
    notes: list[str] = []
    for row, parts in enumerate(folders):
        parts[:] = [part for part in parts if not _key_value(part, row, splits, labels)]
    if any(splits) or any(labels):
        notes.append("folders named KEY=VALUE give splits and classes")
    if not any(splits):
        unlabeled = _find_splits(folders, splits)
        if unlabeled:
            notes.append(f"images in {unlabeled} have no class; they are trained on")
        elif not any(splits) and (named := _splits_of_files(names)):
            splits = named
            first = PurePosixPath(names[0]).name
            notes.append(f"split from the beginnings of file names, such as {first} (--split-column none)")
    if not any(labels):
        labels, note = _find_classes(folders)
        notes += [note] * bool(note)
    unknown: list[str | None] = [None] * len(names)
    return Layout(
        unknown if choice.split == NONE else held_out_or_none(splits),
        unknown if choice.label == NONE else labels,
        tuple(notes),
    )


def _splits_of_files(names: Sequence[str]) -> list[str | None]:
    """The splits by which all file names begin, as `train_001.png` does; [] where they do not, or begin with one."""
    words = [FIRST_WORD.match(PurePosixPath(name).name) for name in names]
    splits = [split_word(word[1]) if word else None for word in words]
    return splits if None not in splits and len(set(splits)) > 1 else []


def suggest_pattern(names: Sequence[str]) -> str:
    """A sentence on how to take classes from file names such as `cat.12.jpg`; "" where these have no common words."""
    words = [found[1] if (found := re.search(FILE_WORD, name)) else "" for name in names]
    counts = Counter(word.lower() for word in words if re.search("[^\\W\\d]{2}", word))
    if all(map(split_word, counts)):
        return ""
    if not 2 <= len(counts) <= MOST_SUGGESTED or sum(counts.values()) < 0.6 * len(names) or min(counts.values()) < 2:
        return ""
    examples = " and ".join(sorted(counts)[:2])
    return (
        f"no classes were found; file names begin with {len(counts)} words, such as {examples}: "
        f"--label-pattern '{FILE_WORD}' takes these for classes"
    )


def held_out_or_none(splits: Sequence[str | None]) -> list[str | None]:
    """The stated splits, or all None where they hold nothing out, so that a tenth will be."""
    return list(splits) if {"test", "valid"} & set(splits) else [None] * len(splits)


def _key_value(part: str, row: int, splits: list[str | None], labels: list[str | None]) -> bool:
    """Take the split or class of `label=cat`; whether the folder is of that form."""
    found = KEY_VALUE.fullmatch(part)
    if found is None:
        return False
    key, value = found[1].lower(), found[2]
    if key in SPLIT_COLUMNS:
        splits[row] = split_word(value)
    elif key in LABEL_COLUMNS:
        labels[row] = value
    return True


def _find_splits(folders: Sequence[list[str]], splits: list[str | None]) -> str:
    """Fill in the splits and remove their folders; returns the names of folders of unlabelled images."""
    for level in range(max(map(len, folders), default=0)):
        here = {parts[level] for parts in folders if len(parts) > level}
        named = {part: split_word(part) for part in here}
        others = {part for part, split in named.items() if split is None}
        unlabeled = {part for part in others if UNLABELED & set(re.findall(r"[a-z]+", part.lower()))}
        if len(set(named.values()) - {None}) < (1 if unlabeled else 2) or others - unlabeled:
            continue
        for row, parts in enumerate(folders):
            # An image next to the split folders is held out by none of them.
            part = parts[level] if len(parts) > level else ""
            splits[row] = named.get(part) or "train"
            parts[:] = [] if part in unlabeled else [*parts[:level], *parts[level + 1 :]]
        while all(len(p) > level and split_word(p[level]) == splits[row] for row, p in enumerate(folders) if p):
            for parts in folders:  # the same once more, as in train/train/
                del parts[level : level + 1]
            if not any(folders):
                break
        return " and ".join(f"{part}/" for part in sorted(unlabeled))
    return ""


def _find_classes(folders: Sequence[list[str]]) -> tuple[list[str | None], str]:
    """The class of each image, the name of its folder on the first level that tells images apart; and a note."""
    none: list[str | None] = [None] * len(folders)
    note = ""
    for level in range(max(map(len, folders), default=0)):
        labels = [parts[level] if len(parts) > level else None for parts in folders]
        labels = [None if label is None or label.lower() in NO_CLASSES else label for label in labels]
        counts = Counter(label for label in labels if label is not None)
        if len(counts) < 2:
            continue
        if all(PARTS.fullmatch(label) for label in counts):
            note = f"folders such as {min(counts)}/ are not taken for classes (--label-pattern chooses them)"
            continue
        if 2 * len(counts) > len(folders) > 4:
            return none, (
                f"{len(counts):,} folders of {len(folders):,} images, such as {min(counts)}/, are not taken for "
                "classes (--label-pattern chooses them)"
            )
        below = Counter(parts[level + 1] for parts in folders if len(parts) > level + 1)
        if len(below) > 1 and 2 * len(below) <= below.total():
            note = f"folders such as {min(counts)}/ are the classes; those below, such as {min(below)}/, could be, too"
            note += " (--label-pattern)"
        return labels, note
    return none, note
