"""Models that people bring, and how files of models come here: by digest, over https, in pieces."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from fractions import Fraction

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image
from test_yolo import LABELS, network

from media_screen import config, weights
from media_screen.cli import cli
from media_screen.detect import ModelSpec
from media_screen.errors import SettingsError

WEIGHTS = bytes(range(256)) * 2000


def spec(**told):
    row = {
        "name": "guns", "runtime": "ultralytics", "file": "guns.pt", "licence": "AGPL-3.0",
        "sha256": hashlib.sha256(WEIGHTS).hexdigest(), "labels": ("handgun",), "score": 0.3, "low_score": 0.1,
        "picture_px": 640, "frame_px": 640, "period_s": Fraction(1, 2),
    }  # fmt: skip
    return ModelSpec(**{**row, **told})


class _Server(http.server.BaseHTTPRequestHandler):
    """Serves WEIGHTS; /cut breaks off in the middle, /whole knows no ranges, /other is another file, /away sends on."""

    asked: list[str | None]

    def do_GET(self):
        begin = self.headers.get("Range")
        type(self).asked.append(begin)
        start = int(begin.removeprefix("bytes=").removesuffix("-")) if begin and self.path != "/whole" else 0
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "ftp://example.org/guns.pt")
            self.end_headers()
            return
        if start >= len(WEIGHTS):
            self.send_error(416)
            return
        body = WEIGHTS[::-1] if self.path == "/other" else WEIGHTS[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self.path == "/cut" else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(weights, "SCHEMES", ("http",))  # no certificate here; what is allowed is tested below
    handler = type("Handler", (_Server,), {"asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        thread = threading.Thread(target=served.serve_forever, daemon=True)
        thread.start()
        served.address = f"http://127.0.0.1:{served.server_port}"
        yield served
        served.shutdown()
        thread.join()


def test_a_file_comes_whole_and_leaves_no_part(server, tmp_path):
    path = tmp_path / "new" / "guns.pt"
    weights.fetch(spec(url=server.address + "/guns.pt"), path)
    assert path.read_bytes() == WEIGHTS
    assert [p.name for p in path.parent.iterdir()] == ["guns.pt"]


def test_what_broke_off_goes_on_where_it_ended(server, tmp_path):
    path = tmp_path / "guns.pt"
    with pytest.raises(SettingsError, match=f"{len(WEIGHTS) // 2} bytes are kept"):
        weights.fetch(spec(url=server.address + "/cut"), path)
    assert not path.exists()
    weights.fetch(spec(url=server.address + "/guns.pt"), path)
    assert path.read_bytes() == WEIGHTS
    assert server.RequestHandlerClass.asked[-1] == f"bytes={len(WEIGHTS) // 2}-"


def test_a_server_without_ranges_is_asked_from_the_beginning(server, tmp_path):
    path = tmp_path / "guns.pt"
    path.with_name("guns.pt.part").write_bytes(b"old")
    weights.fetch(spec(url=server.address + "/whole"), path)
    assert path.read_bytes() == WEIGHTS


def test_a_part_that_was_whole_already_is_taken(server, tmp_path):
    path = tmp_path / "guns.pt"
    path.with_name("guns.pt.part").write_bytes(WEIGHTS)
    weights.fetch(spec(url=server.address + "/guns.pt"), path)
    assert path.read_bytes() == WEIGHTS


def test_another_file_than_that_of_the_row_is_not_kept(server, tmp_path):
    with pytest.raises(SettingsError, match="nothing is kept"):
        weights.fetch(spec(url=server.address + "/other"), tmp_path / "guns.pt")
    assert list(tmp_path.iterdir()) == []


def test_being_sent_on_to_an_unsafe_place_is_refused(server, tmp_path):
    with pytest.raises(SettingsError, match="no https address"):
        weights.fetch(spec(url=server.address + "/away"), tmp_path / "guns.pt")


@pytest.mark.parametrize("url", ["http://example.org/guns.pt", "file:///etc/passwd", "httpsx://a"])
def test_only_https_is_asked(url, tmp_path):
    with pytest.raises(SettingsError, match="no https address"):
        weights.fetch(spec(url=url), tmp_path / "guns.pt")


def test_offline_it_says_where_the_file_has_to_go(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "SCHEMES", ("http",))
    path = tmp_path / "guns.pt"
    with pytest.raises(SettingsError, match="put it at") as told:
        weights.fetch(spec(url="http://127.0.0.1:9/guns.pt"), path)  # the discard port: nobody listens
    assert str(path) in str(told.value)


# ------------------------------------------------------------------------------------------------- rows of one's own


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A manifest of one's own with one row, whose file is there."""
    row = {
        "name": "guns", "runtime": "ultralytics", "file": "guns.pt", "licence": "AGPL-3.0", "labels": ["handgun"],
        "sha256": hashlib.sha256(WEIGHTS).hexdigest(), "score": 0.3, "low_score": 0.1, "picture_px": 640,
        "frame_px": 640, "period_s": "1/2", "names": {"a pistol": "handgun"},
    }  # fmt: skip
    (tmp_path / "models.yaml").write_text(yaml.safe_dump({"models": [row]}), encoding="utf-8")
    (tmp_path / "guns.pt").write_bytes(WEIGHTS)
    monkeypatch.setenv(config.OWN_MODELS, str(tmp_path / "models.yaml"))
    return tmp_path


def test_a_row_of_ones_own_stands_beside_the_shipped_ones(own):
    rows = {row.name: row for row in config.load_manifest()}
    assert {"faces", "guns"} <= set(rows)
    assert config.model_path(rows["guns"]) == own / "guns.pt"
    assert rows["guns"].names == {"a pistol": "handgun"}


def test_a_manifest_that_is_not_there_is_an_error_and_not_forgotten(own, monkeypatch):
    monkeypatch.setenv(config.OWN_MODELS, str(own / "gone.yaml"))
    with pytest.raises(SettingsError, match="there is no file"):
        config.load_manifest()


def test_list_and_verify_tell_the_state_of_each(own):
    told = json.loads(CliRunner().invoke(cli, ["models", "list", "--json"]).stdout)
    assert {row["name"]: row["state"] for row in told}["guns"] == "ok"
    assert CliRunner().invoke(cli, ["models", "verify"]).exit_code == 0
    (own / "guns.pt").write_bytes(WEIGHTS + b"x")
    verified = CliRunner().invoke(cli, ["models", "verify", "guns"])
    assert (verified.exit_code, verified.stdout) == (3, "guns: altered\n")
    (own / "guns.pt").unlink()
    assert CliRunner().invoke(cli, ["models", "verify", "guns"]).stdout == "guns: absent\n"


@pytest.mark.usefixtures("own")
def test_a_name_that_no_row_has_is_named_with_those_that_there_are():
    ended = CliRunner().invoke(cli, ["models", "fetch", "gums"])
    assert isinstance(ended.exception, SettingsError)
    assert "guns" in str(ended.exception)


@pytest.mark.usefixtures("own")
def test_what_is_here_already_is_not_fetched_again(monkeypatch):
    monkeypatch.setattr(weights, "fetch", lambda *_: pytest.fail("asked the network"))
    assert CliRunner().invoke(cli, ["models", "fetch", "guns"]).exit_code == 0


POLICY = """
name: no-red
version: 1
title: {en: No red, hi: लाल नहीं}
source: a test
rules:
  - id: red
    clause: 1
    when: {label: red}
    action: block
    text: {en: it is red, hi: यह लाल है}
"""


@pytest.mark.parametrize(("colour", "code"), [((230, 10, 10), 5), ((10, 10, 230), 0)])
def test_a_network_of_ones_own_rules_a_picture_and_without_it_the_picture_is_an_error(
    tmp_path, monkeypatch, colour, code
):
    network(tmp_path / "colours.onnx")
    row = {
        "name": "colours", "runtime": "yolo", "file": "colours.onnx", "licence": "none", "labels": list(LABELS),
        "sha256": weights.digest_of(tmp_path / "colours.onnx"), "score": 0.5, "low_score": 0.2, "picture_px": 128,
        "frame_px": 128, "period_s": 1,
    }  # fmt: skip
    (tmp_path / "models.yaml").write_text(yaml.safe_dump({"models": [row]}), encoding="utf-8")
    (tmp_path / "no-red.yaml").write_text(POLICY, encoding="utf-8")
    Image.fromarray(np.full((64, 128, 3), colour, np.uint8)).save(tmp_path / "a.png")
    asked = ["check", "--policy", str(tmp_path / "no-red.yaml"), str(tmp_path / "a.png")]
    assert CliRunner().invoke(cli, asked).exit_code == 3  # nobody looks for red: that proves nothing
    monkeypatch.setenv(config.OWN_MODELS, str(tmp_path / "models.yaml"))
    done = CliRunner().invoke(cli, asked)
    assert done.exit_code == code, done.output
