"""The widget of `armoire.publish.cell`. The only module that needs anywidget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from armoire.publish.cell import HEIGHT, LOWEST, parts
from armoire.publish.page import cell_folder
from armoire.training.run import Run

MOST = 1000  # on the shelf: web/src/host/cell.ts


class _Places(traitlets.TraitType):
    """Places of the latent space as float32 (n, d): kept as a copy that cannot be written to."""

    info_text = "places of the latent space, numbers (n, d)"

    def validate(self, obj: Any, value: Any) -> np.ndarray:
        try:
            places = np.array(value, dtype=np.float32)
        except (TypeError, ValueError):
            self.error(obj, value)
        d = obj.run.recipe.latent
        places = places.reshape(0, d) if places.size == 0 else np.atleast_2d(places)
        if places.ndim != 2 or places.shape[1] != d:
            raise traitlets.TraitError(
                f"{obj.run.path} has {d} latent dimensions: pinned should be (n, {d}), not {places.shape}"
            )
        if len(places) > MOST:
            raise traitlets.TraitError(
                f"the shelf has room for {MOST:,} places, not for {len(places):,}; pin some of them"
            )
        if not np.isfinite(places).all():
            raise traitlets.TraitError("pinned should be finite numbers; some of these are not")
        places.flags.writeable = False
        return places

    def set(self, obj: Any, value: Any) -> None:
        # traitlets would take every array for another one, and say so to whoever observes.
        after: Any = self._validate(obj, value)
        if self.name not in obj._trait_values or not np.array_equal(obj.pinned, after):
            super().set(obj, after)


class Cell(anywidget.AnyWidget):
    """The explorer of a run in a notebook. Made by `wardrobe.explore()` or `armoire.explore(run)`.

    Attributes:
        pinned: the places on the shelf, float32 (n, d), n at most 1,000, read-only. Set it to hang others there;
            `observe(function, "pinned")` calls a function whenever it changes.
        height: of the widget in CSS pixels.
    """

    _esm = traitlets.Unicode().tag(sync=True)
    _title = traitlets.Unicode().tag(sync=True)
    _address = traitlets.Unicode().tag(sync=True)  # what else of the page's state is kept, as its links write it
    _choices = traitlets.Dict().tag(sync=True)  # of theme and language
    height = traitlets.Int(HEIGHT, min=LOWEST).tag(sync=True)
    pinned = _Places().tag(
        sync=True,
        to_json=lambda places, _: memoryview(places.astype("<f4").tobytes()),
        from_json=lambda raw, cell: np.frombuffer(raw or b"", "<f4").reshape(-1, cell.run.recipe.latent),
    )

    def __init__(self, run: Run, files: dict[str, Path], height: int = HEIGHT) -> None:
        self.run = run
        self._files = files
        widget = (cell_folder() / "widget.js").read_text(encoding="utf-8")
        super().__init__(_esm=widget, _title=f"{run.name} · armoire", height=height, pinned=[])
        self.on_msg(_answer)

    def __repr__(self) -> str:
        n = len(self.pinned)
        return f"Cell({str(self.run.path)!r}, {n} pinned; a notebook shows the explorer here)"


def _answer(cell: Cell, asked: Any, _buffers: object) -> None:
    """Send the file that the frame asked for, and no other."""
    if not isinstance(asked, dict) or asked.get("kind") != "get":
        return
    path, said = asked.get("path"), {"id": asked.get("id")}
    file = cell._files.get(path) if isinstance(path, str) else None
    if file is None:
        cell.send(said | {"kind": "missing", "why": "there is no such file here"})
        return
    try:
        for piece, total, last in parts(file):
            cell.send(said | {"kind": "part", "total": total, "last": last}, [piece])
    except OSError as error:
        cell.send(said | {"kind": "missing", "why": error.strerror or str(error)})
