"""`armoire export`."""

from __future__ import annotations

from pathlib import Path

from armoire.cli.arguments import RunFolder
from armoire.console import terminal_progress


def export(run: RunFolder, /, *, onnx: Path) -> None:
    """Write a run's model as FOLDER/encoder.onnx and FOLDER/decoder.onnx, for programs without PyTorch.

    Both are checked against PyTorch before they are written.

    Args:
        run: folder of a run.
        onnx: FOLDER, made where there is none.
    """
    from armoire.publish import write_onnx
    from armoire.wardrobe import Wardrobe

    for path in write_onnx(Wardrobe.open(run, progress=terminal_progress()), onnx):
        print(path)
