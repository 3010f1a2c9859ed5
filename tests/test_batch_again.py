"""The same batch again: only what is new or changed is done; killed at any moment it goes on; nothing is done twice."""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import ASKING
from PIL import Image

from media_screen import config, ledger
from media_screen.batch import Item, Job, Workers, error_report, gather, memory, run, sift, worker
from media_screen.batch.lanes import Lanes
from media_screen.config import Settings, identity
from media_screen.errors import SettingsError, WriteFailed
from media_screen.journal import FILE, Entry, Journal, key_of
from media_screen.probe import probe
from media_screen.write import PART_PREFIX

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
PORTRAIT = SAMPLES / "portrait, held upright.jpg"
PATROL = SAMPLES / "गश्त patrol.jpg"
FILM = SAMPLES / "walk past 🚔.mp4"
BROKEN = SAMPLES / "broken upload.jpg"


def little() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (48, 32), (200, 60, 20)).save(buffer, "PNG")
    return buffer.getvalue()


LITTLE = little()


def command(*arguments, out: Path) -> list[str]:
    return [sys.executable, "-m", "media_screen", "batch", *map(str, arguments), "--out", str(out)]


def screen(*arguments, out: Path) -> subprocess.CompletedProcess:
    return subprocess.run(command(*arguments, out=out), capture_output=True, text=True, check=False)


def reports(out: Path) -> dict[str, dict]:
    found = [json.loads(p.read_text(encoding="utf-8")) for p in (out / "reports").rglob("*.json")]
    return {r["input"]["name"]: r for r in found}


def media_of(out: Path) -> dict[str, str]:
    found = [p for f in ("cleared", "held") for p in (out / f).rglob("*") if p.is_file()]
    return {p.relative_to(out).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in found}


def done_now(said: str) -> int:
    """Lines of files that were screened in this run."""
    return sum(line.startswith("[") for line in said.splitlines())


@pytest.fixture(autouse=True)
def the_code_stays(monkeypatch):
    """Somebody may be editing the package while its tests run; the identity is of this run."""
    monkeypatch.setattr(config, "_code", lambda: "this code")


@pytest.fixture(scope="module")
def warm():
    """One thread of this process: any executor fits, and this one need not start."""
    with ThreadPoolExecutor(1) as pool:
        yield Workers(executor=pool, slots=1)


@pytest.fixture
def folder(tmp_path) -> Path:
    made = tmp_path / "in"
    made.mkdir()
    for name, sample in (("a.png", LITTLE), ("b.jpg", PORTRAIT), ("c.jpg", PATROL), ("broken.jpg", BROKEN)):
        shutil.copy(sample, made / name) if isinstance(sample, Path) else (made / name).write_bytes(sample)
    return made


@pytest.fixture
def again(folder, tmp_path, warm):
    """Runs the batch of the folder, and says which names were done in this run."""

    def run_again(formats=("json", "html"), **settings) -> list[str]:
        job = Job(out=made(tmp_path / "out"), settings=Settings(threads=1, **settings), formats=formats)
        seen = []
        with Journal(job.out) as journal:
            sifted = sift(gather([folder], job.out), job, journal)
            run(sifted, job, warm, journal, lambda outcome: seen.append(outcome.name))
        assert {o.name for o in sifted.old}.isdisjoint(seen)
        return sorted(seen)

    return run_again


def made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


# --- only what is new or changed ---


def test_a_finished_batch_is_not_done_again_and_says_the_same(folder, tmp_path):
    (folder / "c.jpg").unlink()
    first = screen(folder, "--jobs", "1", out=tmp_path / "out")
    before = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file() and "sqlite" not in p.name}
    again = screen(folder, "--jobs", "1", out=tmp_path / "out")
    after = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file() and "sqlite" not in p.name}
    assert (first.returncode, again.returncode) == (3, 3)
    assert (done_now(first.stdout), done_now(again.stdout)) == (3, 0)
    assert "3, unchanged since" in again.stdout
    assert before == after  # index and summary of nothing new are the same bytes


def test_only_what_is_new_or_changed_is_done(folder, tmp_path, again):
    out = tmp_path / "out"
    assert again() == ["a.png", "b.jpg", "broken.jpg", "c.jpg"]
    assert again() == []
    assert (out / "reports/b.jpg.thumbnail.jpg").is_file()
    shutil.copy(PORTRAIT, folder / "new.png")
    shutil.copy(PATROL, folder / "b.jpg")  # another content under an old name
    assert again() == ["b.jpg", "new.png"]
    assert (out / "cleared/b.jpg").read_bytes() == (out / "cleared/c.jpg").read_bytes()
    assert reports(out)["b.jpg"]["input"]["sha256"] == hashlib.sha256(PATROL.read_bytes()).hexdigest()
    assert not (out / "reports/b.jpg.thumbnail.jpg").exists()  # of the portrait that is no more


@pytest.mark.parametrize("what", ["cleared/c.jpg", "reports/c.jpg.json", "reports/c.jpg.html"])
def test_what_is_not_there_as_it_was_written_is_done_again(tmp_path, what, again):
    again()
    file = tmp_path / "out" / what
    whole = file.read_bytes()
    file.unlink()
    assert again() == ["c.jpg"]
    file.write_bytes(file.read_bytes()[:-1])  # timings differ: the second report may be as long as the first, cut
    assert again() == ["c.jpg"]
    assert media_of(tmp_path / "out").keys() == {"cleared/a.png", "cleared/b.jpg", "cleared/c.jpg"}
    if what.startswith("cleared"):
        assert file.read_bytes() == whole
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))  # the same length, another content
        assert again() == ["c.jpg"]
        assert file.read_bytes() == whole


def test_other_settings_or_reports_are_another_batch(folder, tmp_path, again):
    (folder / "b.jpg").unlink()
    policy = tmp_path / "mine.yaml"
    shipped = Path(__file__).parent.parent / "configs" / "minimal.yaml"
    policy.write_text(shipped.read_text(encoding="utf-8") + "\n# mine\n", encoding="utf-8")
    everything = ["a.png", "broken.jpg", "c.jpg"]
    assert again() == everything
    assert again(style="fill") == everything
    assert again(style="fill", policy=str(policy)) == everything
    assert again(style="fill", policy=str(policy), formats=("json", "html", "text")) == everything
    assert again(style="fill", policy=str(policy), formats=("json", "csv")) == []  # less than there is


def test_what_is_declared_beside_a_file_is_of_that_file_and_changed_facts_screen_it_again(folder, tmp_path, again):
    (folder / "b.jpg").unlink()
    (tmp_path / "asking.yaml").write_text(ASKING, encoding="utf-8")
    policy = {"policy": str(tmp_path / "asking.yaml")}
    everything = ["a.png", "broken.jpg", "c.jpg"]
    assert again(**policy) == everything
    beside = folder / "c.jpg.media-screen.yaml"
    beside.write_text("rights: held\nby: Insp. Rao\n", encoding="utf-8")
    assert again(**policy) == ["c.jpg"]  # and the sidecar is no input
    assert media_of(tmp_path / "out").keys() == {"held/a.png", "cleared/c.jpg"}
    assert [f["by"] for f in reports(tmp_path / "out")["c.jpg"]["facts"]] == ["Insp. Rao"]
    assert again(**policy) == []
    beside.write_text("rights: missing\n", encoding="utf-8")
    assert again(**policy) == ["c.jpg"]
    assert media_of(tmp_path / "out").keys() == {"held/a.png", "held/c.jpg"}
    beside.write_text("rights: helt\n", encoding="utf-8")
    assert again(**policy) == again(**policy) == ["c.jpg"]  # tried each time, until it is mended
    said = reports(tmp_path / "out")["c.jpg"]["error"]
    assert said["type"] == "SidecarInvalid"
    assert "c.jpg.media-screen.yaml: rights" in said["message"]
    assert media_of(tmp_path / "out").keys() == {"held/a.png"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("rights: [" + "[" * 40000, "nested too deep"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nrights: [*b, *b]\n", "references"),
        ("rights: 2026-13-45\n", "not valid YAML"),
        ("\x00", "not valid YAML"),
        ("- rights\n", "must be a mapping"),
        ("rights: held\nby: " + "x" * 70000, "larger than"),
    ],
)
def test_a_sidecar_that_is_made_to_harm_costs_only_its_own_file(folder, tmp_path, again, content, said):
    (folder / "c.jpg.media-screen.yaml").write_text(content, encoding="utf-8")
    again()
    error = reports(tmp_path / "out")["c.jpg"]["error"]
    assert (error["type"], said in error["message"], len(error["message"]) < 500) == ("SidecarInvalid", True, True)
    assert "cleared/a.png" in media_of(tmp_path / "out")
    assert again() == ["c.jpg"]


def test_a_sidecar_that_is_no_file_is_an_error_and_a_name_too_long_for_one_is_none(folder, tmp_path, again):
    os.mkfifo(folder / "c.jpg.media-screen.yaml")  # would never end if it were opened
    long = "x" * 240 + ".png"
    shutil.copy(folder / "a.png", folder / long)
    again()
    said = reports(tmp_path / "out")
    assert said["c.jpg"]["error"]["type"] == "SidecarInvalid"
    assert media_of(tmp_path / "out").keys() >= {"cleared/a.png"}
    assert config.facts_of(folder / long, ()) == ()


def test_what_is_declared_of_the_whole_batch_is_a_setting(tmp_path, again):
    (tmp_path / "asking.yaml").write_text(ASKING, encoding="utf-8")
    policy = {"policy": str(tmp_path / "asking.yaml")}
    assert len(again(**policy)) == 4
    facts = config.declared({"rights": "held"}, "test")
    assert len(again(**policy, facts=facts)) == 4
    assert media_of(tmp_path / "out").keys() == {"cleared/a.png", "cleared/b.jpg", "cleared/c.jpg"}
    assert again(**policy, facts=facts) == []


def test_a_twin_of_other_facts_is_screened_by_itself(folder, tmp_path, again):
    (tmp_path / "asking.yaml").write_text(ASKING, encoding="utf-8")
    shutil.copy(folder / "a.png", folder / "d.png")
    (folder / "a.png.media-screen.yaml").write_text("rights: held\n", encoding="utf-8")
    again(policy=str(tmp_path / "asking.yaml"))
    there = media_of(tmp_path / "out").keys()
    assert {"cleared/a.png", "held/d.png"} <= there


def test_models_code_and_settings_are_in_the_identity_and_threads_are_not(monkeypatch):
    mine = identity(Settings())
    assert identity(Settings(threads=7)) == mine
    assert identity(Settings(style="mosaic")) != mine
    assert identity(Settings(encoder="nvenc")) != mine
    specs = config.load_manifest()
    with monkeypatch.context() as changed:
        changed.setattr(config, "load_manifest", lambda: [replace(specs[0], sha256="0" * 64), *specs[1:]])
        assert identity(Settings()) != mine
    with monkeypatch.context() as changed:
        changed.setattr(config, "_code", lambda: "other code")
        assert identity(Settings()) != mine


def test_an_error_of_the_machine_is_tried_again_and_one_of_the_file_is_not(tmp_path, again, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(
            worker, "safely", lambda _, item, settings: error_report(item, settings, "no room", "WriteFailed")
        )
        again()
    assert media_of(tmp_path / "out") == {}
    assert again() == ["a.png", "b.jpg", "broken.jpg", "c.jpg"]
    assert again() == []


# --- identical inputs ---


def test_the_same_content_is_screened_once(folder, tmp_path, again):
    out = tmp_path / "out"
    for name in ("b again.jpg", "z.jpg", "z.png"):  # another extension is remarked on, so the last is no twin
        shutil.copy(PORTRAIT, folder / name)
    assert len(again()) == 7
    said = reports(out)
    names = ("b.jpg", "b again.jpg", "z.jpg")
    assert len({json.dumps(said[n]["timings_s"]) for n in names}) == 1  # one examination, told three times
    assert said["z.png"]["timings_s"] != said["b.jpg"]["timings_s"]
    for name in names:
        assert said[name]["output"]["name"] == f"cleared/{name}"
        assert said[name]["output"]["sha256"] == hashlib.sha256((out / "cleared" / name).read_bytes()).hexdigest()
        assert (out / f"reports/{name}.html").is_file()
    assert (out / "cleared/b.jpg").stat().st_ino != (out / "cleared/z.jpg").stat().st_ino  # two files, not one
    shutil.copy(PORTRAIT, folder / "renamed.jpg")
    assert again() == ["renamed.jpg"]
    assert reports(out)["renamed.jpg"]["timings_s"] == said["b.jpg"]["timings_s"]


def test_a_twin_whose_copy_was_altered_is_not_taken(folder, tmp_path):
    out = tmp_path / "out"
    job = Job(out=made(out), settings=Settings(threads=1), formats=("json",))
    worker.work(Item(path=folder / "c.jpg", name="c.jpg"), job)
    twin = Item(path=folder / "c.jpg", name="twin.jpg")
    assert worker.adopt(twin, "c.jpg", job).disposition == "cleared"
    (out / "cleared/c.jpg").write_bytes(PORTRAIT.read_bytes())
    assert worker.adopt(replace(twin, name="other.jpg"), "c.jpg", job) is None
    assert not (out / "cleared/other.jpg").exists()


# --- killed ---


def test_killed_at_any_moment_it_goes_on_and_ends_as_if_undisturbed(tmp_path):
    folder = made(tmp_path / "in")
    rng = np.random.default_rng(5)
    for n in range(4):
        shutil.copy(PORTRAIT, folder / f"{n}.jpg")
        with (folder / f"{n}.jpg").open("ab") as file:
            file.write(rng.bytes(8))  # four contents, not one
        Image.fromarray(rng.integers(0, 255, (90, 120, 3), dtype=np.uint8)).save(folder / f"{n}.png")
    shutil.copy(FILM, folder / "film.mp4")
    assert screen(folder, "--jobs", "2", out=tmp_path / "whole").returncode == 0
    expected = media_of(tmp_path / "whole")
    out, chance = tmp_path / "out", random.Random(1)
    for _ in range(5):  # scripts/kill_test.py does it by the hundred
        process = subprocess.Popen(
            command(folder, "--jobs", "2", out=out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        time.sleep(chance.uniform(0.5, 4))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        there = {n: d for n, d in media_of(out).items() if PART_PREFIX not in n}
        assert there.items() <= expected.items()  # whole, verified, or not there
        reports(out)  # each is whole JSON
    assert screen(folder, "--jobs", "2", out=out).returncode == 0
    assert media_of(out) == expected
    assert reports(out).keys() == reports(tmp_path / "whole").keys()
    assert not [p for p in out.rglob("*") if p.name.startswith(PART_PREFIX) or p.suffix == ".part"]
    chain = ledger.read(out / ledger.FILE)
    assert chain.faults == ()
    assert ledger.unrecorded(out, chain) == []  # not one copy without its record
    assert ledger.latest(chain).keys() == reports(out).keys()


def test_what_was_recorded_is_on_the_disk_before_the_next_file(tmp_path):
    with Journal(tmp_path) as journal:
        journal.record(Entry(name="a\udcff.jpg", key="k", size_bytes=1, document={"a": 1}, pages=(("p", 2),)))
        shutil.copy(tmp_path / FILE, tmp_path / "copy.sqlite3")
        shutil.copy(tmp_path / f"{FILE}-wal", tmp_path / "copy.sqlite3-wal")  # as a kill leaves them
    (row,) = sqlite3.connect(tmp_path / "copy.sqlite3").execute("SELECT name, key FROM entry").fetchall()
    assert row == ('"a\\udcff.jpg"', "k")
    with Journal(tmp_path) as journal:
        (entry,) = journal.entries()
        assert (entry.name, entry.pages) == ("a\udcff.jpg", (("p", 2),))
        journal.forget([entry.name])
        assert list(journal.entries()) == []


def test_a_journal_that_cannot_be_written_is_told(folder, tmp_path, warm, monkeypatch):
    def full(_, __):
        raise WriteFailed("the journal cannot be written: no room")

    monkeypatch.setattr(Journal, "record", full)
    job = Job(out=made(tmp_path / "out"), settings=Settings(threads=1), formats=())
    with Journal(job.out) as journal:
        (outcome,) = run(sift(gather([folder / "a.png"]), job, journal), job, warm, journal)
    assert outcome.disposition == "cleared"
    assert "no room" in outcome.unwritten[0]


def test_two_batches_in_one_folder_are_one_too_many(folder, tmp_path):
    out = made(tmp_path / "out")
    (out / ".media-screen.json").write_text("{}")
    with Journal(out):
        done = screen(folder, out=out)
    assert done.returncode == 2
    assert "another batch" in done.stderr
    with Journal(out):
        pass


def test_a_damaged_journal_is_said(tmp_path):
    (tmp_path / FILE).write_bytes(b"no database" * 500)
    with pytest.raises(SettingsError, match="delete it"), Journal(tmp_path):
        pass


def test_the_key_is_of_content_extension_identity_and_facts():
    key = key_of("c", ".jpg", "i")
    assert key_of("c", ".JPG", "i") == key
    assert (
        len(
            {
                key,
                key_of("d", ".jpg", "i"),
                key_of("c", ".png", "i"),
                key_of("c", ".jpg", "j"),
                key_of("c", ".jpg", "i", "f"),
            }
        )
        == 5
    )


# --- memory, time, any executor ---


def test_estimates_grow_with_the_frame_and_films_need_most(tmp_path):
    Image.new("RGB", (4000, 3000)).save(tmp_path / "a.jpg")
    Image.new("RGB", (400, 300)).save(tmp_path / "b.jpg")
    big, small = (memory.estimate_mb(probe(tmp_path / n)) for n in ("a.jpg", "b.jpg"))
    assert small < big < memory.WORKER_MB + 1000
    film = replace(probe(FILM), width_px=4000, height_px=3000)
    assert memory.estimate_mb(film) > big
    assert memory.budget_mb() >= memory.WORKER_MB


def test_a_container_with_a_limit_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text(str(1000 << 20))
    (tmp_path / "memory.current").write_text(str(200 << 20))
    assert memory.budget_mb() == 640
    (tmp_path / "memory.max").write_text("max")
    assert memory.budget_mb() > 640


class Watched(ThreadPoolExecutor):
    """Remembers what was in work at once."""

    def __init__(self):
        super().__init__(4)
        self.now, self.seen = [], []

    def submit(self, fn, item, *rest):
        self.now.append(item.name)
        self.seen.append((item.name, tuple(self.now)))
        future = super().submit(fn, item, *rest)
        future.add_done_callback(lambda _: self.now.remove(item.name))
        return future


def test_a_file_that_needs_more_than_its_share_runs_when_there_is_room_or_alone(folder, tmp_path):
    for name in ("big 1.png", "big 2.png"):
        Image.new("RGB", (5000, 4000), (len(name), int(name[4]), 0)).save(folder / name)
    job, watched = Job(out=made(tmp_path / "out"), settings=Settings(threads=1), formats=("json",)), Watched()
    with watched, Journal(job.out) as journal:
        workers = Workers(executor=watched, slots=3, memory_mb=900)
        outcomes = run(sift(gather([folder]), job, journal), job, workers, journal)
    assert {o.name: o.disposition for o in outcomes}["big 1.png"] == "cleared"
    tries = [now for name, now in watched.seen if name.startswith("big")]
    assert len(tries) == 4  # each was asked what it needs, and run later
    need = memory.estimate_mb(probe(folder / "big 1.png"))
    assert 900 // 3 < need < 900 < 2 * need
    for now in tries[-2:]:
        assert sum(name.startswith("big") for name in now) == 1
        assert need + (len(now) - 1) * 300 <= 900


def test_a_lane_that_dies_or_hangs_costs_only_its_own_call():
    with Lanes(2, timeout_s=20, initializer=int, initargs=()) as lanes:
        dies, lives = lanes.submit(os._exit, 1), lanes.submit(sum, [1, 2])
        assert lives.result() == 3
        with pytest.raises(RuntimeError):
            dies.result()
        assert lanes.submit(sum, [3, 4]).result() == 7
    with Lanes(1, timeout_s=0.5, initializer=int, initargs=()) as lanes:
        pid = lanes.submit(os.getpid).result()
        with pytest.raises(TimeoutError):
            lanes.submit(time.sleep, 60).result()
        assert lanes.submit(os.getpid).result() != pid


def test_a_file_that_takes_too_long_is_an_error_and_the_others_are_done(folder, tmp_path):
    done = screen(folder, FILM, "--jobs", "1", "--timeout", "1", out=tmp_path / "out")
    said = reports(tmp_path / "out")
    assert done.returncode == 3
    assert said[FILM.name]["error"]["type"] == "TimedOut"
    assert said["a.png"]["disposition"] == "cleared"
    assert not list((tmp_path / "out").rglob(f"{PART_PREFIX}*"))


def test_any_executor_fits(folder, tmp_path):
    job = Job(out=made(tmp_path / "out"), settings=Settings(threads=1))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool, Journal(job.out) as journal:
        outcomes = run(sift(gather([folder]), job, journal), job, Workers(executor=pool, slots=2), journal)
    assert {o.name: o.disposition for o in outcomes} == {
        "a.png": "cleared", "b.jpg": "cleared", "c.jpg": "cleared", "broken.jpg": "error",
    }  # fmt: skip


def test_an_executor_that_is_broken_makes_errors_not_silence(folder, tmp_path):
    job, pool = Job(out=made(tmp_path / "out"), settings=Settings()), ThreadPoolExecutor(1)
    pool.shutdown()
    with Journal(job.out) as journal:
        outcomes = run(sift(gather([folder]), job, journal), job, Workers(executor=pool, slots=2), journal)
    assert {o.error_type for o in outcomes} == {"WorkerDied"}


def test_the_journal_of_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SettingsError), Journal(tmp_path / "nowhere"):
        pass
