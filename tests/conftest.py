"""Shared by all tests: a cache for each test, tiny data and tiny runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Before anything that starts threads: tiny tensors gain nothing from a second one, and waiting threads spin.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import jaxtyping
import numpy as np
import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    import torch
    from hub_stand_in import Hub


def with_shapes(*, typechecker: Callable[..., Any], of: Callable[..., Any] = jaxtyping.jaxtyped) -> Callable[..., Any]:
    """Check functions that have shapes, whose strings have quotes; checking all takes a third of the suite's time."""

    def decorate(what: Any) -> Any:
        function = what.__init__ if isinstance(what, type) else getattr(what, "__func__", getattr(what, "fget", what))
        return of(what, typechecker=typechecker) if '"' in str(getattr(function, "__annotations__", "")) else what

    return decorate


jaxtyping.jaxtyped = with_shapes  # which --jaxtyping-packages puts before everything in armoire
settings.register_profile(
    "armoire",
    deadline=None,
    max_examples=25,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("armoire")

FASHION = Path("/usr/share/datasets/fashion-mnist")
# The slowest files, the slowest first: `pytest -n` starts with them, so that the workers end together.
LONGEST = (
    "tests/browser/test_links_and_looks.py",
    "tests/browser/test_map.py",
    "tests/browser/test_first_view.py",
    "tests/browser/test_workbench.py",
    "tests/docs/test_documentation_blocks.py",
    "tests/browser/test_cell.py",
    "tests/end_to_end/test_a_run.py",
    "tests/browser/test_jupyter.py",
    "tests/browser/test_trouble.py",
    "tests/end_to_end/test_killed_at_any_moment.py",
    "tests/end_to_end/test_failing_disks.py",
    "tests/end_to_end/test_interruption.py",
    "tests/end_to_end/test_wrong_input.py",
    "tests/measure/test_doctor.py",
    "tests/priors/test_fitting.py",
    "tests/measure/test_sample_metrics.py",
    "tests/training/test_distributed.py",
    "tests/model/test_contract.py",
    "tests/publish/test_onnx.py",
    "tests/wardrobe/test_sklearn_transformer.py",
    "tests/wardrobe/test_hostile_runs.py",
    "tests/training/test_length.py",
    "tests/publish/test_hub.py",
    "tests/images/sources/test_celeba.py",
)
TINY = {"channels": [4, 8], "batch": 8, "epochs": 2, "prior": "none", "validation": 0, "flip": False, "shift": 0}


def pytest_configure(config: pytest.Config) -> None:
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # the tests are of the CPU, also where `auto` would take a GPU
    # A shell that starts the tests in the background ignores SIGINT in them and in all that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.option.loadscopereorder = False  # pytest-xdist's own order, by number of tests, puts the README's last


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under `pytest -n` the longest files first, then those with most tests; alone, as they were given.

    With ARMOIRE_TESTS=reversed the files in reverse order: see portable.py.
    """
    files = {item: item.nodeid.partition("::")[0] for item in items}
    if "PYTEST_XDIST_WORKER" in os.environ:
        tests = Counter(files.values())
        cost = {file: (LONGEST.index(file) if file in LONGEST else len(LONGEST), -n) for file, n in tests.items()}
        items.sort(key=lambda item: (*cost[files[item]], files[item]))
    if os.environ.get("ARMOIRE_TESTS") == "reversed":
        order = list(dict.fromkeys(files.values()))
        items.sort(key=lambda item: -order.index(files[item]))


class Recorder:
    """A Progress that records its calls, and can interrupt the training at one of its steps."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.notes: list[str] = []
        self.titles: list[str] = []
        self.done = 0
        self.advances = 0
        self.stop_at = stop_at

    @contextmanager
    def task(
        self, title: str, total: int | None, unit: str, done: int = 0, rate: bool = False, into: Path | None = None
    ) -> Iterator[Recorder]:
        self.titles.append(title)
        self.done, self.total = done, total
        yield self

    def advance(self, amount: int = 1, **figures: float | str) -> None:
        self.done += amount
        self.advances += 1
        if self.advances == self.stop_at:
            os.kill(os.getpid(), signal.SIGINT)

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("ARMOIRE_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def unchecked() -> Callable[..., None]:
    """Run some Python in a process that checks no shapes, which makes drawing and reading pictures slow."""

    def run(code: str, *arguments: object) -> None:
        subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True, timeout=300)

    return run


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="session")
def stops_at() -> Callable[[int], Recorder]:
    return Recorder


def draw(n: int, size: int = 16, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Discs of random position, size and brightness on black: uint8 (n, size, size, channels)."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    centre, radius = random.uniform(0.3, 0.7, (n, 2)) * size, random.uniform(0.15, 0.4, n) * size
    far = np.hypot(rows - centre[:, 0, None, None], columns - centre[:, 1, None, None])
    brightness = random.integers(80, 256, (n, 1, 1, channels))
    return ((far < radius[:, None, None])[..., None] * brightness).astype(np.uint8)


@pytest.fixture(scope="session")
def pictures() -> Callable[..., np.ndarray]:
    return draw


def make_set(n: int = 40, test: int = 10, size: int = 16, channels: int = 1, seed: int = 0, name: str = "discs"):
    """An ImageSet of n training and `test` test images, labelled 0, 1, 2, 0, .."""
    from armoire.images import Fit, ImageSet, SetInfo
    from armoire.images.imageset import fingerprint, make_table

    images = draw(n + test, size, channels, seed)
    splits = ["train"] * n + ["test"] * test
    table = make_table([f"{i:04d}" for i in range(n + test)], splits, [i % 3 for i in range(n + test)])
    fit = Fit(size, background=(0, 0, 0), channels=channels)
    return ImageSet(images, table, SetInfo(name, "", fit, ("a", "b", "c"), fingerprint(images, table)))


@pytest.fixture(scope="session")
def discs() -> Callable[..., object]:
    return make_set


@pytest.fixture(scope="session")
def tiny() -> Callable[..., object]:
    """A recipe by name, made small; keyword arguments change it further."""
    from armoire import load_recipe

    def small(name: str = "fashion-vae", **changes: object) -> object:
        recipe = load_recipe(name)
        given = {"latent": 4} if recipe.latent == "auto" else {}
        return recipe.change(**given | TINY).change(**changes)

    return small


@pytest.fixture(scope="session")
def vae_run(tmp_path_factory: pytest.TempPathFactory, tiny, discs):
    """A tiny VAE, trained for two epochs; not to be written to."""
    from armoire import train

    return train(tiny(), discs(), tmp_path_factory.mktemp("runs") / "vae", device="cpu")


@pytest.fixture(scope="session")
def ae_run(tmp_path_factory: pytest.TempPathFactory, tiny, discs):
    """A tiny autoencoder, trained for two epochs; not to be written to."""
    from armoire import train

    return train(tiny("fashion-ae"), discs(), tmp_path_factory.mktemp("runs") / "ae", device="cpu")


def pooled(_extractor: object, x: torch.Tensor) -> torch.Tensor:
    """Replaces the features of networks, which take seconds to load and to compare."""
    from torch.nn import functional as F

    return F.adaptive_avg_pool2d(x, 6).mean(dim=1).flatten(1)


@pytest.fixture
def quick_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without networks; measure/test_sample_metrics.py has them."""
    from armoire.wardrobe.extractors import DinoV2Focus, EfficientNetLite0, Extractor

    for network in (EfficientNetLite0, DinoV2Focus):
        monkeypatch.setattr(network, "__init__", lambda self, device, _side=0: Extractor.__init__(self, device))
        monkeypatch.setattr(network, "features", pooled)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A stand-in of the Hub, and huggingface_hub with a token for it."""
    import huggingface_hub
    from hub_stand_in import running, visit

    with running() as hub:
        visit(hub, monkeypatch, tmp_path / "hugging")
        yield hub
        huggingface_hub.close_session()


@pytest.fixture(scope="session")
def fashion(tmp_path_factory: pytest.TempPathFactory):
    """The real Fashion-MNIST, packed once a session."""
    if not FASHION.is_dir():
        pytest.skip(f"the real Fashion-MNIST is not in {FASHION}: apt-get install dataset-fashion-mnist")
    from armoire import load_images

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARMOIRE_CACHE", str(tmp_path_factory.mktemp("fashion")))
        return load_images("fashion-mnist")
