"""Each named block of docs/hooks.md, run as a user would run it."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "data" / "samples"
PORTRAIT = SAMPLES / "portrait, held upright.jpg"
BLOCKS = dict(re.findall(r"```\w+ name=([\w-]+)\n(.*?)```", (ROOT / "docs/hooks.md").read_text("utf-8"), re.DOTALL))
UPLOADER = '#!/bin/sh\nfor last; do :; done\nfor each; do test -f "$each" && cp "$each" "$UPLOADED/"; done\ntrue\n'


@pytest.fixture
def desk(tmp_path) -> Path:
    """A folder with a photo and a broken one; upload, rclone and wp copy what they are given into uploaded/."""
    shutil.copy(PORTRAIT, tmp_path / "photo.jpg")
    shutil.copy(SAMPLES / "broken upload.jpg", tmp_path / "broken.jpg")
    for folder in ("bin", "uploaded", "inbox"):
        (tmp_path / folder).mkdir()
    shutil.copy(PORTRAIT, tmp_path / "inbox" / "photo.jpg")
    tools = dict.fromkeys(("upload", "rclone", "wp"), UPLOADER)
    tools["media-screen"] = f'#!/bin/sh\nexec "{sys.executable}" -m media_screen "$@"\n'
    for name, script in tools.items():
        path = tmp_path / "bin" / name
        path.write_text(script)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return tmp_path


def run(desk: Path, *command: str, **env: str) -> subprocess.CompletedProcess:
    there = {"PATH": f"{desk / 'bin'}{os.pathsep}{os.environ['PATH']}", "UPLOADED": str(desk / "uploaded")}
    return subprocess.run(
        command, cwd=desk, env=os.environ | there | env, capture_output=True, text=True, check=False, timeout=120
    )


def shell(desk: Path, name: str, **env: str) -> subprocess.CompletedProcess:
    return run(desk, "sh", "-c", BLOCKS[name], **env)


def assert_uploaded(desk: Path, name: str = "photo.jpg") -> None:
    (file,) = (desk / "uploaded").iterdir()
    assert file.name == name
    assert file.read_bytes() != PORTRAIT.read_bytes()
    assert run(desk, "media-screen", "check", str(file)).returncode == 0


def needs(tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed here")


def test_every_block_is_run_here():
    assert BLOCKS.keys() == {
        *(
            "shell",
            "script",
            "rclone",
            "wordpress",
            "nextcloud",
            "python",
            "node",
            "curl",
            "pre-commit",
            "sign",
            "verify",
        )
    }


@pytest.mark.parametrize("name", ["shell", "script", "rclone", "wordpress"])
def test_commands(desk, name):
    done = shell(desk, name)
    assert done.returncode == 0, done.stderr
    assert_uploaded(desk)
    shutil.copy(desk / "broken.jpg", desk / "photo.jpg")
    (desk / "uploaded" / "photo.jpg").unlink()
    assert shell(desk, name).returncode == 3
    assert not list((desk / "uploaded").iterdir())


def test_nextcloud(desk):
    needs("curl")

    class Cloud(http.server.BaseHTTPRequestHandler):
        def do_PUT(self):
            content = self.rfile.read(int(self.headers["Content-Length"]))
            (desk / "uploaded" / self.path.rsplit("/", 1)[1]).write_bytes(content)
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Cloud) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = shell(desk, "nextcloud", CLOUD=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert_uploaded(desk)


@pytest.mark.parametrize(("name", "program"), [("python", sys.executable), ("node", "node")])
def test_programs(desk, name, program):
    needs(program)
    (desk / "example").write_text(BLOCKS[name])
    done = run(desk, program, "example")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("upload ")
    assert first.endswith("photo.jpg")
    assert second.startswith("not uploaded: ")


def test_curl(desk):
    needs("curl")
    pytest.importorskip("fastapi", reason="needs the extra [serve]")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    service = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "media_screen", "serve", "--port", str(port), "--jobs", "1"], stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{service}/health").close()  # noqa: S310 - our own
                break
            except OSError:
                time.sleep(0.1)
        done = shell(desk, "curl", SERVICE=service)
        assert done.returncode == 0, done.stderr
        assert_uploaded(desk, "cleared.jpg")
        (desk / "uploaded" / "cleared.jpg").unlink()
        shutil.copy(desk / "broken.jpg", desk / "photo.jpg")
        assert shell(desk, "curl", SERVICE=service).returncode != 0
        assert not list((desk / "uploaded").iterdir())
    finally:
        process.terminate()
        process.wait(30)


def test_the_git_hook(desk):
    needs("git")
    repo = desk / "repo"
    run(desk, "git", "init", "-q", str(repo))
    hook = repo / ".git" / "hooks" / "pre-commit"
    hook.write_text(BLOCKS["pre-commit"])
    hook.chmod(0o755)
    commit = ("git", "-C", str(repo), "-c", "user.name=n", "-c", "user.email=e@example.org", "commit", "-qm", "m")

    def staged(name: str, source: Path) -> subprocess.CompletedProcess:
        shutil.copy(source, repo / name)
        run(desk, "git", "-C", str(repo), "add", "-A")
        return run(desk, *commit)

    assert staged("notes.txt", Path(__file__)).returncode == 0  # nothing to screen
    assert staged("no faces.png", SAMPLES / "nothing to hide.png").returncode == 0
    refused = staged("a face.jpg", PORTRAIT)
    assert refused.returncode != 0
    assert "not committed" in refused.stderr
    shutil.copy(SAMPLES / "nothing to hide.png", repo / "a face.jpg")  # what is staged counts, not what lies there
    assert run(desk, *commit).returncode != 0


def test_signed_and_verified(desk):
    pytest.importorskip("cryptography", reason="needs the extra [sign]")
    done = shell(desk, "sign")
    assert done.returncode == 0, done.stderr
    assert shell(desk, "verify").returncode == 0
    assert_uploaded(desk)
    (desk / "uploaded" / "photo.jpg").unlink()
    shutil.copy(PORTRAIT, desk / "screened" / "cleared" / "photo.jpg")
    assert shell(desk, "verify").returncode != 0
    assert not list((desk / "uploaded").iterdir())
