"""Networks as ONNX files: `export_onnx` writes one, ``pointtrack.load("x.onnx")`` runs it."""

from pointtrack.export.families import EXPORTED
from pointtrack.export.writing import export_onnx

__all__ = ["EXPORTED", "export_onnx"]
