"""PyTorch modules as ONNX graphs, and onnxruntime to run them, often several times as fast on a CPU."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from armoire.extras import missing_extra

if TYPE_CHECKING:
    import onnx
    import onnxruntime
    from torch import Tensor, nn

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
OPSET = 18  # that torch's exporter writes without a converter


def is_installed() -> bool:
    """Whether the packages that write and run graphs are installed; imports none of them."""
    return all(importlib.util.find_spec(name) for name in PACKAGES)


def check_installed(what: str, extra: str = "explore", instead: str = "") -> None:
    """Raise `missing_extra` unless these packages are installed."""
    if not is_installed():
        raise missing_extra(what, extra, instead)


def to_graph(
    module: nn.Module, examples: tuple[Tensor, ...], inputs: Sequence[str], outputs: Sequence[str]
) -> onnx.ModelProto:
    """The forward of a module in evaluation mode as a graph, in which the first dimension of every input, n, is free.

    `examples` are two rows of each input, because the exporter treats a batch of one as a constant; `inputs` and
    `outputs` are names.
    """
    import torch

    n: Any = torch.export.Dim("n")
    with _quietly():
        program = torch.onnx.export(
            module,
            examples,
            dynamo=True,
            external_data=False,
            verbose=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=tuple({0: n} for _ in examples),
        )
    assert program is not None
    return _for_all_runtimes(program.model_proto)


def _for_all_runtimes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with the oldest IR version that its opset has, and without a -1 that a batch of 0 leaves undefined."""
    from onnx import helper, numpy_helper, shape_inference

    model = shape_inference.infer_shapes(model)
    model.ir_version = helper.find_min_ir_version_for(list(model.opset_import))
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    shapes = {value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim] for value in graph.value_info}
    for node in graph.node:
        wanted = constants.get(node.input[1]) if node.op_type == "Reshape" else None
        known = shapes.get(node.output[0], [])[1:]
        # [0, 8, -1], of a group normalisation: 0 is the first dimension as it is.
        if wanted is None or list(numpy_helper.to_array(wanted))[:1] != [0] or not all(known):
            continue
        node.input[1] = f"{node.output[0]}/shape"
        graph.initializer.append(numpy_helper.from_array(np.array([0, *known], np.int64), node.input[1]))
    return model


def until(path: Path, output: str) -> bytes:
    """The nodes of a stored graph up to the one that computes `output`, with inputs of any size."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
    last = next(number for number, node in enumerate(graph.node) if output in node.output)
    # Nodes are in the order in which they run. Shapes were recorded for inputs of one size.
    del graph.node[last + 1 :], graph.output[:], graph.value_info[:]
    graph.output.append(onnx.helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None))
    for axis in graph.input[0].type.tensor_type.shape.dim:
        axis.Clear()
    return model.SerializeToString()


def open_session(content: bytes) -> onnxruntime.InferenceSession:
    """A graph, ready to be run on the CPU with as many threads as PyTorch has."""
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; they are raised too
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Suppress the exporter's warnings about packages that armoire does not use and its own deprecated parts."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
