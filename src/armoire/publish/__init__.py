"""What leaves the house: the report of a run, its model as ONNX, and the explorer."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from armoire.publish.onnx import OnnxPair, export_onnx, write_onnx
    from armoire.publish.report import write_report
    from armoire.publish.site import export_site

__all__ = ["OnnxPair", "export_onnx", "export_site", "write_onnx", "write_report"]

# Imported when first used: a report brings matplotlib, ONNX brings torch, and the explorer opens without either.
_MODULES = {
    "OnnxPair": "onnx",
    "export_onnx": "onnx",
    "export_site": "site",
    "write_onnx": "onnx",
    "write_report": "report",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"armoire.publish.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'armoire.publish' has no attribute '{name}'")
