"""Planted in a video: seen first by its kind and name; gone after, byte by byte; pictures and sound as before."""

from __future__ import annotations

import struct
from dataclasses import replace

import av
import pytest
from films import (
    H264,
    JPEG_NOTE,
    NAME,
    PHOTO,
    QUIET,
    SPOT,
    Film,
    after_soi,
    box,
    cleaned,
    find,
    into,
    make,
    seen,
    track,
)

from media_screen.errors import StripFailed
from media_screen.metadata import ebml, handler_for, riff


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    av.logging.set_level(None)
    return tmp_path_factory.mktemp("planted")


def keys_and_list(key: bytes, value: bytes) -> bytes:
    """QuickTime's metadata: a list of keys, and a value for the first."""
    keys = box(b"keys", struct.pack(">II", 0, 1), box(b"mdta", key))
    item = box(b"\0\0\0\1", box(b"data", struct.pack(">II", 1, 0), value))
    return box(b"meta", box(b"hdlr", bytes(8), b"mdta", bytes(13)), keys, box(b"ilst", item))


def itunes(name: bytes, value: bytes, kind: int = 1) -> bytes:
    item = box(name, box(b"data", struct.pack(">II", kind, 0), value))
    return box(b"udta", box(b"meta", bytes(4), box(b"hdlr", bytes(8), b"mdirappl", bytes(9)), box(b"ilst", item)))


def in_moov(planted: bytes, *path: bytes):
    return lambda film: into(film, (b"moov", *path), planted)


def at_end(planted: bytes):
    return lambda film: film + planted


def extra_track(handler: bytes, entry: bytes, payload: bytes):
    """A track of two samples, which lie in a media box of its own at the end."""

    def plant(film: bytes) -> bytes:
        planted = track(handler, entry, 0, [len(payload)] * 2)
        grown = into(film, (b"moov",), planted)
        return into(film, (b"moov",), track(handler, entry, len(grown) + 8, [len(payload)] * 2)) + box(
            b"mdat", payload * 2
        )

    return plant


UDTA_XYZ = box(b"udta", box(b"\xa9xyz", struct.pack(">HH", len(SPOT), 0x15C7), SPOT))
LOCI = box(b"loci", bytes(6), NAME, b"\0\0", struct.pack(">3i", 80 << 16, 26 << 16, 0), b"earth\0\0")
XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + b"<x exif:GPSLatitude='26,50.8N' by='" + NAME + b"'/>"
FREE_GPS = b"\0\0\0\x40freeGPS " + SPOT + bytes(16)
CHAPTER = bytes(4) + struct.pack(">IBQB", 0, 1, 0, len(NAME)) + NAME

PLANTS = {
    "place in udta": (in_moov(UDTA_XYZ), "location", "©xyz", SPOT),
    "place in a track's udta": (in_moov(UDTA_XYZ, b"trak"), "location", "©xyz", SPOT),
    "loci": (in_moov(box(b"udta", LOCI)), "location", "loci", NAME),
    "iTunes title": (in_moov(itunes(b"\xa9nam", NAME)), "text", "©nam", NAME),
    "cover picture": (in_moov(itunes(b"covr", PHOTO, 13)), "location", "covr", PHOTO),
    "QuickTime key": (
        in_moov(keys_and_list(b"com.apple.quicktime.location.ISO6709", SPOT)),
        "location",
        "com.apple.quicktime.location.ISO6709",
        SPOT,
    ),
    "QuickTime maker": (
        in_moov(keys_and_list(b"com.apple.quicktime.make", NAME)),
        "device",
        "com.apple.quicktime.make",
        NAME,
    ),
    "XMP in moov": (in_moov(box(b"uuid", XMP)), "location", "XMP", NAME),
    "XMP after all": (at_end(box(b"uuid", XMP)), "location", "XMP", NAME),
    "chapters": (in_moov(box(b"udta", box(b"chpl", CHAPTER))), "text", "chpl", NAME),
    "free at the top": (at_end(box(b"free", bytes(70000), SPOT)), "location", "padding", SPOT),
    "skip in moov": (in_moov(box(b"skip", SPOT)), "location", "padding", SPOT),
    "free in a sample table": (
        in_moov(box(b"free", SPOT), b"trak", b"mdia", b"minf", b"stbl"),
        "location",
        "padding",
        SPOT,
    ),
    "Novatek": (
        lambda film: (
            into(film, (b"moov",), box(b"gps ", struct.pack(">4I", 0, 1, len(film) + 32, 64))) + box(b"free", FREE_GPS)
        ),
        "location",
        "padding",
        SPOT,
    ),
    "a box nobody knows": (at_end(box(b"beam", NAME)), "unknown", "beam", NAME),
    "an index that speaks": (at_end(box(b"mfra", SPOT)), "location", "mfra", SPOT),
    "media data of no track": (at_end(box(b"mdat", bytes(70000), SPOT)), "location", "bytes of no track", SPOT),
    "picture after the end": (at_end(PHOTO), "picture", "bytes after the end", PHOTO),
    "text after the end": (at_end(SPOT), "location", "bytes after the end", SPOT),
    "after the last shift": (
        in_moov(SPOT, b"trak", b"mdia", b"minf", b"stbl", b"ctts"),
        "location",
        "rest of ctts",
        SPOT,
    ),
    "after the sizes": (
        in_moov(SPOT, b"trak", b"mdia", b"minf", b"stbl", b"stsz"),
        "location",
        "rest of sample tables",
        SPOT,
    ),
    "GoPro track": (extra_track(b"meta", b"gpmd", b"DEVC" + SPOT), "location", "gpmd track", SPOT),
    "Android track": (extra_track(b"camm", b"camm", SPOT), "location", "camm track", SPOT),
    "text metadata track": (extra_track(b"meta", b"mett", SPOT), "location", "mett track", SPOT),
    "time code track": (extra_track(b"tmcd", b"tmcd", NAME), "time", "tmcd track", NAME),
    "captions": (extra_track(b"sbtl", b"tx3g", NAME), "text", "tx3g track", NAME),
    "cover track": (extra_track(b"vide", b"jpeg", PHOTO), "picture", "cover picture", PHOTO),
    "nameless track": (extra_track(b"\0\0\0\0", b"\0\0\0\0", SPOT), "unknown", "nameless track", SPOT),
}


@pytest.fixture(scope="module")
def plain(folder):
    return make(folder / "plain.mp4", H264).read_bytes()


@pytest.mark.parametrize("name", PLANTS)
def test_planted_in_mp4(name, plain, folder):
    plant, kind, tag, secret = PLANTS[name]
    path = folder / f"{name}.mp4"
    path.write_bytes(plant(plain))
    assert secret in path.read_bytes()
    assert (kind, tag) in {(t.kind, t.name) for t in handler_for("mp4").read(path)}
    clean = cleaned(path, "mp4").read_bytes()
    assert secret not in clean
    assert SPOT not in clean


def test_times_of_recording_and_reserved_fields(plain, folder):
    grown = bytearray(plain)
    for path, skip in (((b"mvhd",), 0), ((b"trak", b"tkhd"), 1), ((b"trak", b"mdia", b"mdhd"), 0)):
        start, end = find(plain, b"moov", *path)
        struct.pack_into(">II", grown, start + 12, 0xE1234567, 0xE1234568)
        if path == (b"mvhd",):
            grown[end - 28 : end - 4] = SPOT.ljust(24, b"!")
        assert skip in (0, 1)
    path = folder / "dated.mp4"
    path.write_bytes(grown)
    tags = {(tag.kind, tag.name, tag.place) for tag in handler_for("mp4").read(path)}
    assert ("time", "creation and modification time", "moov/mvhd") in tags
    assert ("time", "creation and modification time", "track 1/tkhd") in tags
    assert ("time", "creation and modification time", "track 1/mdhd") in tags
    assert ("location", "rest of mvhd", "moov") in tags
    clean = cleaned(path, "mp4").read_bytes()
    assert SPOT not in clean
    assert b"\xe1\x23\x45" not in clean


def test_the_brand_of_a_camera_goes(plain, folder):
    path = folder / "brand.mp4"
    path.write_bytes(plain.replace(b"iso2", b"NDSC", 1).replace(b"ftypisom", b"ftypXAVC", 1))
    assert ("device", "brand") in {(tag.kind, tag.name) for tag in handler_for("mp4").read(path)}
    clean = cleaned(path, "mp4").read_bytes()
    assert b"NDSC" not in clean
    assert b"XAVC" not in clean
    assert clean[8:12] in (b"isom", b"avc1")


@pytest.mark.parametrize("muxer", ["mp4", "matroska", "avi", "mpegts"])
def test_of_several_video_tracks_the_main_one_stays(muxer, folder):
    codec, options = ("mpeg4", {}) if muxer == "avi" else ("libx264", {"bf": "0", **QUIET})
    film = Film(muxer=muxer, codec=codec, options=options, sound=("mp2",), videos=2)
    path = make(folder / f"two views.{muxer}", film)
    assert ("picture", "video track 2") in {(t.kind, t.name) for t in handler_for(film.format).read(path)}
    clean = cleaned(path, film.format)
    with av.open(f"file:{clean}") as container:
        assert (len(container.streams.video), len(container.streams.audio)) == (1, 1)


# --- Matroska -----------------------------------------------------------------------------------------------------

MKV = Film(muxer="matroska", codec="libx264", options={"bf": "2", **QUIET}, sound=("aac",))
TAG = ebml.pack(
    0x1254C367, ebml.pack(0x7373, ebml.pack(0x67C8, ebml.pack(0x45A3, b"LOCATION"), ebml.pack(0x4487, SPOT)))
)
ATTACHED = ebml.pack(
    0x1941A469,
    ebml.pack(0x61A7, ebml.pack(0x466E, b"beat.jpg"), ebml.pack(0x4660, b"image/jpeg"), ebml.pack(0x465C, PHOTO)),
)
EDITION = ebml.pack(0x1043A770, ebml.pack(0x45B9, ebml.pack(0xB6, ebml.pack(0x80, ebml.pack(0x85, NAME)))))
STRANGE_BLOCK = ebml.pack(0x1F43B675, ebml.pack(0xE7, b"\0"), ebml.pack(0xA3, b"\x89\0\0\0" + SPOT))
IN_MKV = {
    "tag": (TAG, "location", "LOCATION", SPOT),
    "attachment": (ATTACHED, "picture", "attachment beat.jpg", PHOTO),
    "chapters": (EDITION, "text", "chapters", NAME),
    "void": (ebml.pack(0xEC, bytes(70000) + SPOT), "location", "padding", SPOT),
    "strange element": (ebml.pack(0x4FFF, SPOT), "location", "element 4FFF", SPOT),
    "second header": (ebml.pack(0x1549A966, ebml.pack(0x7BA9, NAME)), "unknown", "element 1549A966", NAME),
    "blocks of no track": (STRANGE_BLOCK, "location", "blocks of no track", SPOT),
    "index with words": (ebml.pack(0x1C53BB6B, ebml.pack(0x4FFE, SPOT)), "location", "element 4FFE", SPOT),
    "check sum that is none": (ebml.pack(0xBF, SPOT), "location", "element BF", SPOT),
}


def in_segment(film: bytes, planted: bytes) -> bytes:
    """An element appended to the segment, whose size has eight bytes."""
    at = film.index(b"\x18\x53\x80\x67") + 4
    size = int.from_bytes(film[at : at + 8], "big") & (1 << 56) - 1
    return film[:at] + ebml.pack_size(size + len(planted)) + film[at + 8 :] + planted


@pytest.mark.parametrize("name", IN_MKV)
def test_planted_in_matroska(name, folder):
    planted, kind, tag, secret = IN_MKV[name]
    path = folder / f"{name}.mkv"
    path.write_bytes(in_segment(make(folder / "plain.mkv", MKV).read_bytes(), planted))
    assert (kind, tag) in {(t.kind, t.name) for t in handler_for("matroska").read(path)}
    assert secret not in cleaned(path, "matroska").read_bytes()


def test_names_subtitles_and_chapters_of_matroska(folder):
    film = replace(
        MKV,
        metadata={"title": NAME.decode(), "LOCATION": SPOT.decode()},
        words="subrip",
        payload=b"GPS(" + SPOT + b")",
        chapters=(NAME.decode(),),
    )
    path = make(folder / "words.mkv", film)
    assert path.read_bytes().count(SPOT) >= 4
    tags = {(tag.kind, tag.name) for tag in handler_for("matroska").read(path)}
    wanted = {("text", "Title"), ("location", "LOCATION"), ("text", "S_TEXT/UTF8 track"), ("text", "chapters")}
    assert wanted <= tags
    clean = cleaned(path, "matroska").read_bytes()
    assert SPOT not in clean
    assert NAME not in clean


# --- AVI ----------------------------------------------------------------------------------------------------------

AVI = Film(muxer="avi", codec="mpeg4", sound=("libmp3lame",))
IN_AVI = {
    "padding": (riff.pack(b"JUNK", bytes(70000) + SPOT), "location", "padding", SPOT),
    "date": (riff.pack(b"IDIT", NAME), "time", "IDIT", NAME),
    "camera data": (riff.pack(b"strd", SPOT), "location", "strd", SPOT),
    "list": (riff.pack(b"LIST", b"INFO", riff.pack(b"ICMT", SPOT)), "location", "ICMT", SPOT),
    "XMP": (riff.pack(b"_PMX", b"<x GPSLatitude='26,50.8N'/>" + NAME), "location", "_PMX", NAME),
}


@pytest.mark.parametrize("name", IN_AVI)
def test_planted_in_avi(name, folder):
    planted, kind, tag, secret = IN_AVI[name]
    film = make(folder / "plain.avi", AVI).read_bytes()
    path = folder / f"{name}.avi"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(film) - 8 + len(planted)) + film[8:] + planted)
    assert (kind, tag) in {(t.kind, t.name) for t in handler_for("avi").read(path)}
    assert secret not in cleaned(path, "avi").read_bytes()


def test_names_and_strange_chunks_of_avi(folder):
    path = make(folder / "words.avi", replace(AVI, metadata={"title": NAME.decode(), "comment": SPOT.decode()}))
    film = path.read_bytes()
    at = film.index(b"movi") - 8
    chunk = riff.pack(b"07dc", SPOT)
    grown = bytearray(film[: at + 12] + chunk + film[at + 12 :] + PHOTO)  # of a stream that is not there
    for start in (0, at):
        struct.pack_into("<I", grown, start + 4, struct.unpack_from("<I", film, start + 4)[0] + len(chunk))
    path.write_bytes(grown)
    tags = {(tag.kind, tag.name) for tag in handler_for("avi").read(path)}
    assert {("text", "INAM"), ("location", "ICMT"), ("location", "07dc"), ("picture", "bytes after the end")} <= tags
    handler_for("avi").strip(path, folder / "words clean.avi")
    clean = (folder / "words clean.avi").read_bytes()
    assert handler_for("avi").read(folder / "words clean.avi") == []
    assert SPOT not in clean
    assert NAME not in clean


# --- MPEG-TS ------------------------------------------------------------------------------------------------------

TS = Film(muxer="mpegts", codec="libx264", options={"bf": "2", **QUIET}, sound=("mp2",))


def test_names_and_klv_of_a_transport_stream(folder):
    names = {"service_name": NAME.decode(), "service_provider": "beat"}
    path = make(folder / "klv.ts", replace(TS, metadata=names, data="klv", payload=b"\x06\x0e\x2b\x34" + SPOT))
    assert SPOT in path.read_bytes()
    tags = {(tag.kind, tag.name) for tag in handler_for("mpegts").read(path)}
    assert {("text", "service names"), ("location", "KLV or metadata stream")} <= tags
    clean = cleaned(path, "mpegts").read_bytes()
    assert SPOT not in clean
    assert NAME not in clean
    assert b"KLVA" not in clean


def ts_packet(pid: int, body: bytes, *, begins: bool = False, control: int = 0x10) -> bytes:
    return struct.pack(">BHB", 0x47, pid | (0x4000 if begins else 0), control) + body.ljust(184, b"\xff")


@pytest.mark.parametrize(
    ("packet", "kind", "tag"),
    [
        (ts_packet(0x1FFF, SPOT), "location", "data in null packets"),
        (ts_packet(0x321, SPOT), "unknown", "packets of no program"),
        (ts_packet(0x14, b"\0\x70\x70\x05" + SPOT, begins=True), "time", "date and time table"),
        (ts_packet(256, bytes((183, 2, len(SPOT))) + SPOT, control=0x20), "location", "private data of packets"),
    ],
)
def test_planted_in_a_transport_stream(packet, kind, tag, folder):
    path = folder / f"{tag}.ts"
    path.write_bytes(make(folder / "plain.ts", TS).read_bytes() + packet)
    assert (kind, tag) in {(t.kind, t.name) for t in handler_for("mpegts").read(path)}
    assert SPOT not in cleaned(path, "mpegts").read_bytes()


def test_private_data_and_stuffing_of_a_stream_packet(folder):
    """The header of the first packet of sound grows by 30 bytes: an extension with private data, then stuffing."""
    film = bytearray(make(folder / "plain.ts", TS).read_bytes())
    at = next(at for at in range(0, len(film), 188) if film[at + 1 : at + 3] == b"\x41\x01")
    start = film.index(b"\0\0\1\xc0", at)
    film[start + 7] |= 1
    film[start + 8] += 30
    shift = start + 9 + film[start + 8] - 30
    film[shift : shift + 30] = b"\x8e" + SPOT[:16] + NAME[:13]
    path = folder / "private.ts"
    path.write_bytes(film)
    assert ("unknown", "private data of a stream packet") in {
        (t.kind, t.name) for t in handler_for("mpegts").read(path)
    }
    clean = cleaned(path, "mpegts").read_bytes()
    assert SPOT[:16] not in clean
    assert NAME[:13] not in clean


def test_what_cannot_be_cleaned_is_refused_with_a_reason(folder):
    path = folder / "encrypted.mp4"
    path.write_bytes(make(folder / "plain.mp4", H264).read_bytes().replace(b"avc1", b"encv"))
    with pytest.raises(StripFailed, match="encrypted"):
        handler_for("mp4").strip(path, folder / "out.mp4")
    path.write_bytes((folder / "plain.mp4").read_bytes().replace(b"avc1", b"abcd"))
    with pytest.raises(StripFailed, match="not known"):
        handler_for("mp4").read(path)


def test_header_stripping_of_matroska(folder):
    """A file may leave away the bytes that every frame begins with; the cleaner must look at the frame with them."""
    film = Film(
        muxer="matroska",
        codec="mjpeg",
        pixel_format="yuvj420p",
        frames=3,
        wrap=after_soi(JPEG_NOTE + b"\xff\xfe\0\4hi"),
    )
    whole = make(folder / "whole frames.mkv", film)
    path = folder / "stripped frames.mkv"
    path.write_bytes(without_prefix(whole.read_bytes(), b"\xff\xd8"))
    assert seen(path, "matroska")["pictures"] == seen(whole, "matroska")["pictures"]
    assert ("device", "APP1 in a JPEG frame") in {(t.kind, t.name) for t in handler_for("matroska").read(path)}
    assert SPOT not in cleaned(path, "matroska").read_bytes()


def without_prefix(film: bytes, prefix: bytes) -> bytes:
    """Every element of the film again, with the prefix cut off each block and a note of it in the track."""
    coding = ebml.pack(
        0x6D80, ebml.pack(0x6240, ebml.pack(0x5034, ebml.pack(0x4254, b"\3"), ebml.pack(0x4255, prefix)))
    )

    def again(identity: int, body: bytes) -> bytes:
        if identity in (0x114D9B74, 0x1C53BB6B, 0xEC):
            return b""  # an index of what has moved
        if identity in (0xA3, 0xA1):
            assert body[4 : 4 + len(prefix)] == prefix
            return ebml.pack(identity, body[:4] + body[4 + len(prefix) :])
        if identity in (0x18538067, 0x1F43B675, 0x1654AE6B, 0xA0, 0xAE):
            more = coding if identity == 0xAE else b""
            return ebml.pack(identity, *(again(*kid) for kid in ebml.elements(body)), more)
        return ebml.pack(identity, body)

    return b"".join(again(*kid) for kid in ebml.elements(film))
