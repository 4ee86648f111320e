"""A lake: its location, catalog and tables, in a folder and in a bucket, without a JVM."""

import json
import os
import subprocess
import sys
from configparser import ConfigParser
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyiceberg.catalog import load_catalog
from pyiceberg.table.update.spec import UpdateSpec

from catalog import credential_process
from catalog.errors import AwsError, CatalogError, RegionError, SettingsError
from catalog.lake import Lake, open_lake
from catalog.scan import dataset
from catalog.storage import write_object
from catalog.tables import TABLES
from tests.aws import AwsServer, glue_error, s3_error
from tests.lakes_by_hand import append, vectors

VECTORS = "gold.fruit_vectors"


@pytest.fixture(params=["folder", "bucket"])
def lake(request: pytest.FixtureRequest) -> Lake:
    made: Lake = request.getfixturevalue(f"{request.param}_lake")
    return made


def test_what_is_written_is_current_and_read(lake: Lake) -> None:
    assert (lake.tables(), lake.current(VECTORS), lake.history(VECTORS)) == ([], None, [])
    lake.create(TABLES[VECTORS])
    assert (lake.existing_tables(), lake.tables()) == ([VECTORS], [])
    first = append(lake, VECTORS, vectors("Pêche d'été", (1.0, 2.0)))
    second = append(lake, VECTORS, vectors("100% = #1?", (3.0, 4.0)), run="20261122T190000-0002")
    assert [s.id for s in lake.history(VECTORS)] == [second.id, first.id]
    rows = {r["label"]: r["vector"] for r in dataset(lake, VECTORS).to_table().to_pylist()}
    assert rows == {"Pêche d'été": [1.0, 2.0], "100% = #1?": [3.0, 4.0]}
    assert dataset(lake, VECTORS, first.id).count_rows() == 1
    loaded = lake.load(VECTORS)
    assert loaded is not None and loaded.location() == f"{lake.uri}/gold/fruit_vectors"


@pytest.mark.parametrize("name", TABLES)
def test_a_table_tells_what_its_columns_mean(name: str, lake: Lake) -> None:
    table = TABLES[name]
    lake.create(table)
    lake.create(table)  # as another run would
    loaded = lake.load(name)
    assert loaded is not None
    assert {field.name: field.doc for field in loaded.schema().fields} == {c.name: c.comment for c in table.columns}
    assert loaded.properties["comment"] == table.grain
    assert [field.name for field in loaded.spec().fields] == ([table.partition] if table.partition else [])


def test_a_table_that_another_run_creates_first_is_used(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    add_identity = UpdateSpec.add_identity

    def overtaken(update: UpdateSpec, column: str) -> UpdateSpec:
        monkeypatch.undo()
        open_lake(lake.uri).create(TABLES[VECTORS])
        return add_identity(update, column)

    monkeypatch.setattr(UpdateSpec, "add_identity", overtaken)
    lake.create(TABLES[VECTORS])
    assert lake.existing_tables() == [VECTORS]
    append(lake, VECTORS, vectors("Kiwi", (1.0, 2.0)))
    assert dataset(lake, VECTORS).count_rows() == 1


def test_where_nothing_was_published_the_command_that_does_it_is_told(lake: Lake) -> None:
    with pytest.raises(CatalogError, match=r"there is no lake at .* make one with `fruitlake run"):
        lake.check_published()


def test_a_lake_of_the_first_edition_is_refused_in_a_line(lake: Lake) -> None:
    write_object(f"{lake.uri}/_catalog/gold.pca/CURRENT", b"1")
    with pytest.raises(CatalogError, match=r"before its tables were Iceberg's.*give --lake another place"):
        lake.check_edition()


def test_another_catalog_is_a_setting_away(tmp_path: Path) -> None:
    theirs = {"type": "sql", "uri": f"sqlite:///{tmp_path}/theirs.db"}
    lake = open_lake(str(tmp_path / "lake"), catalog=theirs)
    published = append(lake, VECTORS, vectors("Fig", (1.0,)))
    found = load_catalog("lake", **theirs).load_table("fruits_gold.fruit_vectors")
    assert found.metadata.current_snapshot_id == published.id
    assert not Path(lake.uri, "catalog.db").exists()
    assert lake.spark_properties()["spark.sql.catalog.lake.uri"] == theirs["uri"]


@pytest.mark.parametrize("character", "#?")
def test_a_prefix_that_iceberg_would_cut_is_refused(character: str) -> None:
    with pytest.raises(SettingsError, match=r"the end of an S3 address; give --lake a prefix without it"):
        open_lake(f"s3://lake/a{character}b")


def test_a_bucket_or_a_glue_elsewhere_is_refused(bucket_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket_lake.check_place(["eu-west-3"])
    with pytest.raises(RegionError, match=r"'lake' is in eu-west-3, allowed: eu-north-1"):
        bucket_lake.check_place(["eu-north-1"])
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with pytest.raises(RegionError, match="AWS_REGION is us-east-1"):
        bucket_lake.check_place(["eu-west-3"])


def test_what_aws_refuses_is_one_line(bucket_lake: Lake, aws: AwsServer) -> None:
    append(bucket_lake, VECTORS, vectors("Fig", (1.0,)))
    denied = glue_error("AccessDeniedException", "User: ada is not authorized")
    with (
        aws.answering("GetTable", lambda _: denied),
        pytest.raises(AwsError, match=r"^AWS Glue cannot be used: no permission for GetTable \(User: ada .* granted$"),
    ):
        bucket_lake.current(VECTORS)
    with (
        aws.answering("GET /lake/", lambda _: s3_error("AccessDenied", 403)),
        pytest.raises(AwsError, match=r"no permission for GetObject \(.*\): use other credentials, or have it granted"),
    ):
        bucket_lake.current(VECTORS)


def test_credentials_that_end_are_renewed(
    bucket_lake: Lake, aws: AwsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the Glue client and by the file reader; botocore renews credentials in their last 15 minutes."""
    append(bucket_lake, VECTORS, vectors("Fig", (1.0,)))
    until = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    answer = {"Version": 1, "SecretAccessKey": "s", "SessionToken": "t", "Expiration": until}
    program = tmp_path / "keys.py"
    program.write_text(
        "import json, pathlib\n"
        f"asked = pathlib.Path({str(tmp_path / 'asked')!r})\n"
        "asked.open('a').write('.')\n"
        f"print(json.dumps({answer!r} | {{'AccessKeyId': f'ASIA{{len(asked.read_text())}}'}}))\n"
    )
    (tmp_path / "config").write_text(f"[profile ada]\ncredential_process = {sys.executable} {program}\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "ada")
    lake = open_lake(bucket_lake.uri)

    def keys_used() -> set[str]:
        aws.signed_by.clear()
        assert lake.current(VECTORS) is not None
        assert dataset(lake, VECTORS).count_rows() == 1
        return set(aws.signed_by)

    first, second = keys_used(), keys_used()
    assert all(key.startswith("ASIA") for key in first | second)
    assert first and second and not first & second


def test_java_is_handed_the_credentials_that_botocore_finds(aws: AwsServer, tmp_path: Path) -> None:
    options = credential_process.java_options(str(tmp_path))
    assert options == f"-Daws.configFile={tmp_path}/aws-config -Daws.profile=fruitlake"
    config = ConfigParser()
    config.read(tmp_path / "aws-config")
    asked = config["profile fruitlake"]["credential_process"]
    for token in ("", "of a session"):
        given = os.environ | ({"AWS_SESSION_TOKEN": token} if token else {})
        answer = json.loads(subprocess.run(["sh", "-c", asked], env=given, capture_output=True, check=True).stdout)
        expected = {"Version": 1, "AccessKeyId": "test", "SecretAccessKey": "test"}
        if token:
            until = datetime.fromisoformat(answer.pop("Expiration"))
            assert timedelta(minutes=8) < until - datetime.now(UTC) < timedelta(minutes=10)
        assert answer == expected | ({"SessionToken": token} if token else {})


def test_one_lake_has_one_prefix(folder_lake: Lake) -> None:
    """With two, tables would share folders, and the vacuum of one would delete the files of the other."""
    append(folder_lake, "gold.fruit_vectors", vectors("Kiwi", (1.0, 2.0)))
    with pytest.raises(CatalogError, match="give the --database-prefix that the lake was made with"):
        open_lake(folder_lake.uri, "others").create(TABLES["gold.fruit_vectors"])
