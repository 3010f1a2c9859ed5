"""A watched folder takes only what has stopped growing; a cluster does a lost worker's files elsewhere."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from media_screen.batch import executors, settled
from media_screen.cli import cli
from media_screen.errors import SettingsError
from media_screen.signing import faults, new_key, read_key

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
CLEAN = SAMPLES / "nothing to hide.png"
PORTRAIT = SAMPLES / "portrait, held upright.jpg"
PYTHON = [sys.executable, "-m"]


def start(*arguments, **more) -> subprocess.Popen:
    command = [*PYTHON, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)


def until(is_so, seconds=180) -> None:
    for _ in range(int(seconds * 10)):
        if is_so():
            return
        time.sleep(0.1)
    raise AssertionError("it never came")


# --- watching ---


def test_only_what_has_stopped_growing_is_handed_out(tmp_path):
    pytest.importorskip("watchfiles", reason="needs the extra [watch]")
    folder, stop, rounds = tmp_path / "in", threading.Event(), []
    folder.mkdir()
    growing = (folder / "growing.png").open("wb")

    def write() -> None:
        content = CLEAN.read_bytes()
        for n in range(12):
            growing.write(content[n * len(content) // 12 : (n + 1) * len(content) // 12])
            growing.flush()
            time.sleep(0.25)
        growing.close()

    shutil.copy(CLEAN, folder / "whole.png")
    writer = threading.Thread(target=write)
    writer.start()
    for _, ready in settled([folder], tmp_path / "out", settle_s=0.8, stop=stop):
        rounds.append([i.name for i in ready])
        if "growing.png" in rounds[-1]:
            assert (folder / "growing.png").read_bytes() == CLEAN.read_bytes()
            stop.set()
    writer.join()
    assert rounds[0] == ["whole.png"]
    assert rounds[-1] == ["growing.png"]


def test_a_drop_folder_end_to_end(tmp_path):
    pytest.importorskip("watchfiles", reason="needs the extra [watch]")
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    process = start("media_screen", "batch", folder, "--out", out, "--watch", "--jobs", "1")
    try:
        until(out.is_dir)
        shutil.copy(PORTRAIT, folder / "a.jpg")
        until(lambda: (out / "summary.json").is_file() and (out / "cleared" / "a.jpg").is_file())
        shutil.copy(CLEAN, folder / "b.png")
        until((out / "cleared" / "b.png").is_file)
        until(lambda: json.loads((out / "summary.json").read_text())["files"] == 2)
    finally:
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=180)
    assert process.returncode == 0, said


def test_watching_what_is_no_folder_is_said(tmp_path):
    pytest.importorskip("watchfiles", reason="needs the extra [watch]")
    done = CliRunner().invoke(cli, ["batch", str(CLEAN), "--out", str(tmp_path / "out"), "--watch"])
    assert isinstance(done.exception, SettingsError)
    assert "folders" in str(done.exception)


# --- a cluster ---


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two workers on loopback, each a process of its own."""
    pytest.importorskip("distributed", reason="needs the extra [cluster]")
    file = tmp_path / "scheduler.json"
    common = {"cwd": tmp_path, "env": os.environ | {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s"}}
    node = ("--scheduler-file", file)
    processes = [
        start("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", 0, *node, "--no-dashboard", **common)
    ]
    try:
        until(file.is_file)
        for n in range(2):
            arguments = (*node, "--nthreads", 1, "--no-nanny", "--no-dashboard", "--name", f"w{n}")
            processes.append(start("distributed.cli.dask_worker", *arguments, **common))
        yield json.loads(file.read_text())["address"].replace("tcp://", "dask://"), processes[1:]
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.communicate()


def test_a_lost_workers_files_are_done_elsewhere(tmp_path, cluster):
    address, workers = cluster
    folder, out, rng = tmp_path / "in", tmp_path / "out", np.random.default_rng(1)
    folder.mkdir()
    for n in range(24):
        Image.fromarray(rng.integers(0, 255, (400, 500, 3), dtype=np.uint8)).save(folder / f"{n:02}.png")
    shutil.copy(PORTRAIT, folder / "face.jpg")
    process = start("media_screen", "batch", folder, "--out", out, "--executor", address)
    until(lambda: len(list((out / "cleared").glob("*.png"))) >= 3, 120)
    workers[0].kill()
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    summary = json.loads((out / "summary.json").read_text())
    assert summary["dispositions"] == {"cleared": 25}
    assert not [p for p in out.rglob(".media-screen-*") if p.suffix != ".json"]
    again = start("media_screen", "batch", folder, "--out", out)
    assert "25, unchanged since" in again.communicate()[0]  # what a cluster did counts here as well


def test_nobody_there_is_said(tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="needs the extra [cluster]")
    monkeypatch.setattr(executors, "ANSWERS_S", 2.0)
    run = CliRunner().invoke
    base = ["batch", str(CLEAN), "--out", str(tmp_path / "out"), "--executor"]
    for address, words in (("ssh://x", "dask://"), ("dask://127.0.0.1:9", "answers")):
        done = run(cli, [*base, address])
        assert isinstance(done.exception, SettingsError)
        assert words in str(done.exception)


# --- signed verdicts, logs ---


def test_batch_signs_what_it_cleared_and_takes_back_what_it_did_not(tmp_path):
    new_key(tmp_path / "key", algorithm="hmac-sha256")
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    shutil.copy(CLEAN, folder / "a.png")
    arguments = ["batch", str(folder), "--out", str(out), "--jobs", "1", "--sign-key", str(tmp_path / "key")]
    done = start("media_screen", *arguments)
    assert done.communicate()[0]
    verdict, key = out / "verdicts" / "a.png.verdict.json", read_key(tmp_path / "key")
    assert faults(out / "cleared" / "a.png", verdict, key) == []
    before = verdict.read_bytes()
    start("media_screen", *arguments).communicate()
    assert verdict.read_bytes() == before  # nothing new, nothing signed anew
    (folder / "a.png").write_bytes((SAMPLES / "broken upload.jpg").read_bytes())
    start("media_screen", *arguments).communicate()
    assert not verdict.exists()


def test_a_log_for_machines_and_none_at_all(tmp_path):
    process = start("media_screen", "batch", PORTRAIT, "--out", tmp_path / "a", "--log-json")
    said = [json.loads(line) for line in process.communicate()[0].splitlines()]
    assert [line["event"] for line in said] == ["file", "batch"]
    assert said[0]["input_sha256"] == hashlib.sha256(PORTRAIT.read_bytes()).hexdigest()
    assert "GPS" not in json.dumps(said)
    process = start("media_screen", "batch", PORTRAIT, "--out", tmp_path / "b", "--quiet")
    assert process.communicate()[0] == ""
    assert process.returncode == 0


def test_a_cluster_and_a_timeout_are_refused_together(tmp_path):
    arguments = [
        "batch",
        str(CLEAN),
        "--out",
        str(tmp_path / "out"),
        "--executor",
        "dask://127.0.0.1:1",
        "--timeout",
        "9",
    ]
    done = CliRunner().invoke(cli, arguments)
    assert isinstance(done.exception, SettingsError)
    assert "--timeout is for this machine's own workers" in str(done.exception)
    assert not (tmp_path / "out").exists()
