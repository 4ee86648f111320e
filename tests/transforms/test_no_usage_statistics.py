"""Libraries that send usage statistics by default send none."""

import os
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

from transforms.weights import prepare

_FEATURIZE = """
import sys
import numpy as np
from transforms.network import load_network
from transforms.weights import Featurizer
load_network(Featurizer("", "onnx", sys.argv[1])).run(np.zeros((1, 224, 224, 3), np.uint8))
"""
_SILENCES = {"CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "XDG_CACHE_HOME"}  # these would disable it anyway


def test_onnx_runtime_keeps_no_device_id_and_no_events(cache: Path, tmp_path: Path) -> None:
    """They would be stored below the home directory; what is not stored cannot be sent."""
    model = prepare("bundled", "onnx", cache, str(tmp_path / "lake")).uri
    home = tmp_path / "home"
    home.mkdir()
    variables = {k: v for k, v in os.environ.items() if k not in _SILENCES} | {"HOME": str(home)}
    subprocess.run([sys.executable, "-c", _FEATURIZE, model], env=variables, check=True)
    assert list(home.rglob("*")) == []


def test_great_expectations_has_nothing_to_send_events_with() -> None:
    """Older 1.x releases depend on posthog, and read GX_ANALYTICS_ENABLED; the locked one does neither."""
    assert not [wanted for wanted in requires("great_expectations") or [] if wanted.startswith("posthog")]
