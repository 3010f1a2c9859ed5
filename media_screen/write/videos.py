"""A video + paint -> the same video painted and encoded anew, every frame at its time, every audio track as it was."""

from __future__ import annotations

import re
from collections import deque
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from media_screen.decode import (
    Clock,
    VideoShot,
    decoded,
    display_matrix,
    first_frame,
    main_video,
    open_video,
    packets_of,
    plane_array,
    same_size,
    video_errors,
)
from media_screen.errors import UnsupportedMedia, WriteFailed
from media_screen.redact import Plane
from media_screen.write.avi import keep_sound_headers
from media_screen.write.encoders import ENCODERS, FULL, LIMITED, Encoding, Glance, encoding_for, is_rgb, matrix_for
from media_screen.write.files import writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from media_screen.types import MediaInfo

    Paint = Callable[[list[Plane], Fraction, int], None]  # planes, time, orientation they are stored in

LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})?")  # a track may state anything as its language
QUICKTIME, THREEGPP = {b"qt  ": "mov"}, {b"3gp": "3gp", b"3g2": "3g2"}
WIDER = {"mp4": "mov", "3gp": "mp4", "3g2": "mp4", "webm": "matroska"}  # the same family, more kinds of sound
TS_CODECS = ("h264", "hevc", "mpeg4", "mpeg2video")  # FFmpeg does not tell what its MPEG-TS muxer knows
AVI_CODECS = ("h264", "mpeg4", "mjpeg", "mpeg2video")  # ... and its AVI muxer takes what no player expects there


def redact_video(info: MediaInfo, paint: Paint, part: Path, *, threads: int = 0) -> tuple[str, ...]:
    """Video decoded, painted on its native planes, encoded with its own timestamps; every audio track copied.

    Returns:
        Notes for the report: what could not stay as it was.

    Raises:
        CorruptMedia: the source does not decode to its end.
        UnsupportedMedia: no encoder keeps the sample depth, or no container the sound.
        WriteFailed: no room, or no right to write there.
    """
    with video_errors(), open_video(info.path, info.format) as source:
        stream = main_video(source)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = threads
        glance = _glance_at(info)
        muxer, notes = _muxer(info, source.streams.audio, part)
        with _muxing(), _open(part, muxer, info, stream) as target:
            encoding = encoding_for(info, stream, glance, _codecs_of(target))
            out = encoding.open(target, stream, info, threads)
            if matrix := display_matrix(glance.first):
                out.set_display_matrix(matrix)
            film = _Film(info, stream, out, encoding, paint)
            sounds = {s.index: _Sound(target, s) for s in source.streams.audio}
            target.start_encoding()
            for packet in packets_of(source, [stream, *source.streams.audio]):
                if packet.stream.index == stream.index:
                    target.mux(film.packets(decoded(packet)))
                elif packet.size:
                    target.mux(sounds[packet.stream.index].copied(packet))
            target.mux(film.rest())
        if info.format == "avi":
            keep_sound_headers(info.path, part)
    return (*notes, *encoding.notes)


def _glance_at(info: MediaInfo) -> Glance:
    """A look ahead: the encoder is set up before the first packet comes."""
    with video_errors(), open_video(info.path, info.format) as container:
        stream = main_video(container)
        first = first_frame(container, stream)
        lasts_s = (stream.duration or 0) * stream.time_base or info.duration_s
        container.seek(0)
        sizes = [packet.size for packet in container.demux(stream) if packet.size]
    if not lasts_s:
        return Glance(first=first, frames=len(sizes), bit_rate=0, frame_rate=Fraction(25))
    rate = (len(sizes) / Fraction(lasts_s)).limit_denominator(1001)
    bit_rate = round(sum(sizes) * 8 / lasts_s)
    return Glance(first=first, frames=len(sizes), bit_rate=bit_rate, frame_rate=rate or Fraction(25))


@contextmanager
def _muxing() -> Iterator[None]:
    """What goes wrong in encoders and muxers, as WriteFailed."""
    import av

    with writing():
        try:
            yield
        except av.error.FFmpegError as error:
            if isinstance(error, OSError):
                raise
            raise WriteFailed(f"the output cannot be written: {error.strerror or error}") from error


# --- the container ------------------------------------------------------------------------------------------------


def _muxer(info: MediaInfo, tracks: Sequence[Any], part: Path) -> tuple[str, tuple[str, ...]]:
    """The variant of the container that the file's own brand names, or a wider one if that cannot hold the sound."""
    narrow = name = _variant(info)
    if any(s.codec_context is None for s in tracks):
        raise UnsupportedMedia("a sound in an unknown code: save the video with AAC sound first")
    sounds = [s.codec_context.codec.name for s in tracks]
    while name != "mpegts" and (odd := [s for s in sounds if s not in _supported(part, name)]):
        if name not in WIDER:
            raise UnsupportedMedia(
                f"{odd[0]} sound cannot be copied into {narrow}: save the video with AAC sound first"
            )
        name = WIDER[name]
    return name, () if name == narrow else (f"written as {name}: {narrow} does not hold its sound",)


def _variant(info: MediaInfo) -> str:
    head = _head(info)
    if info.format == "mp4":
        brand = head[8:12] if head[4:8] == b"ftyp" else b"qt  "
        return QUICKTIME.get(brand) or THREEGPP.get(brand[:3], "mp4")
    return "webm" if info.format == "matroska" and b"webm" in head else info.format


def _head(info: MediaInfo) -> bytes:
    with info.path.open("rb") as file:
        return file.read(64)


def _supported(part: Path, muxer: str) -> set[str]:
    import av

    with av.open(f"file:{part}", "w", format=muxer) as target:  # no file yet: that comes with the first packet
        return set(target.supported_codecs)


def _codecs_of(target: Any) -> list[str]:
    """The codecs of ENCODERS that the container holds."""
    if target.format.name in ("mpegts", "avi"):
        return list(TS_CODECS if target.format.name == "mpegts" else AVI_CODECS)
    known = target.supported_codecs
    return [codec for codec, (encoder, _) in ENCODERS.items() if encoder in known]


def _open(part: Path, muxer: str, info: MediaInfo, stream: Any) -> Any:
    import av

    options = {}
    if info.format == "mp4":
        options["video_track_timescale"] = str(stream.time_base.denominator)
    elif info.format == "mpegts":
        options["mpegts_m2ts_mode"] = str(int(_head(info)[0] != 0x47))  # a time code before each packet
    return av.open(f"file:{part}", "w", format=muxer, container_options=options)


# --- sound ------------------------------------------------------------------------------------------------------------


class _Sound:
    """One audio track, copied."""

    def __init__(self, target: Any, stream: Any) -> None:
        self._out = target.add_stream_from_template(stream)
        self._out.disposition = stream.disposition
        if LANGUAGE.fullmatch(stream.language or ""):
            self._out.metadata["language"] = stream.language
        self._in_steps = target.format.name == "avi"
        self._end = 0  # of the packet before, in the source's ticks
        self._last: int | None = None

    def copied(self, packet: Any) -> Any:
        """The packet, its time where it was; one that states none follows the one before."""
        packet.pts = self._end if packet.pts is None else packet.pts
        packet.dts = packet.pts if packet.dts is None else packet.dts
        self._end = packet.pts + (packet.duration or 0)
        if self._in_steps:  # AVI's clock counts packets or bytes, and rounding may give two of them one time
            tick = round(packet.dts * packet.time_base / self._out.time_base)
            self._last = tick if self._last is None else max(tick, self._last + 1)
            packet.pts = packet.dts = self._last
            packet.time_base = self._out.time_base
        packet.stream = self._out
        return packet


# --- picture ----------------------------------------------------------------------------------------------------------


class _Film:
    """The video track: decoded frames in, packets of painted ones out."""

    def __init__(self, info: MediaInfo, stream: Any, out: Any, encoding: Encoding, paint: Paint) -> None:
        self._info, self._out, self._encoding, self._paint = info, out, encoding, paint
        self._clock = Clock(stream, info.format)
        self._tick_s = stream.time_base
        self._index = 0
        self._waiting: deque[tuple[int, int]] = deque()  # time and duration of frames in a counting encoder

    def packets(self, natives: list[Any]) -> list[Any]:
        """The packets that the encoder gives for these frames."""
        return [packet for native in natives for packet in self._timed(self._out.encode(self._painted(native)))]

    def rest(self) -> list[Any]:
        """The packets that the encoder still held back."""
        return self._timed(self._out.encode(None))

    def _painted(self, native: Any) -> Any:
        same_size(native, self._info, self._index)
        pts = self._clock.pts_of(native)
        shot = VideoShot(self._index, self._clock.since_first_s(pts), self._info, native)
        painted = painted_native(shot, self._encoding.pixel_format, self._paint)
        painted.pts = pts
        if self._encoding.counts:
            self._waiting.append((pts, native.duration or 0))
            painted.pts, painted.time_base = self._index, 1 / self._encoding.rate
        self._index += 1
        return painted

    def _timed(self, packets: list[Any]) -> list[Any]:
        if self._encoding.counts:  # frame by frame in order: these encoders are set up without B-frames
            for packet in packets:
                pts, duration = self._waiting.popleft()
                packet.time_base = self._tick_s
                packet.pts = packet.dts = pts
                packet.duration = duration
        return packets


def painted_native(shot: VideoShot, pixel_format: str, paint: Paint) -> Any:
    """The frame painted on a copy of its planes: the decoder still predicts later frames from the original."""
    native = shot.native
    if native.format.name != pixel_format:
        colours = {"dst_colorspace": matrix_for(native), "dst_color_range": LIMITED} if is_rgb(native) else {}
        native = native.reformat(format=pixel_format, **colours)
    native.make_writable()
    native.pict_type = 0  # the encoder chooses its own key frames
    paint(native_planes(native), shot.time_s, shot.info.orientation)
    return native


def native_planes(native: Any) -> list[Plane]:
    """Writable views on a planar frame's samples, with how far each is subsampled."""
    planes = []
    for number, plane in enumerate(native.planes):
        parts = [c for c in native.format.components if c.plane == number]
        is_chroma = not is_rgb(native) and any(c.index in (1, 2) for c in parts)
        if any(c.is_alpha for c in parts):
            continue
        bits, count = parts[0].bits, len(parts)
        view = plane_array(plane, bits, count)
        planes.append(
            Plane(
                samples=view.reshape(view.shape[0], -1, count) if count > 1 else view,
                across=-(-native.width // plane.width),
                down=-(-native.height // plane.height),
                black=_black(native, is_chroma=is_chroma) << (bits - 8),
            )
        )
    return planes


def _black(native: Any, *, is_chroma: bool) -> int:
    if is_chroma:
        return 128
    return 0 if is_rgb(native) or native.color_range == FULL or native.format.name.startswith("yuvj") else 16
