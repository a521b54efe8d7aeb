from __future__ import annotations

from pathlib import Path

from armoire.cli.arguments import RunPath
from armoire.console import terminal_progress


def export(run: RunPath, /, *, onnx: Path) -> None:
    """Write a run's model as ONNX, encoder.onnx and decoder.onnx, for programs without PyTorch.

    Args:
        onnx: the folder to write them into; both are compared with PyTorch before.
    """
    from armoire.publish import write_onnx
    from armoire.wardrobe import Wardrobe

    for path in write_onnx(Wardrobe.open(run, progress=terminal_progress()), onnx):
        print(path)
