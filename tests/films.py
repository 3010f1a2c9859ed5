"""A few words -> small films on disk, and what a player sees and hears in them. For tests of the metadata room."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from media_screen.decode import DEMUXERS, main_video, plane_array
from media_screen.metadata import handler_for
from media_screen.write.encoders import ordinary_threads

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FORMATS = {
    "mp4": "mp4",
    "mov": "mp4",
    "3gp": "mp4",
    "ismv": "mp4",
    "matroska": "matroska",
    "webm": "matroska",
    "avi": "avi",
    "mpegts": "mpegts",
}
TURNED = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)  # a display matrix: a quarter turn
RATE = 25
QUIET, QUIET_265 = {"x264-params": "log-level=none"}, {"x265-params": "log-level=none"}
B_FRAMES = {"bf": "2", **QUIET}
# side data that may go with the metadata
MAY_GO = {"SEI_UNREGISTERED", "S12M_TIMECODE", "GOP_TIMECODE", "A53_CC", "ENCODING_PARAMS"}

SPOT = b"+26.8467+080.9462/"
NAME = b"Gomti Nagar beat 7"
PHOTO = b"\xff\xd8\xff\xe1\0\x1aExif\0\0II*\0" + SPOT + b"\xff\xd9"
JPEG_NOTE = b"\xff\xe1" + struct.pack(">H", 8 + len(SPOT)) + b"Exif\0\0" + SPOT


@dataclass(frozen=True, kw_only=True)
class Film:
    """What to make. `wrap` changes each video packet before it is muxed; `extra` adds packets of other streams."""

    muxer: str
    codec: str
    pixel_format: str = "yuv420p"
    sound: tuple[str, ...] = ()
    frames: int = 12
    size: tuple[int, int] = (96, 64)
    options: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    matrix: tuple[int, ...] | None = None
    aspect: Fraction | None = None
    colour: tuple[int, int, int] | None = None  # primaries, transfer, matrix
    times: Callable[[int], int] = lambda index: index * 3  # in units of 1/75 s
    sound_from: int = 0  # in samples
    languages: tuple[str, ...] = ()
    videos: int = 1
    wrap: Callable[[bytes], bytes] | None = None
    words: str = ""  # codec of a subtitle stream
    data: str = ""  # codec of a data stream
    payload: bytes = b""  # of that stream's packets
    chapters: tuple[str, ...] = ()

    @property
    def format(self) -> str:
        return FORMATS[self.muxer]


H264 = Film(muxer="mp4", codec="libx264", options=B_FRAMES, sound=("aac",))


def picture(index: int, size: tuple[int, int]) -> Any:
    """Lopsided in x, y, colour and time."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.stack([x * 2, y * 3, (x + y) // 2], axis=-1).astype(np.uint8)
    rgb[5 + index : 17 + index, 3 * index : 3 * index + 20] = (250, 40, 10 * index % 250)
    return av.VideoFrame.from_ndarray(rgb, format="rgb24")


@ordinary_threads()
def make(path: Path, film: Film) -> Path:
    """Encodes and muxes it."""
    with av.open(str(path), "w", format=film.muxer, container_options=film.container_options) as container:
        container.metadata.update(film.metadata)
        videos = [_video_stream(container, film) for _ in range(film.videos)]
        sounds = [container.add_stream(codec, rate=48000) for codec in film.sound]
        for stream, language in zip(sounds, film.languages, strict=False):
            stream.metadata["language"] = language
        others = [container.add_mux_stream(film.words)] if film.words else []
        others += [container.add_data_stream(film.data)] if film.data else []
        if film.chapters:
            container.set_chapters(
                [
                    {
                        "id": n,
                        "start": n * 100,
                        "end": n * 100 + 100,
                        "time_base": Fraction(1, 1000),
                        "metadata": {"title": title},
                    }
                    for n, title in enumerate(film.chapters)
                ]
            )
        packets = [packet for number, stream in enumerate(videos) for packet in _pictures(stream, film, number)]
        packets += [packet for number, stream in enumerate(sounds) for packet in _sound(stream, film, number)]
        container.start_encoding()
        packets += [packet for stream in others for packet in _others(stream, film)]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def _video_stream(container: Any, film: Film) -> Any:
    stream = container.add_stream(film.codec, rate=RATE, options=dict(film.options))
    context = stream.codec_context
    context.width, context.height = film.size
    context.pix_fmt = film.pixel_format
    context.thread_count = 1
    if film.muxer != "avi":
        context.time_base = stream.time_base = Fraction(1, 75)
    if film.aspect:
        context.sample_aspect_ratio = film.aspect
    if film.colour:
        context.color_primaries, context.color_trc, context.colorspace = film.colour
    if film.matrix:
        stream.set_display_matrix(film.matrix)
    return stream


def _pictures(stream: Any, film: Film, number: int) -> list[Any]:
    packets = []
    for index in range(film.frames):
        frame = picture(index + 5 * number, film.size).reformat(format=film.pixel_format)
        frame.pts = index if film.muxer == "avi" else film.times(index)
        frame.time_base = Fraction(1, RATE if film.muxer == "avi" else 75)
        packets += stream.encode(frame)
    packets += stream.encode(None)
    return [_wrapped(packet, film.wrap) for packet in packets] if film.wrap else packets


def _wrapped(packet: Any, wrap: Callable[[bytes], bytes]) -> Any:
    new = av.Packet(wrap(bytes(packet)))
    new.pts, new.dts, new.time_base, new.stream = packet.pts, packet.dts, packet.time_base, packet.stream
    new.duration, new.is_keyframe = packet.duration, packet.is_keyframe
    return new


def _sound(stream: Any, film: Film, number: int) -> list[Any]:
    packets: list[Any] = []
    context = stream.codec_context
    context.open()
    size = context.frame_size or 1024
    wave = np.sin(np.arange(48000) * (0.03 + 0.02 * number)) * 0.4
    for start in range(0, film.frames * 48000 // RATE, size):
        part = wave[start : start + size]
        samples = (part * 32767).astype(np.int16)[None, :]
        channels = context.layout.nb_channels
        frame = av.AudioFrame.from_ndarray(
            np.repeat(samples, channels, axis=0), format="s16p", layout=context.layout.name
        )
        frame.sample_rate, frame.time_base, frame.pts = 48000, Fraction(1, 48000), film.sound_from + start
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _others(stream: Any, film: Film) -> list[Any]:
    packets = []
    for index in range(3):
        packet = av.Packet(film.payload)
        packet.stream, packet.time_base = stream, Fraction(1, 90000)
        packet.pts = packet.dts = 9000 * index
        packet.duration, packet.is_keyframe = 4500, True
        packets.append(packet)
    return packets


def seen(path: Path, format_name: str) -> dict[str, Any]:
    """All that must stay: every picture and its time, every packet of sound, shape, colour, turn, languages."""
    with av.open(f"file:{path}", format=DEMUXERS[format_name], metadata_errors="ignore") as container:
        video = main_video(container)
        context = video.codec_context
        sound = {stream.index: (number, stream) for number, stream in enumerate(container.streams.audio)}
        heard = [hashlib.sha256() for _ in sound]
        pictures: list[Any] = []
        order: list[Any] = []
        for packet in container.demux([video, *container.streams.audio]):
            if packet.stream.index == video.index:
                order += [(packet.pts, packet.dts, packet.is_keyframe)] if packet.size else []
                pictures += [_picture_facts(frame) for frame in packet.decode()]
            elif packet.size:
                number = sound[packet.stream.index][0]
                heard[number].update(repr((packet.pts, packet.dts, packet.duration)).encode() + bytes(packet))
        return {
            "pictures": pictures,
            "order": order,
            "heard": [digest.hexdigest() for digest in heard],
            "video": (context.name, context.width, context.height, context.pix_fmt, context.profile, video.time_base),
            "shape": (video.sample_aspect_ratio, video.average_rate, video.start_time, video.duration),
            "colour": (context.color_range, context.color_primaries, context.color_trc, context.colorspace),
            "sound": [
                (s.codec_context.name, s.rate, s.layout.name, s.time_base, s.start_time, s.duration, s.language)
                for _, s in sound.values()
            ],
        }


def _picture_facts(frame: Any) -> tuple[Any, ...]:
    samples = [frame.format.components[0].bits, *[sum(c.plane == n for c in frame.format.components) for n in range(4)]]
    planes = [plane_array(plane, samples[0], samples[n]) for n, plane in enumerate(frame.planes, 1)]
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(plane).tobytes() for plane in planes)).hexdigest()
    side = tuple(sorted((s.type.name, bytes(s)) for s in frame.side_data if s.type.name not in MAY_GO))
    return frame.pts, frame.time_base, frame.format.name, frame.width, frame.height, digest, side


def cleaned(path: Path, format_name: str) -> Path:
    """The stripped file, after all that is true of every stripped file was found true."""
    handler = handler_for(format_name)
    target, again = path.with_name(f"clean {path.name}"), path.with_name(f"twice {path.name}")
    handler.strip(path, target)
    assert handler.read(target) == []
    handler.strip(target, again)
    assert again.read_bytes() == target.read_bytes()
    assert seen(target, format_name) == seen(path, format_name)
    return target


# --- boxes planted by hand ----------------------------------------------------------------------------------------


def box(kind: bytes, *parts: bytes) -> bytes:
    """An ISO base media box."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def find(film: bytes, *path: bytes) -> tuple[int, int]:
    """Where the first box of this path begins and ends."""
    start, end = 0, len(film)
    for kind in path:
        while film[start + 4 : start + 8] != kind:
            start += _length(film, start, end)
            assert start < end, f"no box {kind!r}"
        end = start + _length(film, start, end)
        begins, start = start, start + 8
    return begins, end


def _length(film: bytes, start: int, end: int) -> int:
    (length,) = struct.unpack_from(">I", film, start)
    if length == 1:
        return int(struct.unpack_from(">Q", film, start + 8)[0])
    return int(length) or end - start


def into(film: bytes, path: tuple[bytes, ...], planted: bytes) -> bytes:
    """A box appended inside a box of a film whose header stands at the end, so that no sample moves."""
    assert find(film, b"moov")[0] > find(film, b"mdat")[0]
    grown = bytearray(film)
    for depth in range(1, len(path) + 1):
        start, _ = find(film, *path[:depth])
        struct.pack_into(">I", grown, start, struct.unpack_from(">I", film, start)[0] + len(planted))
    end = find(film, *path)[1]
    return bytes(grown[:end] + planted + grown[end:])


def track(handler: bytes, entry: bytes, offset: int, samples: list[int], *, number: int = 9) -> bytes:
    """A trak box of samples that lie one after the other at `offset`."""
    count = len(samples)
    head = struct.pack(">IIIIIIQHHHH9III", 7, 0, 0, number, 0, count * 40, 0, 0, 0, 0, 0, *([0] * 9), 0, 0)
    tables = (
        box(b"stsd", struct.pack(">II", 0, 1), box(entry, bytes(7), b"\1")),
        box(b"stts", struct.pack(">IIII", 0, 1, count, 40)),
        box(b"stsc", struct.pack(">IIIII", 0, 1, 1, count, 1)),
        box(b"stsz", struct.pack(f">III{count}I", 0, 0, count, *samples)),
        box(b"stco", struct.pack(">III", 0, 1, offset)),
    )
    reference = box(b"dref", struct.pack(">II", 0, 1), box(b"url ", b"\0\0\0\1"))
    information = box(b"minf", box(b"nmhd", bytes(4)), box(b"dinf", reference), box(b"stbl", *tables))
    media = box(
        b"mdia",
        box(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, 1000, count * 40, 0x55C4, 0)),
        box(b"hdlr", bytes(8), handler, bytes(12), b"\0"),
        information,
    )
    return box(b"trak", box(b"tkhd", head), media)


# --- units planted in packets -------------------------------------------------------------------------------------


def escaped(payload: bytes) -> bytes:
    """Emulation prevention (H.264, 7.4.1)."""
    out = bytearray()
    for byte in payload:
        if out[-2:] == b"\0\0" and byte <= 3:
            out.append(3)
        out.append(byte)
    return bytes(out)


def sei(codec: str, kind: int, payload: bytes) -> bytes:
    """An SEI unit after a start code."""
    size = b"\xff" * (len(payload) // 255) + bytes((len(payload) % 255,))
    head = b"\x06" if codec == "h264" else b"\x4e\x01"
    return b"\0\0\0\1" + head + escaped(bytes((kind,)) + size + payload + b"\x80")


def before_slices(codec: str, unit: bytes) -> Callable[[bytes], bytes]:
    """Puts a unit in front of each packet's units, but behind an access unit delimiter."""
    delimiter = b"\0\0\0\1\x09" if codec == "h264" else b"\0\0\0\1\x46"

    def wrap(packet: bytes) -> bytes:
        at = (
            packet.index(b"\0\0\1", 4) - (packet[packet.index(b"\0\0\1", 4) - 1] == 0)
            if packet.startswith(delimiter)
            else 0
        )
        return packet[:at] + unit + packet[at:]

    return wrap


def as_m2ts(stream: bytes) -> bytes:
    """A transport stream with four bytes of arrival time before each packet."""
    return b"".join(struct.pack(">I", 1000 + 30 * at) + stream[at : at + 188] for at in range(0, len(stream), 188))


def after_soi(segment: bytes) -> Callable[[bytes], bytes]:
    """Puts a segment after the start of each JPEG picture."""
    return lambda packet: packet[:2] + segment + packet[2:]
