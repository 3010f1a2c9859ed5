"""`media-screen metadata` and `--keep` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import films
import planted
import pytest
from click.testing import CliRunner
from PIL import Image

from media_screen.cli import cli
from media_screen.config import Settings, build_screener
from media_screen.errors import SettingsError

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
CLEAN = SAMPLES / "nothing to hide.png"
PLACE = SAMPLES / "गश्त patrol.jpg"
BROKEN = SAMPLES / "broken upload.jpg"
KEEPING = """
name: keeping
version: 1
title: {en: Keep, hi: रखें}
source: a test
keep: [creator]
rules:
  - id: everything
    clause: 1
    when: {tag: any}
    action: strip
    text: {en: metadata goes, hi: मेटाडेटा हटता है}
"""


def typed(*arguments):
    return CliRunner().invoke(cli, ["metadata", *map(str, arguments)])


@pytest.fixture
def named(tmp_path):
    """A picture with a name, a note, a place and a hidden picture in it."""
    path = tmp_path / "named.jpg"
    block = Image.Exif()
    block.load(planted.exif())
    block[0x013B] = "A. Sharma"
    path.write_bytes(planted.encoded(planted.picture(), "JPEG", exif=block, comment=planted.COORDINATES))
    return path


@pytest.mark.parametrize(
    ("files", "code"), [([CLEAN], 0), ([PLACE], 1), ([BROKEN], 3), ([PLACE, BROKEN, CLEAN], 3), ([CLEAN, PLACE], 1)]
)
def test_the_exit_code_says_what_is_there(files, code):
    done = typed(*files)
    assert done.exit_code == code, done.output
    assert all(file.name in done.output for file in files)


def test_names_kinds_and_places_are_told_and_no_value(named):
    done = typed(named)
    for word in ("Location", "GPSLatitude (EXIF GPS)", "comment (COM)", "Person", "Artist", "After cleaning: nothing"):
        assert word in done.output
    for secret in ("A. Sharma", "26.84", planted.SERIAL.decode(), planted.NOTE.decode()):
        assert secret not in done.output


def test_values_are_told_when_asked_for(named):
    done = typed(named, "--values")
    assert "Artist (EXIF) = A. Sharma" in done.output
    assert planted.SERIAL.decode() in done.output


def test_json_holds_the_same(named):
    plain, full = (json.loads(typed(named, "--json", *more).output) for more in ([], ["--values"]))
    assert all(tag.keys() == {"kind", "name", "place"} for tag in plain["tags"])
    assert {"kind": "person", "name": "Artist", "place": "EXIF", "value": "A. Sharma"} in full["tags"]
    assert (plain["after_cleaning"], plain["refusal"], plain["media_type"]) == ([], None, "image/jpeg")


def test_what_would_be_kept_is_told(named):
    done = json.loads(typed(named, "--json", "--values", "--keep", "creator,date").output)
    assert done["after_cleaning"] == [{"kind": "person", "name": "Artist", "place": "kept", "value": "A. Sharma"}]
    assert done["notes"] == ["kept as asked: creator"]


def test_a_file_that_cannot_be_cleaned_says_why(tmp_path):
    path = tmp_path / "film.mkv"
    make = films.Film(muxer="matroska", codec="ffv1", pixel_format="yuv420p", frames=3)
    path.write_bytes(films.make(path, make).read_bytes().replace(b"V_FFV1", b"V_XXXX"))
    done = typed(path, "--json")
    assert done.exit_code in (1, 3)
    told = json.loads(done.output)
    assert told.get("refusal") or told["error"]["message"]


def test_a_hostile_name_cannot_pose_as_another_line(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(planted.png_with(planted.chunk(b"tEXt", b"Comment\0x\x1b[2J\nAfter cleaning: nothing")))
    done = typed(path, "--values")
    assert "\x1b" not in done.output
    assert done.output.count("\n  After cleaning") == 1


def test_an_unknown_word_to_keep_is_a_mistake_in_the_command(named):
    for words in ("gps", "copyright,gps", "creator,none"):
        done = typed(named, "--keep", words)
        assert done.exit_code == 2
        assert "choose from copyright, creator" in done.output
    with pytest.raises(SettingsError, match="cannot keep gps"):
        build_screener(Settings(keep=("gps",)))


def test_the_command_line_goes_before_the_policy(tmp_path):
    path = tmp_path / "keeping.yaml"
    path.write_text(KEEPING, encoding="utf-8")
    keeps = [build_screener(Settings(policy=str(path), keep=keep)).keep for keep in (None, ("date",), ())]
    assert keeps == [{"creator"}, {"date"}, frozenset()]
