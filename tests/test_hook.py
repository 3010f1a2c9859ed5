"""The hook in front of an uploader: the command runs with the cleared copy, or not at all; verdicts are signed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from builders import ASKING
from click.testing import CliRunner

from media_screen import Settings, Verdict, build_screener
from media_screen.batch import Item, Job
from media_screen.cli import cli
from media_screen.errors import SettingsError
from media_screen.hook import answer
from media_screen.signing import HMAC_HEAD, faults, new_key, read_key, sign

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
CLEAN = SAMPLES / "nothing to hide.png"
PORTRAIT = SAMPLES / "portrait, held upright.jpg"
BROKEN = SAMPLES / "broken upload.jpg"
PYTHON = [sys.executable, "-m", "media_screen"]


def hook(*arguments, **more) -> subprocess.CompletedProcess:
    return subprocess.run([*PYTHON, "hook", *map(str, arguments)], capture_output=True, text=True, check=False, **more)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def uploader(tmp_path) -> list[str]:
    """Uploads by copying into a folder."""
    to = tmp_path / "uploaded"
    to.mkdir()
    return [sys.executable, "-c", f"import shutil, sys; shutil.copy(sys.argv[1], {str(to)!r})", "{}"]


# --- a command ---


def test_the_command_gets_the_cleared_copies_and_never_the_originals(tmp_path, uploader):
    done = hook(PORTRAIT, CLEAN, "--", *uploader)
    assert done.returncode == 0, done.stderr
    uploaded = {p.name: p for p in (tmp_path / "uploaded").iterdir()}
    assert uploaded.keys() == {PORTRAIT.name, CLEAN.name}
    assert digest(uploaded[PORTRAIT.name]) != digest(PORTRAIT)
    with build_screener(Settings()) as screener:
        assert screener.check(uploaded[PORTRAIT.name]).verdict == Verdict.PASS


def test_if_one_may_not_go_out_none_does(tmp_path, uploader):
    done = hook(CLEAN, BROKEN, "--", *uploader)
    assert done.returncode == 3
    assert BROKEN.name in done.stderr
    assert "not run" in done.stderr
    assert not list((tmp_path / "uploaded").iterdir())


def test_the_exit_code_of_the_command_is_passed_on():
    assert hook(CLEAN, "--", sys.executable, "-c", "import sys; sys.exit(7)", "{}").returncode == 7
    missing = hook(CLEAN, "--", "/no/such/uploader", "{}")
    assert missing.returncode == 2
    assert "cannot be run" in missing.stderr


def test_a_script_gets_the_name_as_a_variable_that_nothing_can_run(tmp_path):
    evil = tmp_path / "$(touch owned) `touch owned`; touch owned.png"
    shutil.copy(CLEAN, evil)
    done = hook(evil, "--", "sh", "-c", 'printf %s "$MEDIA_SCREEN_FILE"', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout).name == evil.name
    assert not (tmp_path / "owned").exists()
    assert not Path(done.stdout).exists()  # taken away when the command has ended


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "write: media-screen hook"),
        ([CLEAN], "write: media-screen hook"),
        ([CLEAN, "--", "upload"], "no {}"),
        ([CLEAN, "--", "upload", CLEAN, "{}"], "names the original"),
        ([CLEAN, "--", "sh", "-c", "upload {}"], "MEDIA_SCREEN_FILE"),
        (["--serve-stdio", CLEAN], "stdin"),
    ],
)
def test_a_command_that_would_upload_something_else_is_refused(arguments, words):
    done = CliRunner().invoke(cli, ["hook", *map(str, arguments)])
    assert isinstance(done.exception, SettingsError)
    assert words in str(done.exception)


def test_kept_in_a_folder_it_is_recorded(tmp_path, uploader):
    out = tmp_path / "out"
    assert hook(PORTRAIT, "--out", out, "--", *uploader).returncode == 0
    assert (out / "cleared" / PORTRAIT.name).is_file()
    assert (out / "reports" / f"{PORTRAIT.name}.html").is_file()
    (record,) = map(json.loads, (out / "ledger.jsonl").read_text().splitlines())
    assert record["output_sha256"] == digest(out / "cleared" / PORTRAIT.name)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").touch()
    assert hook(PORTRAIT, "--out", tmp_path / "mine", "--", *uploader).returncode == 2


def test_a_copy_that_was_altered_before_it_is_handed_out_is_an_error(tmp_path, monkeypatch):
    from media_screen.batch import worker

    real = worker.conclude

    def altered(item, document, job):
        (job.out / "cleared" / item.name).write_bytes(b"another")
        return real(item, document, job)

    monkeypatch.setattr(worker, "conclude", altered)
    said = answer(Item(path=CLEAN, name="a.png"), Job(out=tmp_path, settings=Settings(), formats=()))
    assert (said.code, said.file) == (3, None)
    assert not (tmp_path / "cleared" / "a.png").exists()


# --- declared facts ---


@pytest.fixture
def asking(tmp_path) -> Path:
    """A policy that holds what nobody vouches for."""
    (tmp_path / "asking.yaml").write_text(ASKING, encoding="utf-8")
    return tmp_path / "asking.yaml"


def test_facts_of_flags_file_and_sidecar_count_and_are_recorded(tmp_path, asking, uploader):
    photo, facts, sidecar = tmp_path / "a.png", tmp_path / "facts.yaml", tmp_path / "a.png.media-screen.yaml"
    shutil.copy(CLEAN, photo)
    facts.write_text("rights: held\nby: Insp. Rao\n")
    vouched = ["--attest", "rights=held", "--by", "Insp. Rao"]
    assert hook(photo, "--policy", asking, "--", *uploader).returncode == 4
    assert not list((tmp_path / "uploaded").iterdir())
    out = tmp_path / "out"
    for more in (vouched, ["--facts", facts]):
        assert hook(photo, "--policy", asking, *more, "--out", out, "--", *uploader).returncode == 0
    sidecar.write_text("rights: held\nby: Insp. Rao\n")
    assert hook(photo, "--policy", asking, "--out", out, "--", *uploader).returncode == 0
    records = [json.loads(line) for line in (out / "ledger.jsonl").read_text().splitlines()]
    assert [r["facts"] for r in records] == [
        [{"name": "rights", "value": "held", "reference": "", "by": "Insp. Rao"}]
    ] * 3
    sidecar.write_text("rights: missing\n")  # of this one file, and so it counts
    assert hook(photo, "--policy", asking, *vouched, "--", *uploader).returncode == 4
    sidecar.write_text("rihgts: held\n")
    done = hook(photo, "--policy", asking, *vouched, "--", *uploader)
    assert done.returncode == 3
    assert "rihgts" in done.stderr


def test_lines_know_what_is_declared_beside_each_file(tmp_path, asking):
    for name in ("a.png", "b.png"):
        shutil.copy(CLEAN, tmp_path / name)
    (tmp_path / "b.png.media-screen.yaml").write_text("rights: held\nby: Insp. Rao\n")
    text = "".join(json.dumps({"path": str(tmp_path / name)}) + "\n" for name in ("a.png", "b.png", "a.png"))
    done = hook("--serve-stdio", "--policy", asking, input=text)
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [a["code"] for a in said] == [4, 0, 4]
    assert [fact["by"] for fact in said[1]["report"]["facts"]] == ["Insp. Rao"]


# --- lines ---


def test_a_line_in_a_line_out_and_warm(tmp_path):
    asked = [{"path": str(PORTRAIT), "id": 1}, {"path": str(BROKEN)}, {"path": str(tmp_path / "none")}, {"no": 1}]
    text = "\n".join([*map(json.dumps, asked), "not json", "", json.dumps({"path": str(CLEAN), "id": "x"})]) + "\n"
    done = hook("--serve-stdio", "--out", tmp_path / "out", input=text)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [a["code"] for a in said] == [0, 3, 3, 2, 2, 0]
    assert (said[0]["id"], said[5]["id"]) == (1, "x")
    assert digest(Path(said[0]["file"])) == said[0]["sha256"]
    assert said[1]["file"] is None
    assert said[1]["why"]
    assert Path(said[0]["file"]).parents[1] != Path(said[5]["file"]).parents[1]


# --- signed verdicts ---


@pytest.fixture(params=["ed25519", "hmac-sha256"])
def keys(request, tmp_path):
    """A key that signs, and one that verifies."""
    if request.param == "ed25519":
        pytest.importorskip("cryptography", reason="Ed25519 needs the extra [sign]")
    made = new_key(tmp_path / "key", algorithm=request.param)
    assert (made[0].stat().st_mode & 0o077) == 0 or os.name != "posix"
    return made[0], made[-1]


@pytest.fixture
def signed(tmp_path, keys):
    said = answer(
        Item(path=PORTRAIT, name="p.jpg"),
        Job(out=tmp_path / "out", settings=Settings(), formats=()),
        read_key(keys[0]),
    )
    return said.file, said.verdict


def test_a_signed_verdict_is_of_these_bytes_and_names_nothing_else(signed, keys):
    file, verdict = signed
    key = read_key(keys[1])
    assert faults(file, verdict, key, policy="minimal", max_age_s=60) == []
    said = json.loads(verdict.read_text())
    assert said["sha256"] == digest(file)
    assert "p.jpg" not in verdict.read_text()
    assert "policy" in faults(file, verdict, key, policy="strict")[0]


def test_whatever_is_altered_is_refused(signed, keys, tmp_path):
    file, verdict = signed
    key, said = read_key(keys[1]), json.loads(verdict.read_text())
    other = tmp_path / "other.verdict.json"
    for name in said:
        for forged in ("x", None, 2.5):
            other.write_text(json.dumps(said | {name: forged}))
            assert faults(file, other, key), name
        other.write_text(json.dumps({n: v for n, v in said.items() if n != name}))
        assert faults(file, other, key), name
    for text in ("", "[]", "null", "{" * 5000, "[" * 100_000):
        other.write_text(text)
        assert faults(file, other, key)
    file.write_bytes(file.read_bytes() + b"\0")
    assert "altered" in faults(file, verdict, key)[0]


def test_another_key_or_none_is_refused(signed, keys, tmp_path):
    new_key(tmp_path / "other", algorithm=read_key(keys[0]).algorithm)
    assert faults(*signed, read_key(tmp_path / "other"))
    assert faults(signed[0], tmp_path / "none", read_key(keys[1]))
    with pytest.raises(SettingsError):
        new_key(keys[0])
    (tmp_path / "weak").write_bytes(HMAC_HEAD + b"guess me\n")
    for bad in (tmp_path / "weak", PORTRAIT, tmp_path / "none"):
        with pytest.raises(SettingsError):
            read_key(bad)


def test_a_held_or_old_verdict_is_refused(signed, keys):
    file, verdict = signed
    said = {k: v for k, v in json.loads(verdict.read_text()).items() if k != "signature"}
    for change, words in (({"disposition": "held"}, "not cleared"), ({"time": "2001-01-01T00:00:00+00:00"}, "too old")):
        verdict.write_text(json.dumps(sign(said | change, read_key(keys[0]))))
        assert words in faults(file, verdict, read_key(keys[1]), max_age_s=3600)[0]


def test_the_public_key_cannot_sign_nor_pose_as_a_secret(tmp_path):
    pytest.importorskip("cryptography", reason="Ed25519 needs the extra [sign]")
    _, public = new_key(tmp_path / "key")
    with pytest.raises(SettingsError, match="public"):
        sign({}, read_key(public))


def test_the_commands(tmp_path):
    run = CliRunner().invoke
    made = run(cli, ["new-key", "--hmac", str(tmp_path / "secret")])
    assert made.exit_code == 0
    out = tmp_path / "out"
    show = [sys.executable, "-c", "import os; print(os.environ['MEDIA_SCREEN_VERDICT'])", "{}"]
    done = hook(CLEAN, "--out", out, "--sign-key", tmp_path / "secret", "--", *show)
    assert done.stdout.strip() == str(out / "cleared" / f"{CLEAN.name}.verdict.json")
    verify = ["verify-verdict", "--key", str(tmp_path / "secret")]
    assert run(cli, [*verify, str(out / "cleared" / CLEAN.name)]).exit_code == 0
    time.sleep(0.01)
    assert run(cli, [*verify, "--max-age", "0", str(out / "cleared" / CLEAN.name)]).exit_code == 3
    assert run(cli, [*verify, str(CLEAN)]).exit_code == 3
