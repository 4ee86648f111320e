"""Run the artifacts and the entry point of EMR jobs for real: spark-submit, a driver and two executor processes.

packaged ──laid out as YARN does──▶ an empty folder ──spark-submit --master local-cluster[2,1,2048]──▶ a lake
                                                                                     equal to the one made here
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyspark
import pytest

from bootstrap.emr import compute, submit
from bootstrap.emr.package import PYTHON, Artifacts
from tests.lakes import Lake

# The spark-defaults of a cluster, adapted to a machine with two cores.
_DEFAULTS = {
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "4",
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    "spark.sql.defaultCatalog": "lake",
}
_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
pytestmark = pytest.mark.exhaustive


@dataclass(frozen=True)
class Node:
    """A machine with only Spark, Java and Python, without the project and its packages."""

    home: Path
    packages: Path
    jars: Path  # those that the EMR release includes

    @property
    def variables(self) -> dict[str, str]:
        java = os.environ.get("JAVA_HOME") or Path(shutil.which("java") or "java").resolve().parents[1]
        return {
            "PATH": f"{self.home / 'bin'}:{java}/bin:/usr/bin:/bin",
            "HOME": str(self.home / "nobody"),
            "SPARK_HOME": str(self.home / "spark"),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "JAVA_TOOL_OPTIONS": _JVM,
            "LC_ALL": "C.UTF-8",  # as on Amazon Linux; without it, Java cannot create a folder "label=Pêche d'été"
        }

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the job's folder."""
        return subprocess.run(
            command,
            cwd=self.home / "job",
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )

    def submit(self, artifacts: Artifacts, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        archives = compute.archives(str(self.packages / artifacts.environment), str(self.packages / artifacts.project))
        return self._submit("local-cluster[2,1,2048]", archives, artifacts, arguments)

    def submit_alone(self, artifacts: Artifacts, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        """Submit to a driver without executors, for jobs that need none; only the job's folder is unpacked."""
        python = {"spark.pyspark.python": compute.PYTHON}
        return self._submit("local[1]", python, artifacts, arguments)

    def _submit(
        self, master: str, properties: dict[str, str], artifacts: Artifacts, arguments: list[str]
    ) -> subprocess.CompletedProcess[str]:
        jars = ":".join(str(path.resolve()) for path in self.jars.glob("*.jar"))
        release = {f"spark.{process}.extraClassPath": jars for process in ("driver", "executor")}
        properties = _DEFAULTS | release | properties
        conf = [w for name, value in properties.items() for w in ("--conf", f"{name}={value}")]
        spark_submit = str(self.home / "spark" / "bin" / "spark-submit")
        entry = str(self.packages / artifacts.entry)
        return self.run(spark_submit, "--master", master, *conf, entry, *arguments)

    def executors(self) -> list[Path]:
        """Folders of the executors that ran; while stopping, Spark starts some more, which do not run."""
        return sorted(folder.parent for folder in (self.home / "spark" / "work").glob("app-*/*/environment"))


@pytest.fixture(scope="module")
def node(packaged: Artifacts, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Node:
    """A node whose job folder holds exactly what YARN unpacks for a driver in cluster mode."""
    made = Node(tmp_path_factory.mktemp("node"), cache / "emr", cache / "jars")
    job = made.home / "job"
    for folder in (made.home / "bin", made.home / "spark", job / "environment"):
        folder.mkdir(parents=True)
    interpreter = Path(sys.base_prefix) / "bin" / f"python{PYTHON}"
    if not interpreter.exists():
        pytest.skip(f"the cluster's Python {PYTHON} is not the one that the tests run on")
    (made.home / "bin" / f"python{PYTHON}").symlink_to(interpreter)
    for part in Path(pyspark.__file__).parent.iterdir():  # executors work below SPARK_HOME, so make our own
        (made.home / "spark" / part.name).symlink_to(part)
    archive = made.packages / packaged.environment
    subprocess.run(["tar", "-xzf", str(archive), "-C", str(job / "environment")], check=True)  # as YARN does
    zipfile.ZipFile(made.packages / packaged.project).extractall(job / "fruitlake")
    return made


def test_the_node_has_nothing_of_ours_and_the_environment_brings_all(node: Node) -> None:
    for module in ("bootstrap", "numpy", "pyspark", "onnxruntime"):
        assert node.run(f"python{PYTHON}", "-c", f"import {module}").returncode != 0, module
    code = "import bootstrap.emr, dbt, onnxruntime, transforms; print(onnxruntime.__file__, transforms.__file__)"
    done = node.run("./environment/bin/python", "-c", code)
    assert done.returncode == 0, done.stderr
    assert [Path(p).parents[1].name for p in done.stdout.split()] == ["site-packages", "fruitlake"]
    assert all(str(node.home / "job") in path for path in done.stdout.split())


def test_the_environment_has_neither_tensorflow_nor_spark(node: Node) -> None:
    there = {path.name.lower() for path in (node.home / "job" / "environment" / "site-packages").iterdir()}
    assert {"onnxruntime", "pyarrow", "numpy", "dbt", "great_expectations"} <= there
    assert not there & {"tensorflow", "keras", "tf2onnx", "pyspark", "moto", "pytest"}


@pytest.fixture(scope="module")
def made_by_cluster(node: Node, packaged: Artifacts, built: Lake) -> tuple[Lake, str]:
    """A lake of the same photos, built by the submitted job, and the job's output."""
    lake = Lake(built.photos, node.home / "lake", built.cache)
    places = {"lake": str(lake.path), "images": str(lake.photos), "weights": str(node.packages / packaged.model)}
    arguments = submit.arguments("all", lake.settings(), **places)
    done = node.submit(packaged, arguments)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return lake, done.stdout


def test_every_layer_is_published_by_two_executor_processes(node: Node, made_by_cluster: tuple[Lake, str]) -> None:
    lake, said = made_by_cluster
    assert {"bronze.images", "silver.image_features", "gold.fruit_vectors"} <= set(lake.tables.tables())
    assert "gold.fruit_vectors" in said
    executors = node.executors()
    assert len(executors) == 2
    for folder in executors:
        assert (folder / "environment" / "bin" / "python").exists()
        assert (folder / "fruitlake" / "transforms" / "featurizer.py").exists()
        assert re.search(r"Finished task", (folder / "stderr").read_text()), "this executor ran no task"


def test_the_result_is_that_of_the_local_run(built: Lake, made_by_cluster: tuple[Lake, str]) -> None:
    theirs, ours = _read(made_by_cluster[0]), _read(built)
    assert theirs["labels"] == ours["labels"]
    assert theirs["models"] == ours["models"], "the exported model has the same id"
    assert theirs["features"].shape[1] == 1280
    np.testing.assert_allclose(theirs["features"], ours["features"], rtol=0, atol=1e-6)
    assert theirs["vectors"].shape == ours["vectors"].shape
    np.testing.assert_allclose(theirs["vectors"], ours["vectors"], rtol=0, atol=1e-4)


def _read(lake: Lake) -> dict[str, Any]:
    silver = sorted(lake.rows("silver.image_features"), key=lambda row: row["image_id"])
    gold = sorted(lake.rows("gold.fruit_vectors"), key=lambda row: row["image_id"])
    assert [row["image_id"] for row in silver] == [row["image_id"] for row in gold]
    return {
        "labels": [(row["image_id"], row["label"]) for row in gold],
        "models": {row["model_id"] for row in silver},
        "features": np.array([row["features"] for row in silver]),
        "vectors": np.array([row["vector"] for row in gold]),
    }


@pytest.mark.parametrize("job", [["bronze"], ["stream", "--events=https://sqs.eu-west-3.amazonaws.com/1/q"]])
def test_a_job_that_fails_exits_so_with_one_clear_line(
    job: list[str], node: Node, packaged: Artifacts, tmp_path: Path
) -> None:
    done = node.submit_alone(packaged, [*job, f"lake={tmp_path / 'lake'}", "images=/nowhere"])
    assert done.returncode == 1
    assert re.search(r"^error: there is no '/nowhere'", done.stdout, re.MULTILINE), done.stdout + done.stderr
    assert "Traceback" not in done.stdout
