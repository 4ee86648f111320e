"""Correct the biases of a quantized network: they bring each channel's mean output close to fp32's again.

Rounded weights shift a channel's mean, and in MobileNet's narrow layers such shifts add up (Nagel et al., 2019,
https://arxiv.org/abs/1906.04721). Convolutions are corrected in their order, so that each also makes up for what the
ones before it left over.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from transforms.network import Pixels
from transforms.onnx_session import onnx_session

if TYPE_CHECKING:
    import onnx
    import onnxruntime
    from onnx.utils import Extractor

_LARGEST = 2**31 - 1
_ROUNDED = "_DequantizeLinear_Output"  # what ONNX Runtime's quantizer appends to the name of a tensor that it rounds


def correct_biases(int8: onnx.ModelProto, fp32: onnx.ModelProto, pixels: Pixels) -> onnx.ModelProto:
    """Return int8 with corrected biases, for pixels (n, 224, 224, 3).

    Args:
        int8: a QDQ model of 8-bit convolutions with 32-bit biases, whose tensors are named as in fp32.
        fp32: the model that it was quantized from, its batch normalization folded into the convolutions.
        pixels: a few photos are enough; 8 are as good as 64 (docs/scaling.md).
    """
    from onnx import numpy_helper
    from onnx.shape_inference import infer_shapes
    from onnx.utils import Extractor

    int8 = infer_shapes(int8)  # only a tensor of known shape can become an output
    parts = Extractor(int8)
    made_by = {name: node for node in int8.graph.node for name in node.output}
    convolutions = [node for node in int8.graph.node if node.op_type == "Conv" and {*node.input[2:]} & made_by.keys()]
    outputs = [node.output[0] for node in convolutions]
    exact = _session(Extractor(fp32), ["pixels"], outputs)
    by_photo = [[*map(_channel_means, exact.run(outputs, {"pixels": pixels[i : i + 1]}))] for i in range(len(pixels))]
    known = {"pixels": pixels}  # and the inputs of the convolutions so far, which no longer change
    for node, means in zip(convolutions, zip(*by_photo, strict=True), strict=True):
        output, entry = node.output[0], made_by[node.input[0]].input[0]
        tensors = [entry, output + _ROUNDED if output + _ROUNDED in made_by else output]
        session = _session(parts, known, tensors)
        known[entry], found = session.run(tensors, {tensor.name: known[tensor.name] for tensor in session.get_inputs()})
        bias, scale = (parts.initializers[name] for name in made_by[node.input[2]].input[:2])
        missing = np.mean(means, axis=0) - _channel_means(found)
        steps = np.rint(missing / numpy_helper.to_array(scale).astype(np.float64))
        # the scale of a channel with hardly any weights is so small that its bias nearly fills 32 bits
        corrected = np.clip(numpy_helper.to_array(bias) + steps, -_LARGEST, _LARGEST)
        bias.CopyFrom(numpy_helper.from_array(corrected.astype(np.int32), bias.name))
    return int8


def _session(model: Extractor, known: Collection[str], wanted: list[str]) -> onnxruntime.InferenceSession:
    """A session of the part of a model that leads from the known tensors to the wanted ones."""
    inputs, todo = set[str](), [*wanted]
    while todo:
        if (name := todo.pop()) in known:
            inputs.add(name)
        elif (at := model.outmap.get(name)) is not None:  # otherwise it is a weight
            todo += model.graph.node[at].input
    return onnx_session(model.extract_model([*inputs], wanted).SerializeToString())


def _channel_means(tensor: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The mean of a tensor (n, channels, height, width) by channel."""
    means: npt.NDArray[np.float64] = tensor.mean(axis=(0, 2, 3), dtype=np.float64)
    return means
