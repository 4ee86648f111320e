"""`fruitlake serve` over HTTP: answers, refusals, hostile uploads, and a lake that changes meanwhile."""

import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from bootstrap.cli.serve import read_facts
from bootstrap.serve.app import Limits
from catalog.scan import dataset
from ingestion.admission import admit
from ingestion.photo import Rejected
from ingestion.samples import sample_photos
from tests.commands import Here, check_one_line
from tests.hostile import write_hostile
from tests.lakes import Lake
from tests.serving import LIMITS, Service, serving
from tests.torture.mutants import mutant, whole_files
from transforms.identify import open_identifier

BANANA = sample_photos("Banana")[20].read_bytes()  # not in the lake, which has the first 8
FACTS = {"Banana": {"season": "all year", "origin": "Ecuador"}}


@pytest.fixture(scope="module")
def service(built: Lake) -> Iterator[Service]:
    with serving(built.tables, FACTS) as served:
        yield served


def form(name: str, content: bytes, filename: str | None = "photo.jpg") -> tuple[bytes, dict[str, str]]:
    kept = f'; filename="{filename}"' if filename else ""
    head = f'--edge\r\nContent-Disposition: form-data; name="{name}"{kept}\r\n\r\n'
    return head.encode() + content + b"\r\n--edge--\r\n", {"Content-Type": "multipart/form-data; boundary=edge"}


def test_a_body_and_a_form_get_the_answer_of_identify(service: Service, built: Lake) -> None:
    expected = open_identifier(built.tables).identify(BANANA, 5)
    status, said = service.ask("POST", "/identify", BANANA, {"Content-Type": "image/jpeg"})
    assert (status, said["label"], said["unlike"]) == (200, "Banana", False)
    assert said["basis"] == vars(expected.basis)
    assert [near["image_id"] for near in said["nearest"]] == [near.image_id for near in expected.nearest]
    assert service.ask("POST", "/identify", *form("photo", BANANA)) == (200, said)
    assert len(service.ask("POST", "/identify?neighbours=1", BANANA)[1]["nearest"]) == 1


def test_what_the_lake_knows_of_a_variety(service: Service, built: Lake) -> None:
    summary = {row["label"]: row for row in built.rows("gold.label_summary", "label", "photos", "spread")}
    status, said = service.ask("GET", "/labels/Banana")
    assert (status, said["photos"], said["spread"]) == (200, 8, summary["Banana"]["spread"])
    assert said["facts"] == FACTS["Banana"]
    cosines = [other["cosine"] for other in said["lookalikes"]]
    assert len(cosines) == 5 and cosines == sorted(cosines, reverse=True)
    awkward = "/labels/100%25%20%3D%20%231"
    assert service.ask("GET", awkward)[1]["label"] == "100% = #1"
    assert service.ask("GET", "/labels/Durian") == (404, {"detail": "the lake has no variety 'Durian'"})


def test_health_and_the_interfaces_description(service: Service, built: Lake) -> None:
    current = built.current("gold.fruit_vectors")
    status, said = service.ask("GET", "/health")
    assert (status, said["snapshot"], said["photos"]) == (200, current.id, current.rows)
    described = service.ask("GET", "/openapi.json")[1]
    assert set(described["paths"]) == {"/identify", "/labels/{label}", "/health"}
    assert {"image/*", "multipart/form-data"} == described["paths"]["/identify"]["post"]["requestBody"][
        "content"
    ].keys()
    assert "POST /identify" in service.ask("GET", "/docs")[1]


def test_hostile_uploads_are_refused_and_nothing_breaks(service: Service, tmp_path: Path) -> None:
    write_hostile(tmp_path / "hostile")
    random, whole = Random(19), whole_files()
    uploads = [path.read_bytes() for path in (tmp_path / "hostile").glob("*.*") if path.is_file()]
    uploads += [mutant(random, whole) for _ in range(60)]
    refused = 0
    for upload in uploads:
        status, said = service.ask("POST", "/identify", upload)
        try:
            admit(upload)
        except Rejected as error:
            refused += 1
            assert status in (413, 415, 422), said
            assert said == {"detail": str(error)}
        else:
            assert status == 200, said
    assert refused >= 60
    assert service.ask("POST", "/identify", bytes(LIMITS.max_bytes + 1))[0] == 413
    for body, headers in (
        (b"", {"Content-Type": "multipart/form-data"}),
        (b"nonsense", {"Content-Type": "multipart/form-data; boundary=edge"}),
        form("photo", BANANA, filename=None),
        form("photo", b"no photo"),
    ):
        status, said = service.ask("POST", "/identify", body, headers)
        assert status in (400, 415) and "detail" in said
    assert service.ask("POST", "/identify", BANANA)[1]["label"] == "Banana"


def test_a_photo_is_neither_stored_nor_logged(
    service: Service, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    large = BANANA + bytes(3 * 1024**2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path / "not there"))  # writing a temporary file would fail
        asked = [service.ask("POST", "/identify", large), service.ask("POST", "/identify", *form("photo", large))]
        assert service.ask("POST", "/identify", b"no photo")[0] == 415
    assert [said["label"] for _, said in asked] == ["Banana", "Banana"], asked
    said = capfd.readouterr()
    assert said.out + said.err == ""


def test_a_photo_that_comes_too_slowly_is_given_up(built: Lake) -> None:
    limits = Limits(max_bytes=1024**2, seconds=0.3, threads=1)
    with serving(built.tables, limits=limits) as served, socket.create_connection(("127.0.0.1", served.port)) as slow:
        slow.sendall(b"POST /identify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nhalf")
        slow.settimeout(5)
        assert slow.recv(100).startswith(b"HTTP/1.1 408")
    with serving(built.tables, limits=limits) as served:
        with socket.create_connection(("127.0.0.1", served.port)) as gone:
            gone.sendall(b"POST /identify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nhalf")
        assert served.ask("POST", "/identify", BANANA)[0] == 200


def test_a_newer_gold_is_loaded_and_no_request_is_dropped(built: Lake, tmp_path: Path) -> None:
    lake = built.copy(tmp_path / "lake").tables
    before = lake.current("gold.fruit_vectors")
    assert before is not None
    with serving(lake) as served:
        answers: list[tuple[int, int]] = []
        done = threading.Event()

        def ask() -> None:
            while not done.is_set():
                status, said = served.ask("POST", "/identify", BANANA)
                answers.append((status, said["basis"]["snapshot"]))

        asking = threading.Thread(target=ask)
        asking.start()
        one = dataset(lake, "gold.fruit_vectors").to_table().slice(0, 1)
        table = lake.load("gold.fruit_vectors")
        assert table is not None
        facts = {f"fruitlake.{name}": value for name, value in before.properties.items()}
        table.append(one.set_column(0, "image_id", [["f" * 64]]), snapshot_properties=facts)
        after = lake.current("gold.fruit_vectors")
        assert after and after.rows == before.rows + 1
        deadline = time.monotonic() + 20
        while answers[-1:] != [(200, after.id)] and time.monotonic() < deadline:
            time.sleep(0.05)
        done.set()
        asking.join()
    assert {status for status, _ in answers} == {200}
    assert [snapshot for _, snapshot in answers] == sorted(
        (snapshot for _, snapshot in answers), key=[before.id, after.id].index
    )
    assert answers[0][1] == before.id and answers[-1][1] == after.id


def test_facts_come_from_a_csv(tmp_path: Path) -> None:
    (tmp_path / "facts.csv").write_text("label,season\nKiwi,winter,more\nPear\n")
    assert read_facts(tmp_path / "facts.csv") == {"Kiwi": {"season": "winter"}, "Pear": {"season": ""}}


def test_what_serve_lacks_is_one_clear_line(
    built: Lake, here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "facts.csv").write_text("fruit,season\nKiwi,winter\n")
    for given, says in (
        (("--lake", str(built.path), "--facts", "facts.csv"), ("facts.csv", "`label`")),
        (("--lake", "none"), ("there is no lake",)),
    ):
        done = here("serve", *given)
        assert done.code == 1
        check_one_line(done.err, *says)
    monkeypatch.setattr("bootstrap.cli.serve.find_spec", lambda name: None)
    check_one_line(here("serve", "--lake", "none").err, "pip install 'fruitlake[serve]'")
