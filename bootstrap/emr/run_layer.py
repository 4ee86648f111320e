"""Entry point of EMR jobs: `fruitlake run LAYER` in the packaged environment, with settings given as `name=value`.

    spark-submit … run_layer.py silver lake=s3://bucket/lake weights=s3://bucket/artifacts/….onnx

It is started by spark-submit, so it uses the cluster's session; the run's local files go below its working folder.
"""

import os
import sys

layer, *given = sys.argv[1:]
settings = dict(setting.split("=", 1) for setting in given)
settings["cache"] = os.path.abspath("fruitlake-cache")  # a container's user may have no home
os.environ.update({f"FRUITLAKE_{name.upper()}": value for name, value in settings.items()})
sys.argv[1:] = ["run", layer]

from bootstrap.cli import main  # noqa: E402  # after the variables, which it reads

main()
