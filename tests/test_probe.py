"""What a file's own headers say: told by content, upright, exact; what is nothing we know is an error."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zlib
from fractions import Fraction

import numpy as np
import pillow_heif
import pytest
from clips import MATRICES, ORIENTATIONS, SIZE, Clip, Sound, make_clip, oriented, picture, remuxed
from films import as_m2ts
from PIL import Image

from media_screen.decode import open_video
from media_screen.errors import CorruptMedia, FileError, UnsupportedMedia
from media_screen.probe import FORMATS, probe, sniff

pillow_heif.register_heif_opener(thumbnails=False)

STILLS = {
    "JPEG": ("jpeg", ".jpg"),
    "PNG": ("png", ".png"),
    "WEBP": ("webp", ".webp"),
    "TIFF": ("tiff", ".tiff"),
    "BMP": ("bmp", ".bmp"),
    "GIF": ("gif", ".gif"),
    "HEIF": ("heif", ".heic"),
    "AVIF": ("avif", ".avif"),
}
FILMS = {
    "clip.mp4": (Clip(name="clip.mp4"), "mp4", "h264"),
    "clip.mov": (Clip(name="clip.mov", codec="mjpeg", pixel_format="yuvj422p"), "mp4", "mjpeg"),
    "clip.m4v": (Clip(name="clip.m4v", codec="libx265"), "mp4", "hevc"),
    "clip.3gp": (Clip(name="clip.3gp", codec="mpeg4"), "mp4", "mpeg4"),
    "clip.mkv": (Clip(name="clip.mkv", codec="libsvtav1"), "matroska", "av1"),
    "clip.webm": (Clip(name="clip.webm", codec="libvpx-vp9"), "matroska", "vp9"),
    "clip.avi": (Clip(name="clip.avi", codec="mpeg4", tick_s=Fraction(1, 25), times=range(9)), "avi", "mpeg4"),
    "clip.ts": (Clip(name="clip.ts"), "mpegts", "h264"),
}


def still(path, format_name, image=None, **options):
    (image or picture()).save(path, format_name, **options)
    return path


# --- what it is ---


@pytest.mark.parametrize("pillow_name", STILLS)
def test_a_still_is_told_by_its_content(tmp_path, pillow_name):
    name, suffix = STILLS[pillow_name]
    right = probe(still(tmp_path / f"a{suffix}", pillow_name))
    wrong = probe(still(tmp_path / "b.docx", pillow_name))
    for info in (right, wrong):
        assert (info.kind, info.format, info.media_type) == ("image", name, FORMATS[name][0])
        assert (info.width_px, info.height_px, info.frame_count, info.orientation) == (*SIZE, 1, 1)
        assert info.bit_depth == 8
    assert right.notes == ()
    assert wrong.notes == (f"the name ends in '.docx', the content is {FORMATS[name][0]}",)


@pytest.mark.parametrize("name", FILMS)
def test_a_film_is_told_by_its_content(tmp_path, name):
    clip, format_name, codec = FILMS[name]
    right = make_clip(tmp_path, clip)
    wrong = tmp_path / "b.jpg"
    wrong.write_bytes(right.read_bytes())
    for path in (right, wrong):
        info = probe(path)
        assert (info.kind, info.format, info.codec) == ("video", format_name, codec)
        assert (info.width_px, info.height_px, info.orientation) == (96, 64, 1)
        assert (info.pixel_format, info.bit_depth, info.audio_tracks) == (clip.pixel_format, 8, 0)
        assert info.duration_s == pytest.approx(len(clip.times) * (Fraction(1, 25)), abs=0.13)
        assert info.size_bytes == path.stat().st_size
        assert info.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(probe(wrong).notes) == 1


def test_a_transport_stream_with_time_codes_is_one(tmp_path):
    path = tmp_path / "00001.mts"
    path.write_bytes(as_m2ts(make_clip(tmp_path, Clip(name="clip.ts")).read_bytes()))
    assert (probe(path).format, probe(path).width_px, probe(path).notes) == ("mpegts", 96, ())


def test_one_table_names_every_format(tmp_path):
    known = {probe(still(tmp_path / "x", p)).format for p in STILLS}
    known |= {probe(make_clip(tmp_path, clip)).format for clip, _, _ in FILMS.values()}
    assert known == set(FORMATS)


NOTHING = {
    "text": b"The quick brown fox " * 20,
    "web page": b"<!DOCTYPE html><html><img src=a.jpg></html>",
    "PDF": b"%PDF-1.7\n" + bytes(300),
    "ZIP": b"PK\x03\x04" + bytes(300),
    "sound": b"RIFF\x24\0\0\0WAVEfmt " + bytes(300),
    "letter of the Board": b"BM" + b" is a company name. " * 20,
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "zeros": bytes(4096),
    "one G": b"\x47" + bytes(4096),
    "playlist": b"#EXTM3U\nhttp://example.org/a.ts\n",
}


@pytest.mark.parametrize("what", NOTHING)
def test_anything_else_is_an_error_whatever_its_name(tmp_path, what):
    path = tmp_path / "photo.jpg"
    path.write_bytes(NOTHING[what])
    assert sniff(NOTHING[what]) is None
    with pytest.raises(UnsupportedMedia, match="JPEG, PNG"):
        probe(path)


def test_what_cannot_be_read_says_so(tmp_path):
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(CorruptMedia, match="empty"):
        probe(tmp_path / "empty.jpg")
    with pytest.raises(FileError, match="No such file"):
        probe(tmp_path / "absent.jpg")
    with pytest.raises(UnsupportedMedia, match="regular"):
        probe(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(UnsupportedMedia, match="regular"):
        probe(tmp_path / "pipe.mp4")


def test_sound_alone_is_no_video(tmp_path):
    film = make_clip(tmp_path, Clip(sounds=(Sound(),)))
    import av

    sound = tmp_path / "sound.mp4"
    with av.open(str(film)) as source, av.open(str(sound), "w") as target:
        out = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.size:
                packet.stream = out
                target.mux(packet)
    with pytest.raises(UnsupportedMedia, match="no video track"):
        probe(sound)


def test_video_in_an_unknown_code_is_refused(tmp_path):
    path = make_clip(tmp_path, Clip(name="a.mov"))
    path.write_bytes(path.read_bytes().replace(b"avc1", b"abcd"))
    with pytest.raises(UnsupportedMedia, match="unknown code"):
        probe(path)


# --- how it is turned ---


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("pillow_name", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF"])
def test_a_turned_still_is_measured_upright(tmp_path, pillow_name, orientation):
    info = probe(still(tmp_path / "a", pillow_name, exif=oriented(orientation)))
    assert (info.width_px, info.height_px) == (SIZE if orientation <= 4 else SIZE[::-1])
    turned_by_reader = pillow_name in ("HEIF", "TIFF")
    assert info.orientation == (1 if turned_by_reader else orientation)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mov"])
def test_a_turned_film_is_measured_upright(tmp_path, name, orientation):
    assert len(MATRICES) == 8
    info = probe(make_clip(tmp_path, Clip(name=name, orientation=orientation, times=(0, 3))))
    assert info.orientation == orientation
    assert (info.width_px, info.height_px) == ((96, 64) if orientation <= 4 else (64, 96))


def test_a_film_turned_askew_is_refused(tmp_path):
    path = make_clip(tmp_path, Clip(orientation=6, times=(0, 3)))
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version 0: the matrix follows 40 bytes of other fields
    struct.pack_into(">2i", data, at, 46341, 46341)  # an eighth of a turn: cos and sin in 16.16
    struct.pack_into(">2i", data, at + 12, -46341, 46341)
    path.write_bytes(data)
    with pytest.raises(UnsupportedMedia, match="90 degrees"):
        probe(path)


def test_an_orientation_in_xmp_alone_turns_nothing(tmp_path):
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    xmp += b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    path = still(tmp_path / "a.jpg", "JPEG", xmp=xmp)
    with Image.open(path) as image:
        assert image.getexif().get(0x0112) == 6  # Pillow would turn it
    assert (probe(path).orientation, probe(path).width_px) == (1, SIZE[0])


@pytest.mark.parametrize("block", [b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0", oriented(6)[:14], oriented(77)])
def test_an_exif_block_that_says_nothing_turns_nothing(tmp_path, block):
    assert probe(still(tmp_path / "a.jpg", "JPEG", exif=block)).orientation == 1


# --- what it holds ---


def deep_png() -> bytes:
    """A PNG of 16 bits a sample in colour, which Pillow reads as 8 without a word."""
    rows = b"".join(b"\0" + (np.arange(9, dtype=">u2") * 7001 + y).tobytes() for y in range(4))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 3, 4, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_the_depth_of_stills_is_that_of_the_file(tmp_path):
    (tmp_path / "deep.png").write_bytes(deep_png())
    assert probe(tmp_path / "deep.png").bit_depth == 16
    assert probe(still(tmp_path / "grey.png", "PNG", picture("I;16"))).bit_depth == 16
    assert probe(still(tmp_path / "grey.tif", "TIFF", picture("I;16"))).bit_depth == 16
    assert probe(still(tmp_path / "fax.png", "PNG", picture("1"))).bit_depth == 1
    ten = pillow_heif.from_bytes("RGB;16", SIZE, np.full((*SIZE[::-1], 3), 40_000, "<u2").tobytes())
    ten.save(tmp_path / "ten.heic")
    assert probe(tmp_path / "ten.heic").bit_depth == 10


@pytest.mark.parametrize(
    ("clip", "depth"),
    [
        (Clip(pixel_format="yuv420p10le", times=(0, 3)), 10),
        (Clip(codec="libx265", pixel_format="yuv422p12le"), 12),
        (Clip(pixel_format="yuvj420p", times=(0, 3)), 8),
    ],
)
def test_the_depth_of_films_is_that_of_their_samples(tmp_path, clip, depth):
    info = probe(make_clip(tmp_path, clip))
    assert (info.bit_depth, info.pixel_format) == (depth, clip.pixel_format)


def test_tracks_frames_and_the_shape_of_pixels_are_told(tmp_path):
    sounds = (Sound(language="eng"), Sound(language="hin", codec="pcm_s16le"))
    path = make_clip(tmp_path, Clip(name="two.mov", sounds=sounds, aspect=Fraction(4, 3)))
    info = probe(path)
    assert (info.audio_tracks, info.frame_count, info.pixel_aspect) == (2, 20, Fraction(4, 3))
    assert (info.width_px, info.height_px) == (96, 64)  # of stored pixels: boxes count those


def test_a_second_picture_in_a_jpeg_is_not_a_second_frame(tmp_path):
    path = tmp_path / "a.jpg"
    picture().save(path, "MPO", save_all=True, append_images=[picture(size=(40, 30))])
    with Image.open(path) as image:
        assert image.n_frames == 2
    info = probe(path)
    assert (info.format, info.frame_count, info.width_px, info.notes) == ("jpeg", 1, SIZE[0], ())


def test_of_a_heic_with_several_pictures_the_primary_counts(tmp_path):
    path = tmp_path / "a.heic"
    picture(size=(40, 30)).save(path, "HEIF", save_all=True, append_images=[picture()], primary_index=1)
    assert (probe(path).width_px, probe(path).height_px, probe(path).frame_count) == (*SIZE, 1)


def test_pages_and_frames_are_counted(tmp_path):
    pages = [picture(index=n) for n in range(4)]
    for name in ("GIF", "TIFF", "PNG", "WEBP"):
        assert probe(still(tmp_path / name, name, pages[0], save_all=True, append_images=pages[1:])).frame_count == 4


def test_a_raw_negative_is_refused_by_name(tmp_path):
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    tags = ImageFileDirectory_v2()
    tags[50706] = b"\x01\x04\0\0"
    with pytest.raises(UnsupportedMedia, match="DNG"):
        probe(still(tmp_path / "a.tif", "TIFF", tiffinfo=tags))


# --- what is broken, or made to exhaust ---


def test_a_tiny_file_of_huge_stated_size_is_measured_not_decoded(tmp_path):
    head = struct.pack(">IIBBBBB", 60_000, 50_000, 8, 2, 0, 0, 0)
    body = b"IHDR" + head
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body)) + bytes(4) + b"IDAT"
    (tmp_path / "bomb.png").write_bytes(png + bytes(8))
    (tmp_path / "bomb.gif").write_bytes(b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b";")
    bmp = io.BytesIO()
    picture().save(bmp, "BMP")
    huge = bytearray(bmp.getvalue())
    struct.pack_into("<ii", huge, 18, 50_000, 40_000)
    (tmp_path / "bomb.bmp").write_bytes(huge)
    assert probe(tmp_path / "bomb.png").width_px == 60_000
    assert probe(tmp_path / "bomb.bmp").height_px == 40_000
    with pytest.raises(FileError):
        probe(tmp_path / "bomb.gif")


def test_a_film_of_huge_stated_size_is_an_error(tmp_path):
    path = make_clip(tmp_path, Clip(name="a.avi", codec="rawvideo", tick_s=Fraction(1, 25), times=range(2)))
    data = bytearray(path.read_bytes())
    struct.pack_into("<ii", data, data.index(b"strf") + 12, 30_000, 20_000)  # BITMAPINFOHEADER: width, height
    path.write_bytes(data)
    with pytest.raises(CorruptMedia):
        probe(path)


@pytest.mark.parametrize("kept", [24, 60, 120, 300])
@pytest.mark.parametrize("name", [*STILLS, *FILMS])
def test_cut_headers_are_an_error_of_this_file_alone(tmp_path, name, kept):
    whole = make_clip(tmp_path, FILMS[name][0]) if name in FILMS else still(tmp_path / "whole", name)
    path = tmp_path / "cut"
    path.write_bytes(whole.read_bytes()[:kept])
    try:
        info = probe(path)
    except FileError:
        return
    assert name in STILLS  # a still's size stands early; a film whose frames are not there is no film
    assert (info.width_px, info.height_px) == SIZE


def test_a_film_of_which_no_frame_decodes_is_an_error(tmp_path):
    path = make_clip(tmp_path, Clip(times=(0, 3, 6)))
    data = bytearray(path.read_bytes())
    at = data.index(b"mdat")
    size = struct.unpack_from(">I", data, at - 4)[0]
    data[at + 4 : at - 4 + size] = bytes(size - 8)
    path.write_bytes(data)
    with pytest.raises(CorruptMedia):
        probe(path)


def test_the_main_track_is_the_first_that_is_no_cover(tmp_path):
    small = make_clip(
        tmp_path, Clip(name="small.mkv", size=(48, 32), codec="mjpeg", pixel_format="yuvj420p", times=(0,))
    )
    film = make_clip(tmp_path, Clip(name="film.mp4"))
    plain = remuxed(small, tmp_path / "plain.mp4", "mp4", more=[film])
    covered = cover_first(remuxed(small, tmp_path / "covered.mp4", "mp4", more=[film], cover=True))
    with open_video(covered, "mp4") as container:
        assert [s.codec_context.name for s in container.streams.video] == ["mjpeg", "h264"]
    assert (probe(plain).codec, probe(plain).width_px) == ("mjpeg", 48)
    assert (probe(covered).codec, probe(covered).width_px) == ("h264", 96)


def cover_first(path):
    """The cover's box moved before the tracks, so that demuxers count it first."""
    data = path.read_bytes()
    start = data.index(b"moov") - 4
    end = start + struct.unpack_from(">I", data, start)[0]
    boxes, at = [], start + 8
    while at < end:
        size = struct.unpack_from(">I", data, at)[0]
        boxes.append(data[at : at + size])
        at += size
    boxes.sort(key=lambda box: box[4:8] != b"udta")
    path.write_bytes(data[: start + 8] + b"".join(boxes) + data[end:])
    return path
