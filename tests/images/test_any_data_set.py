"""Data sets drawn at random with what they say: read right, refused, or with a note; never silently wrong."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from data_sets import differences, read, silent
from drawn_sets import Arrays, Drawn, Files, Samples, Tables
from hypothesis import given, settings
from hypothesis import strategies as st


def drawn(kind: type[Drawn]) -> st.SearchStrategy[Drawn]:
    values = {name: st.sampled_from(several) for name, several in kind.options.items()}
    return st.fixed_dictionaries(values).map(lambda chosen: kind(**chosen))


def verdict(data_set: Drawn, folder: Path) -> tuple[str, Mapping[str, str]]:
    """Right, refused, announced or silently wrong; and what differs from the truth."""
    shutil.rmtree(folder / "data", ignore_errors=True)
    data = data_set.data()
    reading = read(data.write(folder / "data"))
    if reading.images is None:
        return "refused", {"refused": reading.refusal}
    found = differences(reading.images, data)
    unsaid = silent(found, reading.said)
    return ("silently wrong", unsaid) if unsaid else ("announced", found) if found else ("right", {})


@pytest.mark.parametrize("examples", [50, pytest.param(2000, marks=pytest.mark.slow)])
def test_no_data_set_is_read_silently_wrong(examples, tmp_path):
    counts: Counter[str] = Counter()

    @settings(max_examples=examples, derandomize=True)
    @given(st.sampled_from((Files, Files, Files, Samples, Tables, Arrays)).flatmap(drawn))
    def check(data_set: Drawn) -> None:
        outcome, found = verdict(data_set, tmp_path)
        counts[outcome] += 1
        assert outcome != "silently wrong", found

    check()
    assert counts["right"] > 0.7 * sum(counts.values()), counts
