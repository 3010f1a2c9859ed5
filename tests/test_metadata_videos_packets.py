"""Planted inside the data of the pictures: user data, comments, camera data. Gone after; what steers them stays."""

from __future__ import annotations

import struct
import zlib

import av
import pytest
from films import JPEG_NOTE, NAME, PHOTO, QUIET, QUIET_265, SPOT, Film, after_soi, before_slices, cleaned, make, sei

from media_screen.metadata import handler_for

NOTE = bytes(range(1, 17)) + SPOT  # an SEI of unregistered user data: a number, then text
MDPM = bytes.fromhex("17ee8c60f84d11d98cd60800200c9a66") + b"MDPM\x02\xb2\x10\x20\x30\x40\xb4" + SPOT[:4]
CAPTIONS = b"\xb5\0\x31GA94\x03" + NAME
AV1_NOTE = b"\x2a" + bytes((len(SPOT) + 5,)) + b"\x04\xb5\0\x99" + SPOT + b"\x80"


def before_first_slice(packet: bytes) -> bytes:
    at = packet.index(b"\0\0\1\1")
    return packet[:at] + b"\0\0\1\xb2" + SPOT + packet[at:]


def png_text(packet: bytes) -> bytes:
    chunk = b"tEXtComment\0" + SPOT
    return packet[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + packet[33:]


def dv_pack(frame: bytes) -> bytes:
    """A recording date in a block of picture data about data: section 2, from byte 240 of each sequence."""
    assert frame[240] >> 5 == 2
    return frame[:243] + b"\x62" + NAME[:4] + frame[248:]


X264, X265 = {"codec": "libx264", "options": {"bf": "2", **QUIET}}, {"codec": "libx265", "options": QUIET_265}
IN_PACKETS = {
    "SEI, H.264": (X264, before_slices("h264", sei("h264", 5, NOTE)), "location", "SEI user data", SPOT),
    "SEI, HEVC": (X265, before_slices("hevc", sei("hevc", 5, NOTE)), "location", "SEI user data", SPOT),
    "SEI of a camcorder": (X264, before_slices("h264", sei("h264", 5, MDPM)), "location", "MDPM camera data", b"MDPM"),
    "SEI with captions": (X264, before_slices("h264", sei("h264", 4, CAPTIONS)), "text", "closed captions", NAME),
    "SEI nobody knows": (X265, before_slices("hevc", sei("hevc", 200, NOTE)), "location", "SEI message 200", SPOT),
    "a long SEI of a known kind": (
        X264,
        before_slices("h264", sei("h264", 45, SPOT * 9)),
        "location",
        "SEI message 45",
        SPOT,
    ),
    "a unit type nobody knows": (X264, before_slices("h264", b"\0\0\0\1\x18" + SPOT), "unknown", "unit type 24", SPOT),
    "filler that speaks": (X264, before_slices("h264", b"\0\0\0\1\x0c" + SPOT + b"\x80"), "unknown", "filler", SPOT),
    "MPEG-4 user data": (
        {"codec": "mpeg4"},
        lambda packet: b"\0\0\1\xb2" + SPOT + packet,
        "location",
        "user data",
        SPOT,
    ),
}
MUXERS = {"SEI": ("mp4", "matroska", "mpegts"), "MPE": ("mp4", "matroska", "avi"), "fil": ("mpegts",)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    av.logging.set_level(None)
    return tmp_path_factory.mktemp("packets")


@pytest.mark.parametrize(
    ("name", "muxer"), [(name, muxer) for name in IN_PACKETS for muxer in MUXERS.get(name[:3], ("mp4", "mpegts"))]
)
def test_planted_in_the_pictures_data(name, muxer, folder):
    words, wrap, kind, tag, secret = IN_PACKETS[name]
    if muxer == "avi":
        words = {**words, "options": {**words.get("options", {}), "bf": "0"}}
    film = Film(muxer=muxer, wrap=wrap, **words)
    path = make(folder / f"{name}.{muxer}", film)
    assert secret in path.read_bytes()
    assert (kind, tag) in {(t.kind, t.name) for t in handler_for(film.format).read(path)}
    assert secret not in cleaned(path, film.format).read_bytes()


@pytest.mark.parametrize(
    ("muxer", "codec", "wrap", "kind", "tag", "secret"),
    [
        ("mov", "mjpeg", after_soi(JPEG_NOTE), "device", "APP1 in a JPEG frame", SPOT),
        ("avi", "mjpeg", lambda packet: packet + PHOTO, "picture", "after a JPEG frame", SPOT),
        (
            "matroska",
            "mjpeg",
            after_soi(b"\xff\xe0\0\x22JFIF\0\1\2\0\0\1\0\1\0\0" + SPOT[:18]),
            "picture",
            "JFIF data",
            SPOT[:18],
        ),
        ("mov", "png", png_text, "location", "tEXt in a PNG frame", SPOT),
        ("mp4", "libsvtav1", lambda packet: packet + AV1_NOTE, "location", "AV1 unit type 5", SPOT),
        ("webm", "libsvtav1", lambda packet: packet + AV1_NOTE, "location", "AV1 unit type 5", SPOT),
        ("mov", "dvvideo", dv_pack, "time", "DV pack 0x62", NAME[:4]),
        ("avi", "dvvideo", dv_pack, "time", "DV pack 0x62", NAME[:4]),
        ("mpegts", "mpeg2video", before_first_slice, "location", "user data", SPOT),
    ],
)
def test_planted_in_frames_of_other_codecs(muxer, codec, wrap, kind, tag, secret, folder):
    film = Film(
        muxer=muxer,
        codec=codec,
        wrap=wrap,
        frames=3,
        pixel_format={"mjpeg": "yuvj420p", "png": "rgb24"}.get(codec, "yuv420p"),
        size=(720, 576) if codec == "dvvideo" else (96, 64),
        options={"preset": "11"} if codec == "libsvtav1" else {},
    )
    path = make(folder / f"{codec} planted.{muxer}", film)
    assert secret in path.read_bytes()
    assert (kind, tag) in {(t.kind, t.name) for t in handler_for(film.format).read(path)}
    assert secret not in cleaned(path, film.format).read_bytes()


def test_dynamic_hdr_and_the_number_of_the_encoder_stay(folder):
    """HDR10+ tells how bright to show the picture; decoders work round the bugs of old encoders by their number."""
    hdr = b"\xb5\0\x3c\0\1\4\1" + bytes(40)
    film = Film(muxer="mp4", wrap=before_slices("hevc", sei("hevc", 4, hdr)), **X265)
    path = make(folder / "hdr10+.mp4", film)
    assert b"\0\x3c\0\1\4" in cleaned(path, "mp4").read_bytes()
    path = make(folder / "number.mp4", Film(muxer="mp4", **X264))
    clean = cleaned(path, "mp4").read_bytes()
    assert b"x264 - core" in clean
    assert b"options:" not in clean
