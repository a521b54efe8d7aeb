from __future__ import annotations

from pathlib import Path

from armoire.cli.arguments import RunPath
from armoire.cli.inputs import open_wardrobe


def export(run: RunPath, /, *, onnx: Path) -> None:
    """Write a run's model as two ONNX files, encoder.onnx and decoder.onnx, for programs without PyTorch.

    Args:
        onnx: the folder to write them into; both are compared with PyTorch before.
    """
    from armoire.publish import write_onnx

    for path in write_onnx(open_wardrobe(run), onnx):
        print(path)
