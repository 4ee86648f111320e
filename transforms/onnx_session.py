"""ONNX Runtime on one thread or on a GPU, with its usage statistics switched off.

Since 1.29, its packages send usage events to Microsoft and keep a device id in the user's home. Import the library only
through this module.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from catalog.errors import RunError

if TYPE_CHECKING:
    import onnxruntime

# Without channels last, cuDNN runs MobileNet's depthwise convolutions 20 times slower (docs/scaling.md).
_CUDA = ("CUDAExecutionProvider", {"prefer_nhwc": "1", "use_tf32": "0"})
_CPU = "CPUExecutionProvider"


def load_onnxruntime() -> Any:
    """Import the library when it is first needed: `status` and `query` must not wait for it."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read once, at import
    import onnxruntime

    return onnxruntime


def check_cuda() -> None:
    """Raise RunError unless ONNX Runtime for CUDA is installed; whether there is a GPU only shows in a session."""
    if _CUDA[0] not in load_onnxruntime().get_available_providers():
        raise RunError("--device cuda needs ONNX Runtime for CUDA, which is not installed: see docs/scaling.md")


def onnx_session(model: bytes, device: str = "cpu") -> onnxruntime.InferenceSession:
    """An inference session for an exported network, on `cpu` or `cuda`.

    Raises ONNX Runtime's errors for invalid bytes, and RunError if it cannot use a GPU.
    """
    runtime = load_onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1  # every task slot has its own process
    options.inter_op_num_threads = 1
    providers: list[Any] = [_CPU]
    if device == "cuda":
        check_cuda()
        runtime.preload_dlls()  # CUDA's libraries from their Python packages
        providers = [_CUDA, _CPU]
    session: onnxruntime.InferenceSession = runtime.InferenceSession(model, options, providers=providers)
    if device == "cuda" and _CUDA[0] not in session.get_providers():
        raise RunError("--device cuda found no usable NVIDIA GPU: check nvidia-smi, or leave --device out")
    return session
