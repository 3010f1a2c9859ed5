"""What is posted already is screened again, and what may not stay is listed with its day. Nothing is left out."""

from __future__ import annotations

import csv
import hashlib
import shutil
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import date
from pathlib import Path

import pytest

from media_screen.audit import COLUMNS, LOOK, TAKE_DOWN, Post, due_day, matched, read_posts, takedown
from media_screen.batch import Item, Workers, look_at
from media_screen.config import Settings
from media_screen.errors import SettingsError

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
POSTED = """file,posted,where
nothing to hide.png,2026-11-01,https://example.org/1
"portrait, held upright.jpg",2026-10-01,"=HYPERLINK(""https://example.org"")"
sub/गश्त patrol.jpg,2026-09-20,page
broken upload.jpg,2026-11-02,
gone.jpg,2026-11-03,channel
../outside.jpg,2026-11-04,
"""


def posts_in(tmp_path, text: str) -> tuple[Post, ...]:
    path = tmp_path / "posted.csv"
    path.write_text(text, encoding="utf-8")
    return read_posts(path)


@pytest.mark.parametrize(
    "text", ["file,posted\na.jpg,2024-09-30\n", "\ufefffile;posted;x\n a.jpg ;2024-09-30T10:00;y\n"]
)
def test_the_list_of_posts_is_read_as_spreadsheets_write_it(tmp_path, text):
    (post,) = posts_in(tmp_path, text)
    assert (post.file, post.posted, post.where) == ("a.jpg", date(2024, 9, 30), "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,day\na,2024-01-01\n", "no column 'posted'"),
        ("", "no column 'file'"),
        ("file,posted\n", "lists no posts"),
        (
            "file,posted\na,2024-01-01\nb,30.9.2024\n",
            "line 3: posted must be a day such as 2024-09-30, not '30.9.2024'",
        ),
        ("file,posted\n ,2024-01-01\n", "line 2: file is empty"),
        ("file,posted\na\n", "line 2: posted must be a day"),
    ],
)
def test_a_wrong_list_is_said_with_its_line(tmp_path, text, said):
    with pytest.raises(SettingsError, match=said):
        posts_in(tmp_path, text)


def test_a_list_that_is_not_there_or_no_text_is_said(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        read_posts(tmp_path / "none.csv")
    (tmp_path / "posted.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_posts(tmp_path / "posted.csv")


def test_a_post_means_its_file_however_the_system_spells_it():
    posts = [Post(file=file, posted=date(2024, 1, 1)) for file in ("./a\\b.jpg", "ग\u095a.jpg", "other.jpg")]
    assert matched(posts, ["a/b.jpg", "ग\u0917\u093c.jpg", "c.jpg"]) == {
        "./a\\b.jpg": "a/b.jpg",
        "ग\u095a.jpg": "ग\u0917\u093c.jpg",
    }


def test_days_are_counted_from_the_day_after():
    assert due_day(date(2024, 9, 20), 7) == date(2024, 9, 27)
    post = [Post(file="gone.jpg", posted=date(2024, 1, 1))]
    for today, overdue in ((date(2024, 9, 27), "no"), (date(2024, 9, 28), "yes")):
        (row,) = takedown(post, {}, due=date(2024, 9, 27), today=today)
        assert (row["due"], row["overdue"]) == ("2024-09-27", overdue)


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    top = tmp_path_factory.mktemp("audit")
    (top / "archive" / "sub").mkdir(parents=True)
    for name in ("nothing to hide.png", "portrait, held upright.jpg", "broken upload.jpg", "turned.mov"):
        shutil.copy(SAMPLES / name, top / "archive" / name)
    shutil.copy(SAMPLES / "गश्त patrol.jpg", top / "archive" / "sub")
    shutil.copy(SAMPLES / "portrait, held upright.jpg", top / "outside.jpg")
    (top / "posted.csv").write_text(POSTED, encoding="utf-8")
    before = digests(top / "archive")
    done = audit(top, "--from", "2024-09-20", "--jobs", "1")
    assert digests(top / "archive") == before
    return top, done


def audit(top: Path, *more: str) -> subprocess.CompletedProcess:
    line = [sys.executable, "-m", "media_screen", "audit", str(top / "archive"), "--posted", str(top / "posted.csv")]
    return subprocess.run([*line, *more], capture_output=True, text=True, check=False, cwd=top)


def digests(folder: Path) -> dict[Path, str]:
    return {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


def test_everything_that_may_not_stay_is_listed_the_gravest_first(audited):
    top, done = audited
    assert done.returncode == 3, done.stderr
    with (top / "takedown.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["file"], row["verdict"], row["do"]) for row in rows] == [
        ("broken upload.jpg", "error", LOOK),
        ("gone.jpg", "error", LOOK),
        ("../outside.jpg", "error", LOOK),
        ("sub/गश्त patrol.jpg", "redact", TAKE_DOWN),
        ("portrait, held upright.jpg", "redact", TAKE_DOWN),
    ]
    assert {row["due"] for row in rows} == {"2024-09-27"}
    assert {row["overdue"] for row in rows} == {"yes"}
    assert rows[3]["clauses"] == "29 10"
    assert rows[4]["where"].startswith("'=")  # no formula runs when the list is opened
    assert rows[4]["input_sha256"] == hashlib.sha256((top / "outside.jpg").read_bytes()).hexdigest()
    assert "6 posts: 1 may stay, 2 to be taken down, 3 for a person to look at" in done.stdout
    assert "1 files in the folder are not in the list" in done.stdout
    assert not list(top.glob(".media-screen-*"))


def test_only_an_earlier_list_is_written_over(audited):
    top, _ = audited
    for name in ("posted.csv", "outside.jpg"):
        content = (top / name).read_bytes()
        done = audit(top, "--out", name)
        assert (done.returncode, "is no earlier list" in done.stderr) == (2, True)
        assert (top / name).read_bytes() == content
    (top / "posted.csv").write_text("file,posted\nnothing to hide.png,2026-11-01\n", encoding="utf-8")
    done = audit(top, "--lang", "hi", "--jobs", "1")
    assert (done.returncode, "1 पोस्ट: 1 रह सकती हैं" in done.stdout) == (0, True)
    assert (top / "takedown.csv").read_text(encoding="utf-8").count("\n") == 1
    (top / "posted.csv").write_text(POSTED, encoding="utf-8")


def test_a_folder_or_list_that_is_not_there_is_a_usage_error(audited):
    top, _ = audited
    done = audit(top, "--posted", "none.csv")
    assert (done.returncode, "cannot be read" in done.stderr) == (2, True)


class Dying(ThreadPoolExecutor):
    """Fails as an executor does whose worker was killed, or hung."""

    def submit(self, fn, /, *arguments, **named):
        name = arguments[0].name
        if name in ("a", "b"):
            future: Future = Future()
            future.set_exception(BrokenProcessPool("x") if name == "a" else TimeoutError())
            return future
        return super().submit(fn, *arguments, **named)


def test_a_worker_that_dies_or_hangs_is_an_error_of_its_own_file():
    path = SAMPLES / "nothing to hide.png"
    items = [Item(path=path, name=name) for name in ("a", "b", "c")]
    with Dying(1) as pool:
        documents = look_at(items, Settings(threads=1), Workers(executor=pool, slots=1))
    assert [d["verdict"] for d in documents] == ["error", "error", "pass"]
    assert [d["error"] and d["error"]["type"] for d in documents] == ["WorkerDied", "TimedOut", None]
