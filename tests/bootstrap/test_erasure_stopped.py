"""Erasures that are stopped: the next one finishes them, and until then no run starts."""

import json
import tempfile
from pathlib import Path

import pytest

from bootstrap import erasing
from bootstrap.erasing import finish_erasures
from bootstrap.reporting import report_lake
from bootstrap.session import log_file
from catalog.branch import AuditBranch
from catalog.erasure_scope import Selection
from catalog.erasures import pending
from catalog.errors import BusyError, CatalogError
from catalog.maintenance import VacuumPlan
from tests.erased import QUIET, carry_out, check_marts, check_no_history, counts, photos, planned, traces
from tests.lakes import Lake


@pytest.fixture
def lake(twice_run: Lake, tmp_path: Path) -> Lake:
    return twice_run.copy(tmp_path / "lake")


def resume(lake: Lake) -> list[str]:
    with lake.tables.exclusive():
        return finish_erasures(lake.settings(), lake.tables, QUIET)


KILLED_IN = (  # in order; the attempt is killed at the first call that it reaches
    "transforms.erasure.drop_branches",
    "catalog.branch.AuditBranch.delete",  # nothing is deleted yet
    "transforms.publish.validate",  # leaves a branch without the photo, not audited
    "catalog.branch.AuditBranch.fast_forward",  # leaves an audited branch, not published
    "transforms.erasure.drop_deleted_entries",  # bronze is published
    "catalog.branch.AuditBranch.delete",  # silver's
    "transforms.erasure.build_models",
    "catalog.branch.AuditBranch.overwrite",  # the first mart's, or with refit the PCA's
    "transforms.erasure._delete_traces",
    "transforms.erasure.forget",
    "catalog.maintenance.delete_empty_folders",  # snapshots are expired, but older metadata files still mention them
    "transforms.erasure.carry_out",
    "transforms.erasure.finish",
    "catalog.erasures.write_object",  # writing the record
)


@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.exhaustive
def test_an_erasure_that_is_killed_again_and_again_is_finished(
    refit: bool, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(*_: object, **__: object) -> None:
        monkeypatch.setattr(AuditBranch, "drop", lambda self: None)  # a killed process does not clean up
        raise OSError("killed")  # not KeyboardInterrupt, which never ends dbt's threads

    gone = photos(lake, "Kiwi Half")[0]
    selection = Selection(image_ids=frozenset({gone.image_id}))
    for killed_in in KILLED_IN:
        with monkeypatch.context() as patch, pytest.raises(CatalogError, match=r"not complete .*killed"):
            if pending(lake.tables):
                patch.setattr(killed_in, dying)
                resume(lake)
            else:
                patch.setattr("bootstrap.erasing.opened", dying)
                carry_out(lake, selection, refit=refit)
        monkeypatch.undo()
        [begun] = pending(lake.tables)
        assert begun.image_ids == (gone.image_id,)
    with pytest.raises(CatalogError, match="interrupted: finish it with `fruitlake erase --resume"):
        lake.run("gold")
    [record] = resume(lake)
    assert not any(traces(lake, gone).values())
    assert json.loads(Path(record).read_text())["rows"]["bronze.images"] == 1
    rows = counts(lake)
    assert rows["bronze.images"] == rows["silver.image_features"] == rows["gold.fruit_vectors"] == 23
    assert (lake.current("gold.pca").properties["pca_id"] == begun.id) == refit, (
        "fitted once, by this erasure, and only with refit"
    )
    check_marts(lake)
    check_no_history(lake)
    assert planned(lake) == VacuumPlan()


def test_what_killed_runs_left_on_this_machine_goes_and_what_spark_said(lake: Lake) -> None:
    gone = photos(lake, "Banana")[0]
    killed = Path(tempfile.mkdtemp(prefix="fruitlake-spark-"))
    (killed / "rdd_7_0").write_bytes(gone.content)
    log = log_file(lake.settings())
    log.write_text(f"while reading {gone.path}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(erasing, "carry_out_erasure", lambda run, erasure: "record")  # tested above
        carry_out(lake, Selection(image_ids=frozenset({gone.image_id})))
    assert not killed.exists()
    assert not log.exists()


def test_what_stops_an_erasure_is_said_with_the_next_step(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = photos(lake, "Kiwi Half")[0]

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(AuditBranch, "delete", full)
    with pytest.raises(CatalogError, match=r"not complete .*No space left.*fruitlake erase --resume .* no run starts"):
        carry_out(lake, Selection(image_ids=frozenset({gone.image_id})))
    assert len(pending(lake.tables)) == 1


def test_no_report_is_written_while_photos_are_erased(lake: Lake) -> None:
    with (
        lake.tables.exclusive(),
        pytest.raises(BusyError, match=r"is locked by `fruitlake vacuum` or `erase`"),
    ):
        report_lake(lake.tables, QUIET)
