"""Class labels in the forms that programs hold them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from armoire.errors import ArmoireError
from armoire.images import from_array

X = np.random.default_rng(0).integers(0, 256, (30, 16, 16), np.uint8)
Y = np.arange(30) % 3
ABC = ("a", "b", "c")
WORDS = [ABC[i] for i in Y]
FORMS = {
    "numbers": (Y, ABC),
    "a list": (Y.tolist(), ABC),
    "floats": (Y.astype(float), ABC),
    "a column": (Y[:, None], ABC),
    "a tensor": (torch.tensor(Y), ABC),
    "from 1": (Y + 1, ABC),
    "one-hot": (np.eye(3)[Y], ABC),
    "words": (WORDS, ()),
    "words with classes": (WORDS, ABC),
    "bytes": (np.array(WORDS, "S"), ()),
    "an array of objects": (np.array(WORDS, object), ABC),
}


def names(labels: object, classes: tuple[str, ...]) -> list[str | None]:
    images = from_array(X, labels, classes)
    number = dict(zip(images.ids, images.labels, strict=True))
    images.describe()
    return [images.info.classes[number[i]] if number[i] >= 0 else None for i in sorted(images.ids)]


@pytest.mark.filterwarnings("ignore:labels")
@pytest.mark.parametrize("form", FORMS)
def test_labels_of_every_form_give_the_same_classes(form):
    assert names(*FORMS[form]) == WORDS


def test_labels_without_classes_name_them():
    assert names(Y + 5, ()) == [str(i + 5) for i in Y]
    assert names(Y == 1, ()) == [str(i == 1) for i in Y]


def test_what_is_guessed_is_a_warning():
    with pytest.warns(UserWarning, match="numbers from 1 to 3: 1 is read as the class 'a'"):
        from_array(X, Y + 1, ABC)
    with pytest.warns(UserWarning, match="brightest value of the images is 15 of 255"):
        from_array(X // 16)


@pytest.mark.parametrize("unknown", [-1, np.nan, None])
def test_unknown_labels(unknown):
    labels = [unknown, *Y[1:]]
    assert names(labels, ABC) == [None, *WORDS[1:]]
    assert names(["", *WORDS[1:]], ABC) == [None, *WORDS[1:]]


@pytest.mark.parametrize(
    ("labels", "classes", "reason"),
    [
        (Y[:29], ABC, r"one per image, \(30,\), not \(29,\)"),
        (np.zeros((30, 4)), ABC, r"one per image, \(30,\), not \(30, 4\)"),
        (Y + 2, ABC, "numbers from 2 to 4, which the 3 class names do not fit"),
        (Y - 2, ABC, "numbers from -2 to 0|numbers from"),
        (Y + 0.5, ABC, "whole numbers or words"),
        (["d", *WORDS[1:]], ABC, "'d', which is no class; the classes are a, b, c"),
        ([{}] * 30, ABC, "whole numbers or words"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, classes, reason):
    with pytest.raises(ArmoireError, match=reason):
        from_array(X, labels, classes)
