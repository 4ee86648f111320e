"""ONNX Runtime on one thread, and without a word to its maker.

Its packages send usage events to Microsoft since 1.29, and keep a device id in the user's home. Whoever needs the
library gets it here.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnxruntime


def onnx_session(model: bytes) -> onnxruntime.InferenceSession:
    """A session of an exported network. Raises what ONNX Runtime raises of one that is none."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read once, while the library starts
    import onnxruntime  # not on top: whoever only looks at a lake does not wait for it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # every task slot has a process of its own
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
