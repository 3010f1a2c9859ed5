"""Folders as users have them: broken files, odd names, no rights, no room, Ctrl-C. One bad file costs only itself."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media_screen import batch
from media_screen.batch import Item, gather
from media_screen.errors import SettingsError
from media_screen.write import PART_PREFIX

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
CLEAN = SAMPLES / "nothing to hide.png"
PORTRAIT = SAMPLES / "portrait, held upright.jpg"
FILM = SAMPLES / "walk past 🚔.mp4"


def screen(*arguments, out: Path, before=(), **more) -> subprocess.CompletedProcess:
    command = [*before, sys.executable, "-m", "media_screen", "batch", *map(str, arguments), "--out", str(out)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


def reports(out: Path) -> dict[str, dict]:
    found = [json.loads(p.read_text(encoding="utf-8")) for p in (out / "reports").rglob("*.json")]
    return {r["input"]["name"]: r for r in found}


def unfinished(out: Path) -> list[Path]:
    return [p for p in out.rglob("*") if p.name.startswith(PART_PREFIX) or p.suffix == ".part"]


def media_of(out: Path) -> list[str]:
    return sorted(str(p.relative_to(out)) for f in ("cleared", "held") for p in (out / f).rglob("*") if p.is_file())


# --- bad files, all in one folder with a good one ---


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def bomb() -> bytes:
    """A picture of 60,000 x 60,000 in a few kilobytes."""
    header = (60_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(bytes(10**6)))


def bad_files() -> dict[str, tuple[bytes, str]]:
    """Name -> content, and words that the error must hold."""
    film = FILM.read_bytes()
    broken = bytearray(film)
    broken[len(broken) // 3 : len(broken) // 3 + 30_000] = bytes(30_000)
    return {
        "empty.jpg": (b"", "empty"),
        "notes.jpg": (b"Patrol at ten. Not a picture.\n" * 40, "not a picture or video"),
        "garbage.mp4": (np.random.default_rng(3).bytes(20_000), "not a picture or video"),
        "half.jpg": (PORTRAIT.read_bytes()[:30_000], "cut short"),
        "half.png": (CLEAN.read_bytes()[:40_000], ""),
        "half.mp4": (film[: len(film) // 2], ""),
        "half way.mp4": (bytes(broken), ""),
        "bomb.png": (bomb(), "max_pixels"),
        "no way.heic": (b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(500), ""),
        "header only.gif": (b"GIF89a" + bytes(7), ""),
    }


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    folder, out = tmp_path_factory.mktemp("in"), tmp_path_factory.mktemp("out")
    for name, (content, _) in bad_files().items():
        (folder / name).write_bytes(content)
    shutil.copy(CLEAN, folder / "zz clean.png")
    done = screen(folder, out=out)
    return out, done, reports(out)


@pytest.mark.parametrize("name", bad_files())
def test_a_bad_file_is_an_error_that_names_it(mixed, name):
    out, done, said = mixed
    assert (said[name]["verdict"], said[name]["disposition"]) == ("error", "error")
    message = said[name]["error"]["message"]
    assert message
    assert bad_files()[name][1] in message
    assert "internal error" not in message
    assert any(name in line for line in done.stdout.splitlines())
    assert (out / "reports" / f"{name}.html").is_file()


def test_the_good_file_among_bad_ones_is_done_and_the_rest_leaves_nothing(mixed):
    out, done, said = mixed
    assert done.returncode == 3
    assert said["zz clean.png"]["disposition"] == "cleared"
    assert media_of(out) == ["cleared/zz clean.png"]
    assert unfinished(out) == []
    assert "Traceback" not in done.stderr


def test_an_honest_photo_of_two_hundred_megapixels_works(tmp_path):
    rows = np.linspace(0, 255, 16320, dtype=np.uint8)
    big = Image.fromarray(np.broadcast_to(rows, (12240, 16320)))
    big.save(tmp_path / "phone 200MP.jpg", quality=60)
    del big
    done = screen(tmp_path / "phone 200MP.jpg", "--jobs", "1", out=tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr


# --- names, places, rights ---


NAMES = [
    "with space.png",
    'it\'s "quoted".png',
    "गश्त दल.png",
    "🚓 sirens 🚨.png",
    "-dash.png",
    "a;b&c.png",
    "line\nbreak.png",
]


def test_any_name_goes_in_and_comes_out(tmp_path):
    folder = tmp_path / "in"
    for name in NAMES:
        (folder / "sub folder").mkdir(parents=True, exist_ok=True)
        shutil.copy(CLEAN, folder / "sub folder" / name)
    done = screen(folder, out=tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert media_of(tmp_path / "out") == sorted(f"cleared/sub folder/{name}" for name in NAMES)


def test_two_inputs_of_one_name_are_both_kept(tmp_path):
    for folder, sample in (("one", CLEAN), ("two", SAMPLES / "wrong name.jpg")):
        (tmp_path / folder).mkdir()
        shutil.copy(sample, tmp_path / folder / "same.png")
    done = screen(tmp_path / "one", tmp_path / "two" / "same.png", out=tmp_path / "out")
    assert done.returncode == 0, done.stdout
    assert media_of(tmp_path / "out") == ["cleared/same (2).png", "cleared/same.png"]
    assert (tmp_path / "out/cleared/same.png").read_bytes() == CLEAN.read_bytes()


def test_an_output_folder_inside_the_input_is_not_screened(tmp_path):
    shutil.copy(CLEAN, tmp_path / "a.png")
    for _ in range(2):
        done = screen(tmp_path, out=tmp_path / "out")
        assert done.returncode == 0, done.stderr
        assert "1 file:" in done.stdout
    assert screen(tmp_path, out=tmp_path / "other out").returncode == 0
    assert media_of(tmp_path / "other out") == ["cleared/a.png"]


def test_a_folder_of_somebody_else_is_never_written_into(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    done = screen(CLEAN, out=tmp_path / "out")
    assert done.returncode == 2
    assert "holds other files" in done.stderr
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_what_is_no_longer_cleared_does_not_stay_there(tmp_path):
    mine = tmp_path / "a.png"
    shutil.copy(CLEAN, mine)
    assert screen(mine, out=tmp_path / "out").returncode == 0
    mine.write_bytes(CLEAN.read_bytes()[:5000])
    assert screen(mine, out=tmp_path / "out").returncode == 3
    assert media_of(tmp_path / "out") == []


def test_an_input_that_is_not_there_is_an_error_and_the_others_are_done(tmp_path):
    done = screen(tmp_path / "gone.jpg", CLEAN, out=tmp_path / "out")
    assert done.returncode == 3
    assert reports(tmp_path / "out")["gone.jpg"]["verdict"] == "error"
    assert media_of(tmp_path / "out") == [f"cleared/{CLEAN.name}"]


def test_an_empty_folder_is_said(tmp_path):
    (tmp_path / "in").mkdir()
    done = screen(tmp_path / "in", out=tmp_path / "out")
    assert done.returncode == 2
    assert "not one file" in done.stderr


def test_links_pipes_and_circles_are_errors_not_silence(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(CLEAN, folder / "a.png")
    (folder / "circle").symlink_to(folder)
    (folder / "nowhere.png").symlink_to(tmp_path / "gone.png")
    os.mkfifo(folder / "pipe.png")
    done = screen(folder, out=tmp_path / "out", timeout=120)
    said = reports(tmp_path / "out")
    assert done.returncode == 3
    assert {n: r["verdict"] for n, r in said.items()} == {
        "a.png": "pass", "circle": "error", "nowhere.png": "error", "pipe.png": "error",
    }  # fmt: skip


def as_a_user() -> list[str]:
    """Root reads and writes everything: so without the rights that make it so."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("run by root, and without setpriv to give up its rights")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


def test_what_may_not_be_read_is_an_error(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("secret.png", "open.png"):
        shutil.copy(CLEAN, folder / name)
    (folder / "secret.png").chmod(0)
    (folder / "locked").mkdir(mode=0)
    done = screen(folder, out=tmp_path / "out", before=as_a_user())
    (folder / "locked").chmod(0o755)
    said = reports(tmp_path / "out")
    assert done.returncode == 3, done.stderr
    assert "cannot be read" in said["secret.png"]["error"]["message"]
    assert said["locked"]["verdict"] == "error"
    assert said["open.png"]["disposition"] == "cleared"


def test_an_output_folder_that_may_not_be_written_is_said_before_anything_is_screened(tmp_path):
    (tmp_path / "out").mkdir(mode=0o555)
    done = screen(CLEAN, out=tmp_path / "out", before=as_a_user())
    assert done.returncode == 2
    assert "cannot be written" in done.stderr


# --- no room, no worker, no patience ---


@pytest.mark.parametrize("sample", [PORTRAIT, FILM, CLEAN], ids=lambda p: p.suffix)
def test_no_room_for_the_copy_is_an_error_and_leaves_nothing(tmp_path, sample):
    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    done = screen(sample, "--report", "json", out=tmp_path / "out", preexec_fn=little_room)
    said = reports(tmp_path / "out")[sample.name]
    assert done.returncode == 3
    assert said["error"]["type"] == "WriteFailed", said["error"]
    assert "no room" in said["error"]["message"]
    assert media_of(tmp_path / "out") == []
    assert unfinished(tmp_path / "out") == []


def test_reports_that_cannot_be_written_are_told_and_the_exit_is_not_zero(tmp_path):
    little = tmp_path / "little.bmp"
    Image.new("RGB", (8, 8), (200, 60, 20)).save(little)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / batch.MARK).write_text("{}")
    (tmp_path / "out" / "reports").write_text("a file where the folder should be")
    done = screen(little, out=tmp_path / "out")
    assert done.returncode == 3
    assert "report cannot be written" in done.stderr
    assert unfinished(tmp_path / "out") == []


def test_a_worker_that_dies_costs_only_its_own_file(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(4):
        shutil.copy(CLEAN, folder / f"{n}.png")
    shutil.copy(FILM, folder / "film.mp4")
    killed = []

    def kill_its_worker():
        """As the kernel does when memory runs out: whoever works on the film is killed, every time."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not finished.is_set():
            for part in (tmp_path / "out").rglob(f"{PART_PREFIX}*.mp4"):
                for process in Path("/proc").glob("[0-9]*"):
                    with contextlib.suppress(OSError):
                        if any(str(part) == str(fd.readlink()) for fd in (process / "fd").iterdir()):
                            os.kill(int(process.name), signal.SIGKILL)
                            killed.append(part)
            time.sleep(0.005)

    import threading

    finished = threading.Event()
    killer = threading.Thread(target=kill_its_worker)
    killer.start()
    try:
        done = screen(folder, "--jobs", "2", out=tmp_path / "out")
    finally:
        finished.set()
        killer.join()
    assert len(set(killed)) == 2, done.stderr  # twice, and not once more
    said = reports(tmp_path / "out")
    assert said["film.mp4"]["error"]["type"] == "WorkerDied"
    assert all(said[f"{n}.png"]["disposition"] == "cleared" for n in range(4))
    assert done.returncode == 3
    assert unfinished(tmp_path / "out") == []


def test_no_room_for_the_journal_is_said_before_anything_is_screened(tmp_path):
    def no_room_at_all():
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

    done = screen(CLEAN, out=tmp_path / "out", preexec_fn=no_room_at_all)
    assert done.returncode == 2
    assert "journal" in done.stderr
    assert media_of(tmp_path / "out") == []


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "terminated"])
def test_an_interrupted_batch_leaves_whole_files_and_says_the_rest_is_not_screened(tmp_path, signal_number):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(CLEAN, folder / "0.png")
    for n in range(1, 6):
        shutil.copy(FILM, folder / f"{n}.mp4")
    command = [
        sys.executable,
        "-m",
        "media_screen",
        "batch",
        str(folder),
        "--out",
        str(tmp_path / "out"),
        "--jobs",
        "1",
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert "0.png" in process.stdout.readline()
    time.sleep(1)
    os.killpg(process.pid, signal_number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert "Traceback" not in err
    said = reports(tmp_path / "out")
    assert said["0.png"]["disposition"] == "cleared"
    assert said["5.mp4"]["error"]["type"] == "Interrupted"
    assert set(said) == {"0.png", *(f"{n}.mp4" for n in range(1, 6))}
    assert media_of(tmp_path / "out") == sorted(f"cleared/{n}" for n, r in said.items() if r["output"])
    assert unfinished(tmp_path / "out") == []
    assert "files:" in out


def test_too_little_memory_is_an_error_that_names_the_setting(tmp_path):
    rows = np.linspace(0, 255, 9000, dtype=np.uint8)
    Image.fromarray(np.broadcast_to(rows, (9000, 9000))).save(tmp_path / "big.png")
    done = screen(tmp_path / "big.png", CLEAN, "--max-memory-mb", "400", "--jobs", "1", out=tmp_path / "out")
    said = reports(tmp_path / "out")
    assert done.returncode == 3
    assert said["big.png"]["verdict"] == "error"
    assert "max_memory_mb" in said["big.png"]["error"]["message"]
    assert said[CLEAN.name]["disposition"] == "cleared"


# --- gathering ---


def test_files_come_in_a_fixed_order_with_relative_names(tmp_path):
    for name in ("b.png", "a/z.png", "a/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    items = gather([tmp_path], tmp_path / "out")
    assert [i.name for i in items] == ["b.png", "a/b.png", "a/z.png"]
    assert gather([tmp_path], tmp_path / "out", exclude=["a/*"]) == [Item(path=tmp_path / "b.png", name="b.png")]


def test_names_that_some_file_systems_take_for_one_are_told_apart(tmp_path):
    first, second = tmp_path / "1", tmp_path / "2"
    for folder, name in ((first, "Café.jpg"), (second, "CAFE\u0301.JPG")):
        folder.mkdir()
        (folder / name).write_bytes(b"x")
    assert [i.name for i in gather([first, second], tmp_path / "out")] == ["Café.jpg", "CAFE\u0301 (2).JPG"]


def test_nothing_to_screen_is_an_error(tmp_path):
    with pytest.raises(SettingsError):
        gather([tmp_path], tmp_path / "out")


def test_the_gravest_exit_code_wins():
    assert batch.gravest([0, 1, 4, 5, 3]) == 3
    assert batch.gravest([0, 1, 4, 5]) == 5
    assert batch.gravest([0, 4, 1]) == 4
    assert batch.gravest([1, 0]) == 1
    assert batch.gravest([]) == 0


def test_a_worker_reads_the_whole_of_a_file_once_before_it_looks(tmp_path, monkeypatch):
    from media_screen import pipeline
    from media_screen.batch import worker
    from media_screen.batch.nouns import Job
    from media_screen.config import Settings

    source = tmp_path / "a.png"
    Image.new("RGB", (64, 48), (90, 120, 40)).save(source)
    probed = []
    for room in (worker, pipeline):
        monkeypatch.setattr(room, "probe", lambda path, real=room.probe: (probed.append(path), real(path))[1])
    job = Job(out=tmp_path / "out", settings=Settings(), formats=())
    outcome = worker.work(Item(path=source, name="a.png"), job, 4000)
    assert outcome.disposition == "cleared"
    assert probed.count(source) == 1
