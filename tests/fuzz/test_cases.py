"""What fuzzing once crashed on, and the seeds it begins with; 60 seconds of fuzzing a target are for the slow tests."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from seeds import seeds
from targets import TARGETS

CASES = sorted(path for path in (Path(__file__).parent / "cases").iterdir() if not path.name.startswith("."))


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_what_once_crashed(case):
    TARGETS[case.name.partition("-")[0]](case.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_sound_files_and_their_beginnings(target):
    for content in seeds(target):
        for keep in range(0, len(content) + 1, max(1, len(content) // 40)):
            TARGETS[target](content[:keep])


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_sixty_seconds_of_fuzzing(target):
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("needs atheris")
    run = Path(__file__).with_name("run.py")
    done = subprocess.run(
        [sys.executable, run, target, "-max_total_time=60"], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
