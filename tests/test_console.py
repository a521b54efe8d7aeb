"""Progress on a terminal, in a log, and below a cell; docs/test_notebooks.py runs real kernels."""

from __future__ import annotations

import inspect
import io
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest import mock

import pytest
from rich.console import Console

from armoire.console import BarProgress, CellProgress, LineProgress, duration
from armoire.progress import USUAL, Progress, Task


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_bar_shows_percentage_and_time_left_at_any_width(width):
    screen = io.StringIO()
    console = Console(file=screen, width=width, force_terminal=True, color_system=None)
    bars = BarProgress()
    training = bars.task("training fashion-vae", 200, "images")
    with mock.patch("rich.console.Console", return_value=console), training as task:
        for _ in range(2):
            task.advance(25, distortion=264.93, rate=5.042)
        with bars.task("measuring", None, "files") as inner:
            inner.advance(3)
            bars.note("epoch 1 [done]")
            assert bars.bars
            bars.bars.refresh()
    frames = re.sub(r"\x1b\[[\d?]*[A-Za-z]|\r", "\n", screen.getvalue()).splitlines()
    last = [line for line in frames if "25 %, " in line][-1]
    assert " left" in last
    assert len(last) <= width
    assert ("distortion 264.9" in last) == (width >= 80)
    assert any("measuring" in line and "3 files" in line for line in frames)
    assert any("epoch 1 [done]" in line for line in frames)


def test_lines_report_amount_time_left_figures_and_rate(clock, capsys):
    progress = LineProgress(clock)
    assert isinstance(progress, Progress)
    with progress.task("training", 1000, "images", rate=True, into=Path("runs/vae")) as task:
        assert isinstance(task, Task)
        for clock.now in (1, 6, 11, 16, 21):
            task.advance(100, distortion=264.93)
    assert capsys.readouterr().err.splitlines() == [
        "training: 200 of 1,000 images, 40 s left, distortion 264.9, 20 images/s",
        "training: 500 of 1,000 images, 25 s left, distortion 264.9, 20 images/s",
        "training into runs/vae: 500 images in 21 s",
    ]
    with progress.task("reading", None, "files") as task:
        task.advance()
    assert capsys.readouterr().err == ""


def test_work_goes_on_after_the_reader_of_its_progress_has_closed_the_pipe():
    code = """
import sys
from armoire.console import terminal_progress
progress = terminal_progress()
sys.stdin.readline()  # by now stderr is closed at the other end
for _ in range(3):
    progress.note("still here")
print("done")
"""
    pipe = subprocess.PIPE
    child = subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert child.stderr
    child.stderr.close()
    child.stderr = None
    out, _ = child.communicate("go\n", timeout=60)
    assert (child.returncode, out) == (0, "done\n")


@pytest.fixture
def displays(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A notebook's kernel: per display, the texts that it has shown."""
    found: list[list[str]] = []

    class Display:
        def __init__(self, page: object) -> None:
            self.texts: list[str] = []
            found.append(self.texts)
            self.update(page)

        def update(self, page: object) -> None:
            screen = io.StringIO()
            Console(file=screen, width=100, color_system=None).print(page)
            self.texts.append(screen.getvalue().strip())

    ipython, module = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    module.HTML, module.display = str, lambda page, display_id: Display(page)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return found


def test_long_work_shows_a_bar_below_its_cell_and_then_a_line(displays, clock, capsys):
    progress = CellProgress(clock)
    with pytest.raises(ValueError, match="no"), progress.task("training", 1000, "images") as task:
        for clock.now in (x / 100 for x in range(1000)):
            task.advance(1, loss=0.25)
        with progress.task("measuring", None, "files") as inner:
            clock.now += 1
            inner.advance(2)
        raise ValueError("no")
    (display,) = displays
    assert 30 < len(display) < 45
    assert "5 %, " in display[0]
    assert "100 %, 0 s left, loss 0.25" in display[-2]
    assert "measuring" in display[-2]
    assert display[-1] == ""  # no bar stays
    with progress.task("reading", 2, "files") as task:
        clock.now += 5
        task.advance(2)
    assert len(displays) == 2
    assert capsys.readouterr().out.splitlines() == ["reading: 2 files in 5 s"]
    with progress.task("reading", 2, "files") as task:
        task.advance(2)
    assert len(displays) == 2


def test_outside_a_notebook_nothing_is_shown_by_default(displays, capsys, monkeypatch):
    ipython = sys.modules["IPython"]
    ipython.get_ipython = lambda: SimpleNamespace()  # type: ignore[attr-defined]  # in a terminal
    for _ in range(2):
        with USUAL.task("reading", 10, "images") as task:
            task.advance(1)
        USUAL.note("something")
        monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert (displays, capsys.readouterr()) == ([], ("", ""))
    assert isinstance(USUAL, Progress)


def test_in_a_notebook_notes_are_shown_by_default(displays, capsys):
    USUAL.note("something")
    assert capsys.readouterr().out == "something\n"


def test_long_work_reports_to_the_notebook_by_default():
    import armoire
    from armoire.figures import save
    from armoire.measure.doctor import examine
    from armoire.measure.sweep import sweep
    from armoire.publish import export_site, push

    public = (
        *(armoire.load_images, armoire.train, armoire.evaluate, armoire.Run.open, armoire.Wardrobe.open),
        *(armoire.Autoencoder.from_pretrained, save, sweep, push, export_site, examine),
    )
    for function in public:
        assert inspect.signature(function).parameters["progress"].default is USUAL, function
