"""Metadata of videos: pictures, times, sound, turn and colour stay as they were; the corpus comes out clean."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest
from films import B_FRAMES, H264, QUIET, QUIET_265, TURNED, Film, as_m2ts, box, cleaned, find, make, seen

from media_screen.errors import FileError
from media_screen.metadata import handler_for
from media_screen.probe import FORMATS, probe, sniff

SHARED = Path(__file__).parents[2] / "shared" / "data"
HDR10 = {
    "x265-params": "log-level=none:hdr10=1:max-cll=1000,400"
    ":master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
}
SHORT_GROUPS = {"g": "4", **B_FRAMES}

FILMS = {
    "H.264 with B-frames, AAC": H264,
    "changing frame rate, two sounds": Film(
        muxer="mp4",
        codec="libx264",
        options=B_FRAMES,
        sound=("aac", "aac"),
        languages=("hin", "eng"),
        times=lambda index: index * (index + 5),
    ),
    "sound and picture begin late": Film(
        muxer="mp4",
        codec="libx264",
        options=B_FRAMES,
        sound=("aac",),
        sound_from=9600,
        times=lambda index: 10 + 3 * index,
    ),
    "header first": Film(
        muxer="mp4", codec="libx264", options=B_FRAMES, sound=("aac",), container_options={"movflags": "faststart"}
    ),
    "HEVC, 10 bits, HDR10, turned": Film(
        muxer="mov",
        codec="libx265",
        pixel_format="yuv420p10le",
        options=HDR10,
        sound=("pcm_s16le",),
        matrix=TURNED,
        colour=(9, 16, 9),
    ),
    "fragments": Film(
        muxer="mp4",
        codec="libx264",
        options=SHORT_GROUPS,
        sound=("aac",),
        container_options={"movflags": "frag_keyframe+empty_moov+default_base_moof"},
    ),
    "fragments after samples": Film(
        muxer="mp4",
        codec="libx264",
        options=SHORT_GROUPS,
        sound=("aac",),
        container_options={"movflags": "frag_keyframe"},
    ),
    "fragments with boxes of a maker": Film(muxer="ismv", codec="libx264", options=SHORT_GROUPS, sound=("aac",)),
    "AV1, Opus": Film(muxer="mp4", codec="libsvtav1", options={"preset": "11"}, sound=("libopus",)),
    "VP9, FLAC": Film(muxer="mp4", codec="libvpx-vp9", sound=("flac",)),
    "MPEG-4, MP3, wide pixels": Film(
        muxer="mp4", codec="mpeg4", options={"bf": "2"}, sound=("libmp3lame",), aspect=Fraction(4, 3)
    ),
    "Motion JPEG, PCM": Film(muxer="mov", codec="mjpeg", pixel_format="yuvj420p", sound=("pcm_s16le",)),
    "ProRes": Film(muxer="mov", codec="prores_ks", pixel_format="yuv422p10le", sound=("pcm_s24le",)),
    "PNG": Film(muxer="mov", codec="png", pixel_format="rgb24"),
    "3GP with H.263": Film(muxer="3gp", codec="h263", size=(128, 96)),
    "3GP with H.264": Film(muxer="3gp", codec="libx264", options=B_FRAMES, sound=("aac",)),
    "MKV with H.264, two sounds": Film(
        muxer="matroska",
        codec="libx264",
        options=B_FRAMES,
        sound=("aac", "ac3"),
        languages=("hin", "eng"),
        aspect=Fraction(4, 3),
    ),
    "MKV with HEVC, turned": Film(
        muxer="matroska", codec="libx265", options=QUIET_265, sound=("flac",), matrix=TURNED, colour=(9, 16, 9)
    ),
    "MKV with FFV1": Film(muxer="matroska", codec="ffv1", sound=("pcm_s16le",)),
    "MKV with Motion JPEG": Film(muxer="matroska", codec="mjpeg", pixel_format="yuvj420p"),
    "MKV with MPEG-4": Film(muxer="matroska", codec="mpeg4", options={"bf": "2"}, sound=("mp2",)),
    "WebM with VP9": Film(muxer="webm", codec="libvpx-vp9", sound=("libopus",)),
    "WebM with AV1": Film(muxer="webm", codec="libsvtav1", options={"preset": "11"}),
    "WebM of unknown length": Film(
        muxer="webm", codec="libvpx-vp9", sound=("libopus",), container_options={"live": "1"}
    ),
    "AVI with MPEG-4": Film(muxer="avi", codec="mpeg4", sound=("libmp3lame",)),
    "AVI with Motion JPEG, two sounds": Film(
        muxer="avi", codec="mjpeg", pixel_format="yuvj420p", sound=("pcm_s16le", "pcm_s16le")
    ),
    "AVI with H.264": Film(muxer="avi", codec="libx264", options={"bf": "0", **QUIET}, sound=("ac3",)),
    "AVI with raw pictures": Film(muxer="avi", codec="rawvideo", frames=4),
    "TS with H.264, two sounds": Film(
        muxer="mpegts", codec="libx264", options=B_FRAMES, sound=("aac", "mp2"), languages=("hin", "eng")
    ),
    "TS with HEVC": Film(muxer="mpegts", codec="libx265", options=QUIET_265, sound=("ac3",)),
    "TS with MPEG-2": Film(muxer="mpegts", codec="mpeg2video", options={"bf": "2"}, sound=("mp2",)),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    av.logging.set_level(None)
    return tmp_path_factory.mktemp("films")


@pytest.mark.parametrize("name", FILMS)
def test_everything_that_is_shown_and_heard_stays(name, folder):
    film = FILMS[name]
    path = make(folder / f"{name}.{film.muxer}", film)
    assert sniff(path.read_bytes()[:4096]) == film.format
    assert handler_for(film.format).read(path)  # at least what the muxer says of itself
    clean = cleaned(path, film.format)
    for maker in (b"Lavf", b"SoundHandler", b"VideoHandler", b"FFmpeg", b"options:"):
        assert maker not in clean.read_bytes()
    before, after = probe(path), probe(clean)
    assert (before.orientation, before.pixel_aspect, before.audio_tracks, before.bit_depth) == (
        after.orientation,
        after.pixel_aspect,
        after.audio_tracks,
        after.bit_depth,
    )


def test_the_turn_is_really_there(folder):
    for name in ("HEVC, 10 bits, HDR10, turned", "MKV with HEVC, turned"):
        film = FILMS[name]
        path = make(folder / f"turned.{film.muxer}", film)
        assert probe(cleaned(path, film.format)).orientation in (6, 8)


def test_m2ts_keeps_its_arrival_times(folder):
    stream = make(folder / "plain.ts", FILMS["TS with H.264, two sounds"]).read_bytes()
    path = folder / "camera.m2ts"
    path.write_bytes(as_m2ts(stream))
    clean = cleaned(path, "mpegts").read_bytes()
    assert clean[4] == 0x47
    assert clean[:4] == struct.pack(">I", 1000 + 30 * 188)  # the first packet, a service name, is gone


def test_samples_of_quicktime_counted_one_by_one(folder):
    """Old QuickTime says 1 byte a sample whatever a sample of sound has."""
    film = bytearray(make(folder / "pcm.mov", FILMS["Motion JPEG, PCM"]).read_bytes())
    at = film.rindex(b"stsz")
    assert struct.unpack_from(">I", film, at + 8) == (4,)  # two channels of 16 bits
    struct.pack_into(">I", film, at + 8, 1)
    path = folder / "one by one.mov"
    path.write_bytes(film)
    assert seen(path, "mp4")["heard"] == seen(folder / "pcm.mov", "mp4")["heard"]
    cleaned(path, "mp4")


def test_offsets_of_64_bits(folder):
    """All chunk offsets as co64, as films beyond 4 GB have them."""
    film = make(folder / "plain.mp4", H264).read_bytes()
    while (at := film.find(b"stco", find(film, b"moov")[0])) > 0:
        film = _widened(film, at - 4)
    path = folder / "wide.mp4"
    path.write_bytes(film)
    assert film.count(b"co64") == 2
    cleaned(path, "mp4")


def _widened(film: bytes, start: int) -> bytes:
    """An stco box made co64, and the lengths of all that hold it set right."""
    length, _, _, count = struct.unpack_from(">4I", film, start)
    offsets = struct.unpack_from(f">{count}I", film, start + 16)
    new = box(b"co64", film[start + 8 : start + 16], struct.pack(f">{count}Q", *offsets))
    grown = bytearray(film[:start] + new + film[start + length :])
    at = find(film, b"moov")[0]
    while at < start:
        held, kind = struct.unpack_from(">I4s", film, at)
        if at + held > start and kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
            struct.pack_into(">I", grown, at, held + len(new) - length)
            at += 8
        else:
            at += held
    return bytes(grown)


# --- the corpus and the players of others ---------------------------------------------------------------------------


def videos_of(*folders: str) -> list[Path]:
    if not SHARED.is_dir():
        return []
    found = (path for name in folders for path in sorted((SHARED / name).iterdir()) if path.is_file())
    return [path for path in found if FORMATS.get(_sniffed(path), ("",))[0].startswith("video/")]


def _sniffed(path: Path) -> str:
    with path.open("rb") as file:
        return sniff(file.read(4096)) or ""


CORPUS = videos_of("leaks", "faces/clips")
CUT = {"nom-exif__sony-a7-xavc.MP4", "exiftool__Pentax.avi"}  # only their first bytes were kept in the corpus
ONE_PICTURE_LOST = {"exiftool__M2TS.mts"}  # seven packets of a film, none of which decodes


@pytest.mark.skipif(not CORPUS, reason="no ../shared/data beside the repository")
@pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is not installed")
def test_the_corpus_comes_out_clean(folder):
    """By the oracle that knows what each file hides, which shares no code with the cleaner."""
    out = folder / "corpus"
    out.mkdir()
    for path in CORPUS:
        handler = handler_for(_sniffed(path))
        if path.name in CUT:
            with pytest.raises(FileError, match="cut short"):
                handler.strip(path, out / path.name)
            (out / path.name).unlink(missing_ok=True)
            continue
        handler.strip(path, out / path.name)
        assert handler.read(out / path.name) == []
    run = subprocess.run(
        [sys.executable, "-W", "ignore", SHARED / "leaks" / "leak_oracle.py", "--brief", out],
        capture_output=True,
        check=False,
    )
    found = json.loads(run.stdout)["files"]
    assert {Path(name).name: facts["kinds"] for name, facts in found.items() if facts["verdict"] != "clean"} == {}
    assert len(found) == len(CORPUS) - len(CUT)


@pytest.mark.skipif(not CORPUS, reason="no ../shared/data beside the repository")
@pytest.mark.parametrize("path", [p for p in CORPUS if p.name not in CUT | ONE_PICTURE_LOST], ids=lambda p: p.name)
def test_the_corpus_looks_and_sounds_the_same(path, folder):
    copy = folder / path.name
    shutil.copyfile(path, copy)
    cleaned(copy, _sniffed(path))


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
@pytest.mark.parametrize("name", FILMS)
def test_another_player_finds_no_fault(name, folder):
    film = FILMS[name]
    path, clean = make(folder / f"played {name}.{film.muxer}", film), folder / f"played clean {name}.{film.muxer}"
    handler_for(film.format).strip(path, clean)
    faults = [_faults(file) for file in (path, clean)]
    assert faults[1] == faults[0]


def _faults(path: Path) -> list[str]:
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", path, "-map", "0:v:0", "-map", "0:a?", "-f", "null", "-"]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stderr
    return [line.split("]")[-1] for line in said.splitlines()]
