from __future__ import annotations

import pytest

from armoire.errors import ArmoireError
from armoire.publish import page


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.setattr(page.resources, "files", lambda name: tmp_path)
    return tmp_path


def test_the_page_is_where_it_was_built(package):
    (package / "explorer").mkdir()
    (package / "explorer/index.html").touch()
    assert page.page_folder() == package / "explorer"


def test_a_page_that_was_left_out_is_told_of_in_one_sentence(package):
    with pytest.raises(ArmoireError, match="installed without it; install it again with ARMOIRE_SKIP_WEB unset"):
        page.page_folder()
