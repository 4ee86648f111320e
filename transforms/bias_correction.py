"""Correct the biases of a quantized network: they bring each channel's mean output close to fp32's again.

Rounded weights shift a channel's mean, and in MobileNet's narrow layers such shifts add up (Nagel et al., 2019,
https://arxiv.org/abs/1906.04721). Convolutions are corrected in their order, so that each also makes up for what the
ones before it left over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from transforms.network import Pixels
from transforms.onnx_session import onnx_session

if TYPE_CHECKING:
    import onnx

_PHOTOS_PER_CALL = 4
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

    int8 = infer_shapes(int8)  # only a tensor of known shape can become an output
    stored = {tensor.name: tensor for tensor in int8.graph.initializer}
    made_by = {name: node for node in int8.graph.node for name in node.output}
    convolutions = [node for node in int8.graph.node if node.op_type == "Conv" and {*node.input[2:]} & made_by.keys()]
    wanted = _channel_means(fp32, [node.output[0] for node in convolutions], pixels)
    for node, mean in zip(convolutions, wanted, strict=True):
        rounded = node.output[0] + _ROUNDED
        (found,) = _channel_means(int8, [rounded if rounded in made_by else node.output[0]], pixels)
        bias, scale = (stored[name] for name in made_by[node.input[2]].input[:2])
        steps = np.rint((mean - found) / numpy_helper.to_array(scale).astype(np.float64))
        # the scale of a channel with hardly any weights is so small that its bias nearly fills 32 bits
        corrected = np.clip(numpy_helper.to_array(bias) + steps, -_LARGEST, _LARGEST)
        bias.CopyFrom(numpy_helper.from_array(corrected.astype(np.int32), bias.name))
    return int8


def _channel_means(model: onnx.ModelProto, tensors: list[str], pixels: Pixels) -> list[npt.NDArray[np.float32]]:
    """The mean of each tensor (n, channels, height, width) by channel."""
    from onnx.utils import Extractor

    session = onnx_session(Extractor(model).extract_model(["pixels"], tensors).SerializeToString())
    calls = [pixels[at : at + _PHOTOS_PER_CALL] for at in range(0, len(pixels), _PHOTOS_PER_CALL)]
    sums = [[found.sum(axis=0).mean(axis=(1, 2)) for found in session.run(tensors, {"pixels": call})] for call in calls]
    return [np.sum(of_tensor, axis=0) / len(pixels) for of_tensor in zip(*sums, strict=True)]
