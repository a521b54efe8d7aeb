"""Report, ONNX export, the explorer, and uploads to the Hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armoire.lazy import lazily

if TYPE_CHECKING:
    from armoire.publish.cell import explore
    from armoire.publish.hub import push
    from armoire.publish.onnx import OnnxPair, export_onnx, write_onnx
    from armoire.publish.report import write_report
    from armoire.publish.site import export_site

__all__ = ["OnnxPair", "explore", "export_onnx", "export_site", "push", "write_onnx", "write_report"]

# Imported when first used: the report imports matplotlib and ONNX export torch; the explorer needs neither.
__getattr__ = lazily(
    __name__,
    {
        "cell": ("explore",),
        "hub": ("push",),
        "onnx": ("OnnxPair", "export_onnx", "write_onnx"),
        "report": ("write_report",),
        "site": ("export_site",),
    },
)
