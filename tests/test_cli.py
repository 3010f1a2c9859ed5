"""The commands as a user types them: what they print, and the exit code that any caller can rely on."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "data" / "samples"
CLEAN = SAMPLES / "nothing to hide.png"
PORTRAIT = SAMPLES / "portrait, held upright.jpg"
FILM = SAMPLES / "walk past 🚔.mp4"
BROKEN = SAMPLES / "broken upload.jpg"
ASK = """
name: ask
version: 1
title: {{en: Ask, hi: पूछें}}
source: a test
rules:
  - id: who
    clause: 13
    when: {{label: face}}
    action: {action}
    text: {{en: who is this, hi: यह कौन है}}
"""


def command(*arguments, **more) -> subprocess.CompletedProcess:
    line = [sys.executable, "-m", "media_screen", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False, **more)


@pytest.fixture
def policy(tmp_path):
    def made(action: str) -> Path:
        path = tmp_path / f"{action}.yaml"
        path.write_text(ASK.format(action=action), encoding="utf-8")
        return path

    return made


# --- exit codes ---


@pytest.mark.parametrize(
    ("files", "code"),
    [([CLEAN], 0), ([PORTRAIT], 1), ([BROKEN], 3), ([CLEAN, PORTRAIT], 1), ([PORTRAIT, BROKEN, CLEAN], 3)],
)
def test_check_says_what_is_to_be_done_by_its_exit_code(files, code):
    done = command("check", *files)
    assert done.returncode == code, done.stderr
    assert done.stderr == ""
    for file in files:
        assert file.name in done.stdout


@pytest.mark.parametrize(("action", "code"), [("note", 0), ("review", 4), ("block", 5)])
def test_a_policy_of_ones_own_decides(policy, action, code):
    assert command("check", PORTRAIT, "--policy", policy(action)).returncode == code


def test_an_error_is_graver_than_a_block(policy):
    assert command("check", PORTRAIT, BROKEN, "--policy", policy("block")).returncode == 3


def test_batch_ends_with_review_where_something_is_held(policy, tmp_path):
    done = command("batch", PORTRAIT, CLEAN, "--policy", policy("review"), "--out", tmp_path / "out")
    assert done.returncode == 4
    assert (tmp_path / "out" / "held" / PORTRAIT.name).is_file()
    assert str(tmp_path / "out" / "held") in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check"], "Missing argument"),
        (["check", CLEAN, "--policy", "up-police-2032"], "up-police-2023"),
        (["check", CLEAN, "--policy", "nowhere/mine.yaml"], "no policy"),
        (["check", CLEAN, "--max-pixels", "0"], "max-pixels"),
        (["batch", CLEAN], "--out"),
        (["batch", CLEAN, "--out", "x", "--report", "pdf"], "pdf"),
        (["batch", CLEAN, "--out", "x", "--style", "gaussian"], "gaussian"),
        (["batch", CLEAN, "--out", "x", "--jobs", "0"], "jobs"),
        (["screen", CLEAN], "No such command"),
    ],
)
def test_a_mistake_in_the_command_screens_nothing_and_says_what(arguments, words, tmp_path):
    done = command(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["check", "batch"])
def test_help_tells_the_exit_codes(name):
    said = command(name, "--help").stdout
    assert re.search(r"3 +at least one file could not be screened", said)
    assert "\\b" not in said


# --- what is printed ---


def test_check_names_finding_clause_and_what_to_do():
    said = " ".join(command("check", PORTRAIT).stdout.split())
    assert "clauses 27, 30: 1 face" in said
    assert "clause 29: 5 location tags" in said
    assert "-> Upload only the redacted copy" in said
    assert "26.8467" not in said


def test_check_as_json_is_one_report_a_line():
    done = command("check", "--json", PORTRAIT, BROKEN)
    schema = json.loads((ROOT / "media_screen" / "report" / "schema.json").read_text(encoding="utf-8"))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [r["verdict"] for r in rows] == ["redact", "error"]
    for row in rows:
        jsonschema.validate(row, schema)


def test_detect_prints_one_object_a_frame_with_boxes_of_the_upright_picture():
    (row,) = [json.loads(line) for line in command("detect", PORTRAIT, "--json").stdout.splitlines()]
    assert {k: row[k] for k in ("path", "time_s", "frame", "width_px", "height_px")} == {
        "path": str(PORTRAIT),
        "time_s": None,
        "frame": 0,
        "width_px": 512,
        "height_px": 512,
    }
    (face,) = [found for found in row["detections"] if found["detector"] == "faces"]
    assert face.keys() == {"label", "score", "box", "detector"}
    x1, y1, x2, y2 = face["box"]
    assert x1 < 225 < x2
    assert y1 < 100 < y2  # stored, the head lies on its side at the left
    assert face["label"] == "face"


def test_detect_looks_as_often_as_asked_and_at_exact_times():
    done = command("detect", FILM, "--json", "--every", "1")
    times = [json.loads(line)["time_s"] for line in done.stdout.splitlines()]
    assert times[0] == 0
    assert [int(t) for t in times] == [0, 1, 2, 3, 4]
    few = command("detect", FILM, "--json", "--every", "1", "--score", "0.99").stdout
    assert not any(json.loads(line)["detections"] for line in few.splitlines())


def test_detect_goes_on_after_a_bad_file():
    done = command("detect", BROKEN, PORTRAIT, "--json")
    assert done.returncode == 3
    assert BROKEN.name in done.stderr
    assert PORTRAIT.name in done.stdout


def test_doctor_says_what_works():
    done = command("doctor", "--json")
    rows = json.loads(done.stdout)
    assert done.returncode == 0
    groups = {r["group"] for r in rows}
    assert {"runtime", "model", "policy", "video", "picture"} <= groups
    assert all(r["works"] for r in rows if r["group"] in ("runtime", "model", "picture"))
    assert "faces" in command("doctor").stdout


def test_a_reader_that_goes_away_is_no_traceback():
    line = f"{sys.executable} -m media_screen detect '{FILM}' --json --every 0 | head -n 1"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_a_terminal_gets_a_bar_with_files_and_frames(tmp_path):
    inside, outside = pty.openpty()
    shutil.copy(CLEAN, tmp_path / "a.png")
    line = [
        sys.executable,
        "-m",
        "media_screen",
        "batch",
        str(tmp_path / "a.png"),
        str(FILM),
        "--out",
        str(tmp_path / "o"),
    ]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=outside, env={**os.environ, "TERM": "xterm"}) as process:
        os.close(outside)
        shown = bytearray()
        while True:
            try:
                piece = os.read(inside, 4096)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        out = process.stdout.read().decode()
    os.close(inside)
    assert process.returncode == 0
    assert b"2/2" in shown
    assert b"frames/s" in shown
    assert b"a.png" in shown
    assert "2 files: 2 cleared" in out


def test_without_a_terminal_there_are_plain_lines(tmp_path):
    done = command("batch", CLEAN, "--out", tmp_path / "o")
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stdout.startswith(f"[1/1] cleared  {CLEAN.name}")
