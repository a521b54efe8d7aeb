"""The widget of `armoire.publish.cell`. The only module that needs anywidget."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from armoire.publish.page import CELL, HEIGHT, LOWEST, page_folder
from armoire.training.run import Run

MOST = 1000  # pins, as in web/src/host/cell.ts
PART = 1 << 20  # bytes of a message: a notebook's server may refuse very large ones


class _Latents(traitlets.TraitType):
    """Latents as a read-only copy, float32 (n, d)."""

    info_text = "latents, numbers (n, d)"

    def validate(self, obj: Any, value: Any) -> np.ndarray:
        try:
            latents = np.array(value, dtype=np.float32)
        except (TypeError, ValueError):
            self.error(obj, value)
        d = obj.run.recipe.dimensions
        latents = latents.reshape(0, d) if latents.size == 0 else np.atleast_2d(latents)
        if latents.ndim != 2 or latents.shape[1] != d:
            raise traitlets.TraitError(
                f"{obj.run} has {d} latent dimensions: pinned should be (n, {d}), not {latents.shape}"
            )
        if len(latents) > MOST:
            raise traitlets.TraitError(
                f"at most {MOST:,} latents can be pinned, not {len(latents):,}; pin some of them"
            )
        if not np.isfinite(latents).all():
            raise traitlets.TraitError("pinned should be finite numbers; some of these are not")
        latents.flags.writeable = False
        return latents

    def set(self, obj: Any, value: Any) -> None:
        # traitlets would compare arrays by identity, and notify observers each time.
        after: Any = self._validate(obj, value)
        if self.name not in obj._trait_values or not np.array_equal(obj.pinned, after):
            super().set(obj, after)


class Cell(anywidget.AnyWidget):
    """The explorer of a run in a notebook. Made by `wardrobe.explore()` or `armoire.explore(run)`.

    Attributes:
        pinned: the pinned latents, float32 (n, d), n at most 1,000, read-only. Set it to pin others;
            `observe(function, "pinned")` calls a function whenever it changes.
        height: of the widget in CSS pixels.
    """

    _esm = traitlets.Unicode().tag(sync=True)
    _title = traitlets.Unicode().tag(sync=True)
    _address = traitlets.Unicode().tag(sync=True)  # the rest of the page's state, in the form of its links
    _choices = traitlets.Dict().tag(sync=True)  # of theme and language
    height = traitlets.Int(HEIGHT, min=LOWEST).tag(sync=True)
    pinned = _Latents().tag(
        sync=True,
        to_json=lambda latents, _: memoryview(latents.astype("<f4").tobytes()),
        from_json=lambda raw, cell: np.frombuffer(raw or b"", "<f4").reshape(-1, cell.run.recipe.dimensions),
    )

    def __init__(self, run: Run, files: dict[str, Path], height: int = HEIGHT) -> None:
        self.run = run
        self._files = files
        widget = (page_folder() / CELL / "widget.js").read_text(encoding="utf-8")
        super().__init__(_esm=widget, _title=f"{run.name} · armoire", height=height, pinned=[])
        self.on_msg(_answer)

    def __repr__(self) -> str:
        n = len(self.pinned)
        return f"Cell({str(self.run)!r}, {n} pinned; a notebook shows the explorer here)"


def _answer(cell: Cell, request: Any, _buffers: object) -> None:
    """Send the file that the frame requested, if it is one of the site's."""
    if not isinstance(request, dict) or request.get("kind") != "get":
        return
    path, reply = request.get("path"), {"id": request.get("id")}
    file = cell._files.get(path) if isinstance(path, str) else None
    if file is None:
        cell.send(reply | {"kind": "missing", "why": "there is no such file here"})
        return
    try:
        for part, total, last in parts(file):
            cell.send(reply | {"kind": "part", "total": total, "last": last}, [part])
    except OSError as error:
        cell.send(reply | {"kind": "missing", "why": error.strerror or str(error)})


def parts(file: Path) -> Iterator[tuple[bytes, int, bool]]:
    """The content in parts of at most `PART` bytes: the part, the length of the whole, and whether it is the last."""
    total = file.stat().st_size
    with file.open("rb") as stream:
        for start in range(0, max(total, 1), PART):
            yield stream.read(PART), total, start + PART >= total
