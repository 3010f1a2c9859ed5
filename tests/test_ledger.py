"""The ledger: records are chained, a hand in it shows, a write that was cut off is told, writers do not disturb each
other; and a held copy is released by a named person or not at all."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import jsonschema
import pytest
from builders import ASKING, full_report

from media_screen import config, ledger
from media_screen.batch import MARK, Job, Workers, gather, run, sift
from media_screen.config import Settings
from media_screen.errors import SettingsError, VerificationFailed, WriteFailed
from media_screen.journal import Journal
from media_screen.ledger import FILE, START, append, of_verdict, read, unrecorded
from media_screen.release import release
from media_screen.report import json_report
from media_screen.report.files import write_index

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
SCHEMA = Path(config.__file__).parent / "report" / "schema.json"
CLEAN, PORTRAIT, PATROL = (SAMPLES / n for n in ("nothing to hide.png", "portrait, held upright.jpg", "गश्त patrol.jpg"))


@pytest.fixture
def book(tmp_path) -> Path:
    path = tmp_path / FILE
    for n in range(5):
        append(path, {"event": "verdict", "name": f"{n}.jpg"})
    return path


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


# --- the chain ---


def test_each_record_follows_the_one_before(book):
    chain = read(book)
    assert (chain.faults, chain.torn) == ((), ())
    assert [r["seq"] for r in chain.records] == [1, 2, 3, 4, 5]
    assert [r["previous"] for r in chain.records] == [START, *(r["sha256"] for r in chain.records[:-1])]
    assert chain.head == chain.records[-1]["sha256"]


def altered(some: list[bytes]) -> list[bytes]:
    return [*some[:2], some[2].replace(b"2.jpg", b"9.jpg"), *some[3:]]


@pytest.mark.parametrize(
    ("hand", "said"),
    [
        (altered, "line 3: the record was altered"),
        (lambda some: [*some[:2], *some[3:]], "line 3: does not follow"),
        (lambda some: some[1:], "line 1: does not follow"),
        (lambda some: [some[0], some[2], some[1], *some[3:]], "line 2: does not follow"),
        (lambda some: [*some[:2], some[1], *some[2:]], "line 3: does not follow"),
        (lambda some: [*some[:2], b"{}\n", *some[3:]], "line 4: does not follow"),
        (lambda some: [*some[:2], some[2][:20] + b"\n", *some[3:]], "line 4: does not follow"),
    ],
    ids=["altered", "taken out", "first taken out", "moved", "put in twice", "emptied", "cut short"],
)
def test_a_hand_in_the_ledger_shows(book, hand, said):
    book.write_bytes(b"".join(hand(lines(book))))
    assert any(said in fault for fault in read(book).faults)


def test_a_forged_record_with_a_digest_of_its_own_breaks_the_chain_behind_it(book):
    some = lines(book)
    record = json.loads(some[2]) | {"name": "9.jpg"}
    some[2] = ledger._line(record | {"sha256": ledger._digest(record)})
    book.write_bytes(b"".join(some))
    assert read(book).faults == ("line 4: does not follow the record before it; some were taken out, put in or moved",)


@pytest.mark.parametrize("kept", [1, 17, -1])
def test_a_write_that_was_cut_off_is_told_and_the_chain_goes_on_past_it(book, kept):
    whole = book.read_bytes()
    append(book, {"event": "verdict", "name": "torn.jpg"})
    torn = book.read_bytes()[len(whole) :]
    book.write_bytes(whole + torn[: len(torn) + kept if kept < 0 else kept])
    before = read(book)
    assert before.faults == ()
    assert before.torn == (() if kept == -1 else (6,))  # only the end of the line is missing: the record is whole
    append(book, {"event": "verdict", "name": "next.jpg"})
    after = read(book)
    assert (after.faults, after.torn) == ((), before.torn)
    assert [r["name"] for r in after.records][-1] == "next.jpg"
    assert book.read_bytes().startswith(whole)  # nothing is ever taken back


def test_the_last_record_is_found_behind_a_long_torn_line(book):
    with book.open("ab") as file:
        file.write(b'{"seq": 6, "x": "' + b"y" * (3 * ledger.BLOCK_BYTES))
    append(book, {"event": "verdict", "name": "next.jpg"})
    chain = read(book)
    assert (chain.faults, chain.torn) == ((), (6,))
    assert [r["seq"] for r in chain.records] == [1, 2, 3, 4, 5, 6]


def test_that_the_end_was_cut_away_shows_against_a_head_that_was_noted(book):
    head = read(book).head
    book.write_bytes(b"".join(lines(book)[:-1]))
    assert read(book).faults == ()
    assert head not in {r["sha256"] for r in read(book).records}


def write_many(path: str, who: int) -> None:
    for n in range(40):
        append(Path(path), {"event": "verdict", "name": f"{who}/{n}"})


def test_many_writers_at_once_leave_one_whole_chain(tmp_path):
    path = tmp_path / FILE
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(write_many, [str(path)] * 4, range(4)))
    chain = read(path)
    assert (chain.faults, chain.torn, len(chain.records)) == ((), (), 160)
    assert {r["name"] for r in chain.records} == {f"{who}/{n}" for who in range(4) for n in range(40)}


def test_writers_that_are_killed_leave_a_chain_that_holds(tmp_path):
    path = tmp_path / FILE
    code = (
        "import sys\nfrom pathlib import Path\nfrom media_screen.ledger import append\n"
        "while True: append(Path(sys.argv[1]), {'name': 'x' * 5000})"
    )
    for _ in range(6):
        writers = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(2)]
        deadline = time.monotonic() + 20
        before = path.stat().st_size if path.exists() else 0
        while time.monotonic() < deadline and (not path.exists() or path.stat().st_size < before + 30000):
            time.sleep(0.01)
        for writer in writers:
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait()
    append(path, {"name": "last"})  # the lock of the dead does not stay
    chain = read(path)
    assert chain.faults == ()
    assert chain.records[-1]["name"] == "last"


def test_a_ledger_that_is_not_there_or_cannot_be_written_is_said(tmp_path):
    with pytest.raises(SettingsError, match="no ledger"):
        read(tmp_path / FILE)
    with pytest.raises(WriteFailed, match="cannot be written"):
        append(tmp_path / "no folder" / FILE, {})


def test_a_record_holds_no_faces_no_places_and_no_metadata():
    record = of_verdict(json_report.document(full_report()))
    assert record["input_sha256"]
    text = json.dumps(record)
    doc = json_report.document(full_report())
    for finding in doc["findings"]:
        assert not finding["box"] or str(finding["box"][0]) not in text
    for word in ("thumbnail", "box", "first_s", "score", "GPS", "base64", "findings"):
        assert word not in text
    assert set(record) == {
        *("event", "name", "input_sha256", "output", "output_sha256", "policy", "policy_sha256", "verdict"),
        *("disposition", "clauses", "questions", "facts", "blur", "gallery", "models", "error", "tool"),
    }


# --- a batch and its ledger, and releases ---


@pytest.fixture(scope="module")
def screened(tmp_path_factory):
    """An output folder with one copy held and one cleared."""
    top = tmp_path_factory.mktemp("screened")
    (top / "asking.yaml").write_text(ASKING, encoding="utf-8")
    (top / "in" / "beat").mkdir(parents=True)
    shutil.copy(PORTRAIT, top / "in" / "beat" / "portrait.jpg")
    shutil.copy(PATROL, top / "in" / "गश्त.jpg")
    shutil.copy(CLEAN, top / "in" / "clean.png")
    (top / "in" / "clean.png.media-screen.yaml").write_text("{rights: held, by: Insp. Rao}\n", encoding="utf-8")
    return screen(top)


def screen(top: Path) -> Path:
    out = top / "out"
    out.mkdir(exist_ok=True)
    (out / MARK).write_text("{}")
    job = Job(out=out, settings=Settings(threads=1, policy=str(top / "asking.yaml")))
    with ThreadPoolExecutor(1) as pool, Journal(out) as journal:
        sifted = sift(gather([top / "in"], out), job, journal)
        done = run(sifted, job, Workers(executor=pool, slots=1), journal)
    write_index([o.document for o in (*sifted.old, *done)], out, ("json", "html", "csv"))
    return out


@pytest.fixture
def out(screened, tmp_path) -> Path:
    shutil.copytree(screened.parent, tmp_path / "top")
    return tmp_path / "top" / "out"


def test_a_batch_records_every_file(screened):
    chain = read(screened / FILE)
    assert (chain.faults, chain.torn) == ((), ())
    assert {r["name"]: r["disposition"] for r in chain.records} == {
        "beat/portrait.jpg": "held",
        "गश्त.jpg": "held",
        "clean.png": "cleared",
    }
    clean = ledger.latest(chain)["clean.png"]
    assert clean["facts"] == [{"name": "rights", "value": "held", "reference": "", "by": "Insp. Rao"}]
    assert clean["input_sha256"] == clean["output_sha256"] == ledger.sha256_of(CLEAN)
    assert clean["policy_sha256"]
    assert unrecorded(screened, chain) == []
    raw = (screened / FILE).read_text()
    for value in ("26.8", "80.9", "4800", "26/1", "SN-0042", "GPS", "thumbnail"):  # where the patrol was, and its phone
        assert value not in raw


def test_a_held_copy_is_released_by_a_named_person(out):
    held = out / "held" / "beat" / "portrait.jpg"
    content = held.read_bytes()
    target, unwritten = release(held, by="  Insp.  Rao ", reason="seen to the end;\nall faces covered")
    assert (target, unwritten) == (out / "cleared" / "beat" / "portrait.jpg", [])
    assert target.read_bytes() == content
    assert not held.exists()
    record = read(out / FILE).records[-1]
    assert (record["event"], record["by"], record["reason"]) == (
        "release",
        "Insp. Rao",
        "seen to the end; all faces covered",
    )
    assert record["output_sha256"] == ledger.sha256_of(target)
    assert record["questions"] == ["rights"]
    assert unrecorded(out, read(out / FILE)) == []
    doc = json.loads((out / "reports/beat/portrait.jpg.json").read_text("utf-8"))
    jsonschema.validate(doc, json.loads(SCHEMA.read_text()))
    assert (doc["disposition"], doc["verdict"], doc["output"]["name"]) == (
        *("cleared", "review", "cleared/beat/portrait.jpg"),
    )
    assert doc["release"]["by"] == "Insp. Rao"
    page = (out / "reports/beat/portrait.jpg.html").read_text("utf-8")
    assert "Released by Insp. Rao" in page
    assert "Questions to be answered" not in page
    row = next(r for r in json.loads((out / "summary.json").read_text())["inputs"] if r["name"].startswith("beat"))
    assert row["disposition"] == "cleared"
    assert "cleared/beat/portrait.jpg" in (out / "index.html").read_text("utf-8")
    assert "thumbnail.jpg" in (out / "index.html").read_text("utf-8")


def test_what_was_released_stays_released_when_the_batch_runs_again(out):
    release(out / "held" / "beat" / "portrait.jpg", by="A", reason="b")
    before = len(read(out / FILE).records)
    shutil.copy(PORTRAIT, out.parent / "in" / "twin.jpg")  # the same content: a release was of one file
    screen(out.parent)
    assert (out / "cleared" / "beat" / "portrait.jpg").is_file()
    assert (out / "held" / "twin.jpg").is_file()
    assert [r["name"] for r in read(out / FILE).records[before:]] == ["twin.jpg"]


@pytest.mark.parametrize("what", ["gone", "of another version", "no JSON"])
def test_reports_that_cannot_be_renewed_are_told_and_the_release_stands(out, what):
    page = out / "reports" / "beat" / "portrait.jpg.json"
    doc = json.loads(page.read_text("utf-8"))
    if what == "gone":
        page.unlink()
    else:
        del doc["verification"]
        page.write_text(json.dumps(doc) if what == "of another version" else "{", encoding="utf-8")
    target, unwritten = release(out / "held" / "beat" / "portrait.jpg", by="A", reason="b")
    assert target.is_file()
    assert "cannot be renewed" in unwritten[0]
    assert read(out / FILE).records[-1]["event"] == "release"
    assert unrecorded(out, read(out / FILE)) == []


def test_another_file_in_its_place_is_not_released(out):
    held = out / "held" / "beat" / "portrait.jpg"
    shutil.copy(PORTRAIT, held)  # the original, face and all
    before = (out / FILE).read_bytes()
    with pytest.raises(VerificationFailed, match="not the copy that was screened"):
        release(held, by="A", reason="b")
    assert not (out / "cleared" / "beat" / "portrait.jpg").exists()
    assert not list(out.rglob(".media-screen-*.jpg"))
    assert held.is_file()
    assert (out / FILE).read_bytes() == before


def test_with_a_ledger_that_was_tampered_with_nothing_is_released(out):
    some = lines(out / FILE)
    (out / FILE).write_bytes(b"".join([some[0].replace(b'"held"', b'"cleared"'), *some[1:]]))
    with pytest.raises(VerificationFailed, match="tampered"):
        release(out / "held" / "beat" / "portrait.jpg", by="A", reason="b")


def test_what_the_ledger_does_not_know_is_not_released(out):
    shutil.copy(CLEAN, out / "held" / "new.png")
    with pytest.raises(VerificationFailed, match="knows nothing"):
        release(out / "held" / "new.png", by="A", reason="b")
    assert unrecorded(out, read(out / FILE)) == ["held/new.png: no record says that it lies there"]
    (out / "cleared" / "clean.png.verdict.json").write_text("{}")  # its signed verdict is no copy
    assert len(unrecorded(out, read(out / FILE))) == 1
    (out / "cleared" / "clean.png").write_bytes(b"x")
    assert "cleared/clean.png: not the copy that was recorded" in unrecorded(out, read(out / FILE))


def test_a_release_that_was_broken_off_after_its_record_is_finished_by_the_same_command(out, monkeypatch):
    held = out / "held" / "beat" / "portrait.jpg"
    with monkeypatch.context() as broken:
        broken.setattr("media_screen.release.publish", lambda *_: (_ for _ in ()).throw(WriteFailed("full")))
        with pytest.raises(WriteFailed):
            release(held, by="A", reason="b")
    assert held.is_file()
    assert read(out / FILE).records[-1]["event"] == "release"
    count = len(read(out / FILE).records)
    target, _ = release(held, by="A", reason="b")
    assert target.is_file()
    assert not held.exists()
    assert len(read(out / FILE).records) == count


@pytest.mark.parametrize(
    ("file", "by", "reason", "said"),
    [
        ("held/beat/portrait.jpg", " ", "b", "--by is empty"),
        ("held/beat/portrait.jpg", "A", "\n", "--reason is empty"),
        ("cleared/clean.png", "A", "b", "is no held copy"),
        ("held/no.jpg", "A", "b", "no such file"),
        ("held", "A", "b", "is no held copy"),
        ("held/beat", "A", "b", "no such file"),
    ],
)
def test_a_wrong_release_is_said_and_changes_nothing(out, file, by, reason, said):
    before = (out / FILE).read_bytes()
    with pytest.raises(SettingsError, match=said):
        release(out / file, by=by, reason=reason)
    assert (out / FILE).read_bytes() == before


def test_a_link_is_no_held_copy(out):
    with contextlib.suppress(OSError):
        (out / "held" / "link.jpg").symlink_to(out / "held" / "beat" / "portrait.jpg")
        with pytest.raises(SettingsError, match="no such file"):
            release(out / "held" / "link.jpg", by="A", reason="b")


def test_while_a_batch_is_at_work_nothing_is_released(out):
    with Journal(out), pytest.raises(SettingsError, match="another batch"):
        release(out / "held" / "beat" / "portrait.jpg", by="A", reason="b")


def test_a_record_that_cannot_be_written_is_an_error_and_the_file_is_screened_again(tmp_path, monkeypatch):
    (tmp_path / "asking.yaml").write_text(ASKING, encoding="utf-8")
    (tmp_path / "in").mkdir()
    shutil.copy(CLEAN, tmp_path / "in" / "a.png")

    def full(*_):
        raise WriteFailed("no room")

    job = Job(out=tmp_path / "out", settings=Settings(threads=1), formats=("json",))
    job.out.mkdir()
    with ThreadPoolExecutor(1) as pool, Journal(job.out) as journal:
        workers = Workers(executor=pool, slots=1)
        with monkeypatch.context() as broken:
            broken.setattr(ledger, "append", full)
            (outcome,) = run(sift(gather([tmp_path / "in"]), job, journal), job, workers, journal)
        assert "no room" in outcome.unwritten[0]
        assert sift(gather([tmp_path / "in"]), job, journal).fresh


# --- the commands ---


def command(*arguments) -> subprocess.CompletedProcess:
    line = [sys.executable, "-m", "media_screen", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def test_the_commands_say_what_happened(out):
    assert command("ledger", "verify", out).returncode == 0
    held = out / "held" / "beat" / "portrait.jpg"
    done = command("release", held, "--by", "Insp. Rao", "--reason", "all covered", "--lang", "hi")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Insp. Rao ने जारी किया" in done.stdout
    assert command("release", held, "--by", "A", "--reason", "b").returncode == 2
    assert command("release", held, "--by", "A").returncode == 2
    done = command("ledger", "verify", out, "--head", read(out / FILE).head)
    assert done.returncode == 0
    assert "whole: 4 records" in done.stdout
    assert command("ledger", "verify", out, "--head", "f" * 64).returncode == 3
    with (out / FILE).open("ab") as file:
        file.write(b'{"seq": 5')
    done = command("ledger", "verify", out)
    assert (done.returncode, "line 5 is torn" in done.stdout) == (0, True)
    (out / FILE).write_bytes(b"".join(lines(out / FILE)[1:]))
    done = command("ledger", "verify", out)
    assert (done.returncode, "line 1: does not follow" in done.stderr) == (3, True)
    done = command("ledger", "verify", out / "nowhere")
    assert (done.returncode, "no ledger can be read" in done.stderr) == (2, True)
