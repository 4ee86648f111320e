"""ONNX Runtime on one thread, with its usage statistics switched off.

Since 1.29, its packages send usage events to Microsoft and keep a device id in the user's home. Import the library only
through this module.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnxruntime


def load_onnxruntime() -> Any:
    """Import the library when it is first needed: `status` and `query` must not wait for it."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read once, at import
    import onnxruntime

    return onnxruntime


def onnx_session(model: bytes) -> onnxruntime.InferenceSession:
    """An inference session for an exported network. Raises ONNX Runtime's errors for invalid bytes."""
    runtime = load_onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1  # every task slot has its own process
    options.inter_op_num_threads = 1
    session: onnxruntime.InferenceSession = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session
