"""One precedence: command line, environment, file, default; and `config show` says which it was."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from media_screen.cli import cli
from media_screen.errors import SettingsError


def shown(*arguments, env=None) -> dict[str, tuple[str, str]]:
    done = CliRunner().invoke(cli, [*map(str, arguments), "--json"], env=env)
    assert done.exit_code == 0, done.exception
    return {row["name"]: (row["value"], row["source"]) for row in json.loads(done.stdout)}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(
        'policy = "strict"\nlang = "hi"\n[batch]\njobs = 3\nexclude = ["*.txt", "*.md"]\n[hook]\npolicy = "minimal"\n'
    )
    return path


def test_each_source_and_its_rank(file):
    show = ("config", "show")
    assert shown(*show)["policy"] == ("minimal", "default")
    of_file = shown("--config", file, *show)
    assert of_file["policy"] == ("strict", "file")
    assert (of_file["jobs"], of_file["exclude"]) == (("3", "file"), ("*.txt, *.md", "file"))
    assert shown("--config", file, *show, "hook")["policy"] == ("minimal", "file")
    env = {"MEDIA_SCREEN_CONFIG": str(file), "MEDIA_SCREEN_POLICY": "karachi-2024"}
    assert shown(*show, env=env)["policy"] == ("karachi-2024", "environment MEDIA_SCREEN_POLICY")
    assert shown(*show, env=env)["lang"] == ("hi", "file")


def test_a_command_is_set_by_it_and_the_command_line_is_above(file, tmp_path):
    run = CliRunner().invoke
    env = {"MEDIA_SCREEN_POLICY": "none such"}
    done = run(cli, ["check", "x.jpg"], env=env)
    assert "none such" in str(done.exception)
    done = run(cli, ["check", "--json", str(tmp_path / "x.jpg"), "--policy", "minimal"], env=env)
    assert json.loads(done.stdout)["policy"]["name"] == "minimal"
    done = run(cli, ["--config", str(file), "check", "--json", str(tmp_path / "x.jpg")])
    assert json.loads(done.stdout)["policy"]["name"] == "strict"


@pytest.mark.parametrize("text", ["polcy = 1", "[batch]\njobz = 1", "[no-such]\nx = 1", "policy = ", "\udcff"])
def test_a_slip_is_an_error_and_not_a_looser_rule(tmp_path, text):
    (tmp_path / "c.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    done = CliRunner().invoke(cli, ["--config", str(tmp_path / "c.toml"), "config", "show"])
    assert isinstance(done.exception, SettingsError)


def test_a_named_file_that_is_not_there_is_an_error_and_none_beside_the_media_is_read(tmp_path, monkeypatch):
    done = CliRunner().invoke(cli, ["--config", str(tmp_path / "none.toml"), "config", "show"])
    assert isinstance(done.exception, SettingsError)
    (tmp_path / "config.toml").write_text('policy = "strict"')
    monkeypatch.chdir(tmp_path)
    assert shown("config", "show")["policy"] == ("minimal", "default")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell):
    done = subprocess.run(
        [sys.executable, "-m", "media_screen", "completion", shell], capture_output=True, text=True, check=False
    )
    if shell == "bash" and done.returncode:
        pytest.skip("no bash here to be asked for its version")
    assert "_MEDIA_SCREEN_COMPLETE" in done.stdout


def test_the_script_that_the_shell_calls_back_completes():
    env = {
        "_MEDIA_SCREEN_COMPLETE": "bash_complete",
        "COMP_WORDS": "media-screen ver",
        "COMP_CWORD": "1",
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run([sys.executable, "-m", "media_screen"], env=env, capture_output=True, text=True, check=False)
    assert "verify-verdict" in done.stdout


def test_speed_is_measured():
    done = CliRunner().invoke(cli, ["doctor", "--bench", "--json"])
    speeds = [check for check in json.loads(done.stdout) if check["group"] == "speed"]
    assert len(speeds) >= 2
    assert all(" ms" in check["detail"] for check in speeds)
