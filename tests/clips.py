"""A few words -> small films and pictures on disk, and every frame, time and packet of sound in them."""

from __future__ import annotations

import itertools
import os
import struct
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from PIL import Image

from media_screen.decode import Clock, display_matrix, main_video, open_video, plane_array
from media_screen.probe import probe
from media_screen.write.encoders import ordinary_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from media_screen.types import MediaInfo

SHARED = Path(__file__).parent.parent.parent / "shared"
SOUND_HZ = 48_000
ORIENTATIONS = range(1, 9)  # EXIF 2.32: tag 0x0112
# display matrices (ISO/IEC 14496-12, 6.2.2) that show a stored picture as the EXIF orientation of the same number
MATRICES = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}
MUXERS = {
    ".mp4": "mp4",
    ".mov": "mov",
    ".m4v": "mp4",
    ".3gp": "3gp",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
}
FINE = {"qmin": "2", "qmax": "3"}
OPTIONS = {
    "mpeg4": FINE,
    "mpeg2video": FINE,
    "mjpeg": FINE,
    "libx264": {"x264-params": "log-level=none"},
    "libx265": {"x265-params": "log-level=none:pools=none:frame-threads=1"},
    "libsvtav1": {"preset": "9", "crf": "20"},
}


@dataclass(frozen=True, kw_only=True)
class Sound:
    """One audio track."""

    codec: str = "aac"
    language: str = ""
    start: int = 0  # in samples
    hz: float = 440.0
    length_s: Fraction = Fraction(1)


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One film. `times` are presentation times in `tick_s`, one a frame."""

    name: str = "clip.mp4"
    muxer: str = ""
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    size: tuple[int, int] = (96, 64)
    times: Sequence[int] = tuple(range(0, 60, 3))
    tick_s: Fraction = Fraction(1, 75)
    options: dict[str, str] = field(default_factory=dict)
    muxer_options: dict[str, str] = field(default_factory=dict)
    sounds: tuple[Sound, ...] = ()
    orientation: int = 1
    aspect: Fraction | None = None
    colour: dict[str, int] = field(default_factory=dict)  # attributes of the codec context
    scene: Callable[[int, tuple[int, int]], NDArray[np.uint8]] | None = None


VARIABLE = (0, 1, 5, 6, 7, 20, 21, 30, 44, 45, 46, 60, 61, 63, 70, 71)  # no two neighbouring steps of a kind


os.environ["SVT_LOG"] = "1"  # its library prints by itself


def scene(index: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """RGB (h, w, 3), lopsided in x, y and colour; where its bright block stands tells the index."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    u, v = x / max(width - 1, 1), y / max(height - 1, 1)
    texture = 24 * np.sin(x * 0.9) * np.cos(y * 0.7)
    rgb = np.stack([40 + 150 * u + texture, 50 + 160 * v, 180 - 120 * u * v + texture], axis=-1)
    across, down = max(width // 8, 1), max(height // 6, 1)
    left, top = (index * 5) % max(width - across, 1), (index * 3) % max(height - down, 1)
    rgb[top : top + down, left : left + across] = (235, 60, 20 + 20 * (index % 10))
    return np.clip(rgb, 0, 255).astype(np.uint8)


@ordinary_threads()
def make_clip(folder: Path, clip: Clip) -> Path:
    """Encoded and muxed, packets in order of decoding time."""
    path = folder / clip.name
    muxer = clip.muxer or MUXERS.get(path.suffix, "mpegts")
    with av.open(str(path), "w", format=muxer, container_options=clip.muxer_options) as container:
        video = _video_stream(container, clip)
        sounds = [_sound_stream(container, sound) for sound in clip.sounds]
        packets = _video_packets(video, clip)
        for stream, sound in zip(sounds, clip.sounds, strict=True):
            packets += _sound_packets(stream, sound)
        container.start_encoding()
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def _video_stream(container: Any, clip: Clip) -> Any:
    options = OPTIONS.get(clip.codec, {}) | clip.options
    steps = sorted(b - a for a, b in itertools.pairwise(clip.times)) or [3]
    stream = container.add_stream(clip.codec, rate=1 / (clip.tick_s * steps[len(steps) // 2]), options=options)
    context = stream.codec_context
    context.width, context.height = clip.size
    context.pix_fmt = clip.pixel_format
    context.thread_count = 1
    context.time_base = stream.time_base = clip.tick_s
    if clip.aspect:
        context.sample_aspect_ratio = clip.aspect
    for name, value in clip.colour.items():
        setattr(context, name, value)
    if clip.orientation != 1:
        a, b, c, d = (n << 16 for n in MATRICES[clip.orientation])
        stream.set_display_matrix((a, b, 0, c, d, 0, 0, 0, 1 << 30))
    return stream


def _video_packets(stream: Any, clip: Clip) -> list[Any]:
    packets = []
    for index, time in enumerate(clip.times):
        frame = av.VideoFrame.from_ndarray((clip.scene or scene)(index, clip.size), format="rgb24")
        frame = frame.reformat(format=clip.pixel_format)
        frame.pts, frame.time_base = time, clip.tick_s
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _sound_stream(container: Any, sound: Sound) -> Any:
    stream = container.add_stream(sound.codec, rate=SOUND_HZ)
    if sound.language:
        stream.metadata["language"] = sound.language
    return stream


def _sound_packets(stream: Any, sound: Sound) -> list[Any]:
    context = stream.codec_context
    context.open()
    packets, size = [], context.frame_size or 1024
    for start in range(0, int(sound.length_s * SOUND_HZ), size):
        wave = 0.4 * np.sin(np.arange(start, start + size) * (sound.hz * 2 * np.pi / SOUND_HZ))
        samples = (wave * 32767).astype(np.int16)[None].repeat(context.layout.nb_channels, axis=0)
        frame = av.AudioFrame.from_ndarray(samples, format="s16p", layout=context.layout.name)
        frame.sample_rate, frame.time_base, frame.pts = SOUND_HZ, Fraction(1, SOUND_HZ), sound.start + start
        packets += stream.encode(frame)
    return packets + stream.encode(None)


# --- what is in a film --------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One packet of sound: when, in exact seconds since the file's zero, and what."""

    pts_s: Fraction
    dts_s: Fraction
    duration_s: Fraction
    payload: bytes


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Everything shown and heard."""

    info: MediaInfo
    times_s: tuple[Fraction, ...]  # on the file's own clock
    planes: tuple[tuple[NDArray[Any], ...], ...]  # of each frame, as stored
    pixel_format: str
    sounds: tuple[tuple[Heard, ...], ...]
    languages: tuple[str | None, ...]
    colour: tuple[int, int, int, int]  # range, primaries, transfer, matrix
    matrix: tuple[int, ...] | None
    keyframes: int
    side: frozenset[str]

    @property
    def since_first_s(self) -> list[Fraction]:
        return [t - self.times_s[0] for t in self.times_s]


def see(path: Path) -> Seen:
    """Decodes it all, packet by packet."""
    info = probe(path)
    with open_video(path, info.format) as container:
        stream = main_video(container)
        tracks = {s.index: n for n, s in enumerate(container.streams.audio)}
        sounds: list[list[Heard]] = [[] for _ in tracks]
        natives = []
        clock = Clock(stream, info.format)
        times = []
        for packet in container.demux([stream, *container.streams.audio]):
            if packet.stream.index == stream.index:
                for native in packet.decode():
                    times.append(clock.pts_of(native) * stream.time_base)
                    natives.append(native)
            elif packet.size:
                sounds[tracks[packet.stream.index]].append(_heard(packet))
        context = stream.codec_context
        return Seen(
            info=info,
            times_s=tuple(times),
            planes=tuple(planes_of(native) for native in natives),
            pixel_format=context.pix_fmt,
            sounds=tuple(tuple(s) for s in sounds),
            languages=tuple(s.language for s in container.streams.audio),
            colour=tuple(
                int(v) for v in (context.color_range, context.color_primaries, context.color_trc, context.colorspace)
            ),
            matrix=display_matrix(natives[0]) if natives else None,
            keyframes=sum(native.key_frame for native in natives),
            side=frozenset(side.type.name for side in natives[0].side_data),
        )


def _heard(packet: Any) -> Heard:
    tick = packet.time_base
    return Heard(
        pts_s=packet.pts * tick,
        dts_s=packet.dts * tick,
        duration_s=(packet.duration or 0) * tick,
        payload=bytes(packet),
    )


def planes_of(native: Any) -> tuple[NDArray[Any], ...]:
    """A copy of each plane (h, w) as stored."""
    counts = [sum(c.plane == n for c in native.format.components) for n in range(len(native.planes))]
    bits = native.format.components[0].bits
    return tuple(plane_array(p, bits, n).copy() for p, n in zip(native.planes, counts, strict=True))


def psnr(a: NDArray[Any], b: NDArray[Any], top: int = 255) -> float:
    """Peak signal to noise in dB."""
    error = float(((a.astype(np.float64) - b.astype(np.float64)) ** 2).mean())
    return 99.0 if error == 0 else float(10 * np.log10(top**2 / error))


# --- films that no muxer makes ------------------------------------------------------------------------------------


def edit_list(path: Path, *, skip: int, show: int) -> Path:
    """The film trimmed as phones do it: the samples stay, the edit list says from which media tick on, how long.

    `skip` counts ticks of the media, `show` thousandths of a second (ISO/IEC 14496-12, 8.6.6).
    """
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 12
    duration, start = struct.unpack_from(">Ii", data, at)
    struct.pack_into(">Ii", data, at, min(show, duration), start + skip)
    path.write_bytes(data)
    return path


def remuxed(
    source: Path,
    target: Path,
    muxer: str,
    *,
    more: Sequence[Path] = (),
    cover: bool = False,
    default_sound: int | None = None,
) -> Path:
    """Streams copied into another container, then those of `more`; `cover`: the first is an attached picture."""
    with av.open(str(target), "w", format=muxer) as out:
        packets = []
        for path in (source, *more):
            with av.open(str(path)) as container:
                outs = {s.index: out.add_stream_from_template(s) for s in container.streams}
                for packet in container.demux():
                    if packet.size:
                        packets.append(((packet.dts or 0) * packet.time_base, packet))
                        packet.stream = outs[packet.stream.index]
        if cover:
            out.streams.video[0].disposition = av.stream.Disposition.attached_pic
        if default_sound is not None:
            for n, sound in enumerate(out.streams.audio):
                sound.disposition = av.stream.Disposition.default if n == default_sound else 0
        for _, packet in sorted(packets, key=lambda item: item[0]):
            out.mux(packet)
    return target


def speech(path: Path, *, frames: int = 50) -> Path:
    """An AMR file of silence: 12.2 kbit/s frames of 32 bytes, 20 ms each (RFC 4867, 5)."""
    path.write_bytes(b"#!AMR\n" + (b"\x3c" + bytes(range(31))) * frames)
    return path


# --- pictures -----------------------------------------------------------------------------------------------------

SIZE = (101, 57)


def picture(mode: str = "RGB", size: tuple[int, int] = SIZE, index: int = 0) -> Image.Image:
    """A lopsided picture in one of Pillow's modes; one with alpha is clear in its top left corner."""
    image = Image.fromarray(scene(index, size))
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    if mode in ("RGBA", "LA"):
        alpha = np.full(size[::-1], 255, np.uint8)
        alpha[: size[1] // 3, : size[0] // 4 + index] = 0
        image = image.convert(mode[:-1]).convert(mode)
        image.putalpha(Image.fromarray(alpha))
        return image
    return image.quantize(64) if mode == "P" else image.convert(mode)


def oriented(orientation: int) -> bytes:
    """An EXIF block that says so."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def shown(stored: NDArray[Any], orientation: int) -> NDArray[Any]:
    """How EXIF (tag 0x0112) has a stored picture shown, said in turns and mirrors."""
    mirrored = stored[:, ::-1]
    return {
        1: stored,
        2: mirrored,
        3: np.rot90(stored, 2),
        4: stored[::-1],
        5: np.rot90(mirrored, 1),
        6: np.rot90(stored, -1),
        7: np.rot90(mirrored, -1),
        8: np.rot90(stored, 1),
    }[orientation]
