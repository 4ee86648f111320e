"""Entry point of EMR jobs: `fruitlake run LAYER`, or `stream`, in the packaged environment. Settings are `name=value`.

    spark-submit … run_layer.py silver lake=s3://bucket/lake weights=s3://bucket/artifacts/….onnx

It is started by spark-submit, so it uses the cluster's session; the run's local files go below its working folder.
"""

import os
import sys

layer, *given = sys.argv[1:]
options = [word for word in given if word.startswith("--")]
settings = dict(word.split("=", 1) for word in given if word not in options)
settings["cache"] = os.path.abspath("fruitlake-cache")  # a container's user may have no home
os.environ.update({f"FRUITLAKE_{name.upper()}": value for name, value in settings.items()})
sys.argv[1:] = ["stream", *options] if layer == "stream" else ["run", layer]

from bootstrap.cli import main  # noqa: E402  # after the variables, which it reads

main()
