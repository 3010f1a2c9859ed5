"""The HTTP service: 200 only for what may go out; tokens, sizes, names, dying workers; tusd's hook."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import pytest
from builders import ASKING
from click.testing import CliRunner

from media_screen import Settings
from media_screen.batch import Job, Workers
from media_screen.cli import cli
from media_screen.errors import SettingsError
from media_screen.signing import faults, new_key, read_key
from media_screen.types import Fact

pytest.importorskip("fastapi", reason="needs the extra [serve]")
pytest.importorskip("httpx2", reason="needs httpx2, which the test extra installs")
from starlette.testclient import TestClient

from media_screen.serve import Rules, application

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
CLEAN = SAMPLES / "nothing to hide.png"
PORTRAIT = SAMPLES / "portrait, held upright.jpg"
BROKEN = SAMPLES / "broken upload.jpg"


@pytest.fixture
def client(tmp_path):
    """Makes clients of a service with its own rules; one thread screens."""
    with ThreadPoolExecutor(1) as pool:

        def make(executor=pool, key=None, record=None, settings=None, **rules) -> TestClient:
            job = Job(out=tmp_path / "store", settings=settings or Settings(threads=1), formats=())
            app = application(job, Workers(executor=executor, slots=1), Rules(**rules), key=key, record=record)
            return TestClient(app, base_url="http://127.0.0.1")

        (tmp_path / "store").mkdir()
        yield make


def left(tmp_path) -> list[Path]:
    return [p for p in (tmp_path / "store").rglob("*") if p.is_file()]


def test_a_file_in_its_report_and_cleared_copy_out(client, tmp_path):
    web = client(record=tmp_path / "ledger.jsonl")
    said = web.post("/screen", params={"name": "p.jpg"}, content=PORTRAIT.read_bytes())
    assert (said.status_code, said.json()["code"]) == (200, 0)
    assert said.json()["report"]["verdict"] == "redact"
    assert str(tmp_path) not in said.text
    copy = web.get(said.json()["file"])
    assert hashlib.sha256(copy.content).hexdigest() == said.json()["sha256"]
    assert copy.content != PORTRAIT.read_bytes()
    assert [p.name for p in left(tmp_path)] == ["p.jpg"]  # the upload itself is gone
    assert json.loads((tmp_path / "ledger.jsonl").read_text())["name"] == "p.jpg"
    assert web.delete(said.json()["file"]).status_code == 204
    assert web.get(said.json()["file"]).status_code == 404
    assert not left(tmp_path)


def test_what_may_not_go_out_is_no_200_and_leaves_nothing(client, tmp_path):
    web = client()
    for where in ("/screen", "/cleared"):
        said = web.post(where, params={"name": "b.jpg"}, content=BROKEN.read_bytes())
        assert (said.status_code, said.json()["file"]) == (422, None)
        assert said.json()["why"]
    assert not left(tmp_path)


def test_the_copy_itself_in_one_go(client, tmp_path):
    said = client().post("/cleared", params={"name": "c.png"}, content=CLEAN.read_bytes())
    assert said.content == CLEAN.read_bytes()
    assert said.headers["content-type"] == "image/png"
    assert not left(tmp_path)


def test_signed_and_run_out(client, tmp_path):
    new_key(tmp_path / "key", algorithm="hmac-sha256")
    key = read_key(tmp_path / "key")
    web = client(key=key, keep_s=30)
    said = web.post("/screen", params={"name": "c.png"}, content=CLEAN.read_bytes()).json()
    (tmp_path / "copy").write_bytes(web.get(said["file"]).content)
    (tmp_path / "verdict").write_bytes(web.get(said["verdict_file"]).content)
    assert faults(tmp_path / "copy", tmp_path / "verdict", key) == []
    web = client(keep_s=0)
    said = web.post("/screen", params={"name": "c.png"}, content=CLEAN.read_bytes()).json()
    assert web.get(said["file"]).status_code == 404


@pytest.mark.parametrize("name", ["", "..", "a/..", ".hidden.jpg", "a\n.jpg", "x" * 300 + ".jpg"])
def test_names_that_are_none(client, tmp_path, name):
    assert client().post("/screen", params={"name": name}, content=b"x").status_code == 400
    assert not left(tmp_path)


@pytest.fixture
def asking(tmp_path) -> Settings:
    """A policy that holds what nobody vouches for."""
    (tmp_path / "asking.yaml").write_text(ASKING, encoding="utf-8")
    return Settings(threads=1, policy=str(tmp_path / "asking.yaml"))


def test_what_a_client_declares_counts_for_its_file_alone(client, tmp_path, asking):
    web = client(settings=asking, record=tmp_path / "ledger.jsonl")

    def post(*facts):
        return web.post("/screen", params={"name": "c.png", "fact": facts}, content=CLEAN.read_bytes())

    assert (post().status_code, post().json()["code"]) == (422, 4)
    said = post("rights=held", "by=Insp. Rao")
    assert said.status_code == 200
    assert said.json()["report"]["facts"][0]["by"] == "Insp. Rao"
    assert json.loads((tmp_path / "ledger.jsonl").read_text().splitlines()[-1])["facts"][0]["value"] == "held"
    assert (post().status_code, post("rights=missing").status_code) == (422, 422)
    for wrong in (["rights"], ["rights=held", "rights=held"], ["rights=perhaps"], ["wrong=yes"]):
        assert post(*wrong).status_code == 400
    for name in (p.name for p in left(tmp_path)):
        assert name == "c.png"  # nothing of what was declared is left lying


def test_what_the_service_was_told_no_client_declares_otherwise(client, asking):
    told = (Fact(name="rights", value="missing", by=""),)
    web = client(settings=replace(asking, facts=told))
    for fact, status in (("rights=held", 400), ("rights=missing", 422), ("sealed=yes", 422)):
        said = web.post("/cleared", params={"name": "c.png", "fact": fact}, content=CLEAN.read_bytes())
        assert said.status_code == status


def test_what_the_service_vouches_for_counts_for_every_file(client, asking):
    told = (Fact(name="rights", value="held", by="Insp. Rao"),)
    web = client(settings=replace(asking, facts=told))
    assert web.post("/cleared", params={"name": "c.png"}, content=CLEAN.read_bytes()).status_code == 200


def test_a_path_is_only_its_last_part(client, tmp_path):
    said = client().post("/screen", params={"name": "../../../a\\b/c.png"}, content=CLEAN.read_bytes())
    assert said.json()["report"]["input"]["name"] == "c.png"
    assert not list(tmp_path.glob("*.png"))


def test_too_large_is_refused_before_and_while_it_comes(client, tmp_path):
    web = client(max_bytes=1000)
    assert web.post("/screen", params={"name": "a.png"}, content=bytes(1001)).status_code == 413
    chunks = (bytes(400) for _ in range(4))  # no length is told
    assert web.post("/screen", params={"name": "a.png"}, content=chunks).status_code == 413
    assert not left(tmp_path)


def test_a_token_is_asked_for_everywhere(client):
    web = client(token="a long and secret token")  # noqa: S106
    for method, path in (("POST", "/screen?name=a"), ("GET", "/files/x"), ("DELETE", "/files/x"), ("GET", "/health")):
        assert web.request(method, path).status_code == 401
        assert web.request(method, path, headers={"Authorization": "Bearer other"}).status_code == 401
    web.headers["Authorization"] = "Bearer a long and secret token"
    assert web.post("/screen", params={"name": "c.png"}, content=CLEAN.read_bytes()).status_code == 200


def test_another_host_name_is_refused_on_loopback(client):
    web = client()
    assert web.get("/health").status_code == 200
    assert web.get("/health", headers={"Host": "evil.example"}).status_code == 400


class Dead:
    """An executor whose workers die, or hang."""

    def __init__(self, error):
        self.error = error

    def submit(self, *_):
        future = Future()
        future.set_exception(self.error)
        return future


@pytest.mark.parametrize("error", [BrokenProcessPool("gone"), TimeoutError()])
def test_a_worker_that_dies_or_hangs_is_no_200(client, error):
    said = client(executor=Dead(error)).post("/screen", params={"name": "c.png"}, content=CLEAN.read_bytes())
    assert (said.status_code, said.json()["code"], said.json()["file"]) == (422, 3, None)


def test_more_than_the_queue_holds_come_again_later(client):
    assert client(queue=0).post("/screen", params={"name": "c.png"}, content=b"x").status_code == 503


def test_the_openapi_document_names_every_way(client):
    said = client(tusd_dir=SAMPLES).get("/openapi.json").json()
    assert {"/screen", "/cleared", "/files/{ident}", "/files/{ident}/verdict", "/health", "/tusd"} <= said[
        "paths"
    ].keys()


def event(path: Path, kind: str = "pre-finish") -> dict:
    upload = {"ID": "24e5", "Size": 1, "MetaData": {"filename": path.name}}
    return {"Type": kind, "Event": {"Upload": upload | {"Storage": {"Type": "filestore", "Path": str(path)}}}}


def test_tusd_asks_before_it_ends_an_upload(client):
    web = client(tusd_dir=SAMPLES)
    for path, status in ((CLEAN, 200), (BROKEN, 422)):
        said = web.post("/tusd", json=event(path))
        assert said.status_code == 200
        assert said.json()["HTTPResponse"]["StatusCode"] == status
        assert json.loads(said.json()["HTTPResponse"]["Body"])["code"] == (3 if status == 422 else 0)
    assert web.post("/tusd", json=event(CLEAN, "post-finish")).json() == {}
    assert web.post("/tusd", json=event(SAMPLES / ".." / ".." / "README.md")).status_code == 403
    assert web.post("/tusd", json={"Type": "pre-finish"}).status_code == 400
    assert client().post("/tusd", json=event(CLEAN)).status_code == 404


def test_other_machines_need_a_token(monkeypatch, tmp_path):
    monkeypatch.delenv("MEDIA_SCREEN_TOKEN", raising=False)
    done = CliRunner().invoke(cli, ["serve", "--host", "192.0.2.1"])
    assert isinstance(done.exception, SettingsError)
    (tmp_path / "token").write_text("short")
    done = CliRunner().invoke(cli, ["serve", "--token-file", str(tmp_path / "token")])
    assert "guessed" in str(done.exception)


def test_the_command_answers_and_ends(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "media_screen", "serve", "--port", str(port), "--jobs", "1"]
    process = subprocess.Popen(command, env=os.environ | {"TMPDIR": str(tmp_path)}, stderr=subprocess.PIPE)
    try:
        for _ in range(200):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as said:
                    assert said.status == 200
                break
            except OSError:
                time.sleep(0.1)
        url = f"http://127.0.0.1:{port}/cleared?name=c.png"
        with urllib.request.urlopen(urllib.request.Request(url, data=CLEAN.read_bytes())) as said:
            assert said.read() == CLEAN.read_bytes()
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert not list(tmp_path.glob("media-screen-*"))
