"""One reader for all pages: what one page writes is there for the next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_stand_in import Hub, running, visit
from reader import Reader, furnish, hurry, pack_fashion

from armoire.model import LIKELIHOODS, NETWORKS, POSTERIORS


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory, pictures) -> Reader:
    """A folder with images and a cache of its own."""
    folder = tmp_path_factory.mktemp("reader")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARMOIRE_CACHE", str(folder.parent / f"{folder.name}-cache"))
        furnish(folder, pictures)
        pack_fashion(pictures)
    return Reader(folder)


@pytest.fixture(scope="session")
def public_hub() -> Iterator[Hub]:
    """A Hub that all pages share."""
    import huggingface_hub

    with running() as hub:
        yield hub
        huggingface_hub.close_session()


@pytest.fixture
def reader(
    desk: Reader, public_hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch, quick_features: None
) -> Iterator[Reader]:
    """Runs commands in the shared folder, with small recipes."""
    visit(public_hub, monkeypatch, desk.folder / "hugging")
    hurry(monkeypatch)
    for kinds in (POSTERIORS, LIKELIHOODS, NETWORKS):  # a page's own ones are its own
        monkeypatch.setattr(kinds, "_registered", dict(kinds._registered))
    monkeypatch.setenv("ARMOIRE_CACHE", str(desk.folder.parent / f"{desk.folder.name}-cache"))
    monkeypatch.setenv("HOME", str(desk.folder / "home"))  # where completion installs itself
    monkeypatch.chdir(desk.folder)
    return desk
