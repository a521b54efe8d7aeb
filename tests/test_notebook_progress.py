"""Progress below a cell, with a stand-in for IPython; tests/docs/test_notebooks.py runs real kernels."""

from __future__ import annotations

import inspect
import sys
from html.parser import HTMLParser
from types import ModuleType, SimpleNamespace

import pytest

from armoire import notebook
from armoire.progress import USUAL, Progress, Task


class Place:
    """Where one display of a cell stands: all that it ever showed."""

    def __init__(self, page: str) -> None:
        self.pages = [page]

    def update(self, page: str) -> None:
        self.pages.append(page)

    @property
    def text(self) -> str:
        words: list[str] = []
        parser = HTMLParser()
        parser.handle_data = words.append  # type: ignore[method-assign]
        parser.feed(self.pages[-1])
        return " ".join(" ".join(words).split())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that goes when it is told to; of these modules alone."""
    now = SimpleNamespace(seconds=100.0)
    stand_in = SimpleNamespace(monotonic=lambda: now.seconds)
    monkeypatch.setattr(notebook, "time", stand_in)
    monkeypatch.setattr("armoire.pace.time", stand_in)
    return now


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, clock) -> SimpleNamespace:
    """A notebook's kernel, and what its cells show."""
    shell = SimpleNamespace(kernel=object(), cell="1")
    shell.get_parent = lambda: {"header": {"msg_id": shell.cell}}
    places: list[Place] = []

    def display(page: str, display_id: bool) -> Place:
        assert display_id
        places.append(Place(page))
        return places[-1]

    ipython, ipython_display = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: shell  # type: ignore[attr-defined]
    ipython_display.HTML, ipython_display.display = str, display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython_display)
    return SimpleNamespace(shell=shell, places=places, clock=clock)


def work(progress: Progress, clock: SimpleNamespace, seconds: float, title: str = "reading", steps: int = 10) -> None:
    with progress.task(title, steps, "images") as task:
        for _ in range(steps):
            clock.seconds += seconds / steps
            task.advance(1, loss=0.25)


def test_outside_a_notebook_nothing_is_shown(clock, capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    work(USUAL, clock, 60)
    USUAL.note("something")
    assert capsys.readouterr() == ("", "")
    assert isinstance(USUAL, Progress)


def test_in_a_terminals_ipython_nothing_is_shown(kernel):
    del kernel.shell.kernel
    work(USUAL, kernel.clock, 60)
    assert kernel.places == []


def test_long_work_shows_a_bar_and_then_a_line(kernel):
    progress = notebook.NotebookProgress()
    with progress.task("reading", 10, "images", rate=True) as task:
        assert isinstance(task, Task)
        assert kernel.places == []
        kernel.clock.seconds += 2
        task.advance(4, loss=0.25)
        (place,) = kernel.places
        assert '<progress max="10" value="4"></progress>' in place.pages[-1]
        assert place.text == "reading: 4 of 10 images, loss 0.25, 2 images/s, 3 s left"
        kernel.clock.seconds += 2
        task.advance(6)
    assert kernel.places == [place]
    assert place.text == "reading: 10 images in 4 s"


def test_short_work_leaves_no_trace(kernel):
    work(notebook.NotebookProgress(), kernel.clock, 0.4)
    assert kernel.places == []


def test_what_took_a_moment_is_gone_when_it_is_done(kernel):
    work(notebook.NotebookProgress(), kernel.clock, 2)
    assert kernel.places[0].text == ""


def test_it_is_not_drawn_too_often(kernel):
    progress = notebook.NotebookProgress()
    work(progress, kernel.clock, 10, steps=1000)
    assert len(kernel.places[0].pages) < 45


def test_work_within_work_stands_in_one_place_and_notes_stay(kernel):
    progress = notebook.NotebookProgress()
    with progress.task("training", 2, "epochs") as outer:
        kernel.clock.seconds += 5
        outer.advance()
        work(progress, kernel.clock, 5, "measuring")
        progress.note("epoch 1 <done>")
        assert kernel.places[0].text.startswith("measuring: 10 images in 5 s epoch 1 <done> training: 1 of 2 epochs")
    assert len(kernel.places) == 1
    assert "<done>" not in kernel.places[0].pages[-1]


def test_work_that_outlives_its_cell_stays_at_home(kernel):
    progress = notebook.NotebookProgress()
    with progress.task("reading", 10, "images") as task:
        kernel.clock.seconds += 2
        task.advance(5)
        kernel.shell.cell = "2"  # a thread of the first cell goes on
        work(progress, kernel.clock, 5, "measuring")
        kernel.clock.seconds += 2
        task.advance(5)
    assert [place.text for place in kernel.places] == ["reading: 10 images in 9 s", "measuring: 10 images in 5 s"]


def test_without_a_request_there_is_one_place(kernel):
    del kernel.shell.get_parent
    work(USUAL, kernel.clock, 5)
    work(USUAL, kernel.clock, 6)
    assert len(kernel.places) == 1


def test_another_cell_has_a_place_of_its_own(kernel):
    work(USUAL, kernel.clock, 5)
    kernel.shell.cell = "2"
    work(USUAL, kernel.clock, 6)
    assert [place.text for place in kernel.places] == ["reading: 10 images in 5 s", "reading: 10 images in 6 s"]


def test_work_that_fails_leaves_no_bar(kernel):
    progress = notebook.NotebookProgress()
    with pytest.raises(ValueError, match="no"), progress.task("reading", None, "images") as task:
        kernel.clock.seconds += 1
        task.advance(3)
        assert kernel.places[0].text.startswith("reading: 3 images")
        assert "<progress" not in kernel.places[0].pages[-1]
        raise ValueError("no")
    assert kernel.places[0].text == ""


def test_what_takes_long_reports_where_nobody_says_where():
    import armoire
    from armoire.figures import save
    from armoire.measure.doctor import examine
    from armoire.measure.sweep import sweep
    from armoire.publish import export_site, push

    public = (
        armoire.load_images,
        armoire.train,
        armoire.evaluate,
        armoire.Run.open,
        armoire.Wardrobe.open,
        save,
        sweep,
    )
    for function in (*public, armoire.Autoencoder.from_pretrained, push, export_site, examine):
        assert inspect.signature(function).parameters["progress"].default is USUAL, function
