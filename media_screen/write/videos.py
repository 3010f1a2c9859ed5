"""A video + paint -> the same video painted and encoded anew, every frame at its time, every audio track as it was."""

from __future__ import annotations

import itertools
import re
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
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
from media_screen.errors import CorruptMedia, UnsupportedMedia, WriteFailed
from media_screen.redact import Plane
from media_screen.write.avi import keep_sound_headers
from media_screen.write.encoders import ENCODERS, FULL, LIMITED, Encoding, Glance, encoding_for, is_rgb, matrix_for
from media_screen.write.files import writing
from media_screen.write.hardware import SOFTWARE, WITHOUT, by_hardware
from media_screen.write.splices import Splice, splice_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from media_screen.types import EncoderName, MediaInfo
    from media_screen.write.splices import IsPainted

    Paint = Callable[[list[Plane], Fraction, int], None]  # planes, time, orientation they are stored in

LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})?")  # a track may state anything as its language
QUICKTIME, THREEGPP = {b"qt  ": "mov"}, {b"3gp": "3gp", b"3g2": "3g2"}
WIDER = {"mp4": "mov", "3gp": "mp4", "3g2": "mp4", "webm": "matroska"}  # the same family, more kinds of sound
TS_CODECS = ("h264", "hevc", "mpeg4", "mpeg2video")  # FFmpeg does not tell what its MPEG-TS muxer knows
AVI_CODECS = ("h264", "mpeg4", "mjpeg", "mpeg2video")  # ... and its AVI muxer takes what no player expects there


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of a video."""

    notes: tuple[str, ...] = ()  # for the report: what could not stay as it was
    copied: tuple[range, ...] = ()  # frames whose packets are the source's own


def redact_video(
    info: MediaInfo,
    paint: Paint,
    part: Path,
    *,
    is_painted: IsPainted | None = None,
    threads: int = 0,
    encoder: EncoderName = "software",
) -> Written:
    """Video decoded, painted on its native planes, encoded with its own timestamps; every audio track copied.

    Args:
        info: from `probe`.
        paint: destroys the regions of a frame.
        part: the file to write.
        is_painted: whether `paint` changes anything at a time; groups of pictures in which it never does are copied
            where that can be done. None: everything is encoded anew.
        threads: of the decoder and the encoder, 0 for as many as they like.
        encoder: family that encodes whole videos. Stretches between copied packets are encoded in software: their
            parameter sets need a number of their own, which no hardware takes.

    Raises:
        CorruptMedia: the source does not decode to its end.
        UnsupportedMedia: no encoder keeps the sample depth, or no container the sound.
        WriteFailed: no room, or no right to write there; or hardware broke off.
    """
    write = partial(_written, info, paint, part, _glance_at(info), threads)
    splice = splice_for(info, is_painted) if is_painted else None
    if splice:
        with suppress(CorruptMedia, UnsupportedMedia, WriteFailed):  # whatever is the matter, one encoding may do
            return write(splice, SOFTWARE)
    if encoder == SOFTWARE:
        return write(None, SOFTWARE)
    try:
        return write(None, encoder)
    except UnsupportedMedia as error:  # such as a size that the hardware does not take
        written = write(None, SOFTWARE)
        return replace(written, notes=(*written.notes, f"encoded in software: {error}"))


def _written(
    info: MediaInfo,
    paint: Paint,
    part: Path,
    glance: Glance,
    threads: int,
    splice: Splice | None,
    family: EncoderName,
) -> Written:
    with video_errors(), open_video(info.path, info.format) as source:
        stream = main_video(source)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = threads
        muxer, notes = _muxer(info, source.streams.audio, part)
        with _muxing(), _open(part, muxer, info, stream) as target:
            encoding = encoding_for(info, stream, glance, _codecs_of(target))
            if family != SOFTWARE:
                encoding = by_hardware(encoding, glance.first, family)
            film: _Film | _SplicedFilm
            if splice:
                _check_seams(encoding, glance.first)
                film = _SplicedFilm(info, stream, target, encoding, paint, splice, threads)
            else:
                film = _Film(info, stream, encoding.open(target, stream, info, threads), encoding, paint)
            if matrix := display_matrix(glance.first):
                film.out.set_display_matrix(matrix)
            sounds = {s.index: _Sound(target, s) for s in source.streams.audio}
            target.start_encoding()
            for packet in packets_of(source, [stream, *source.streams.audio]):
                if packet.stream.index == stream.index:
                    target.mux(film.packets(packet))
                elif packet.size:
                    target.mux(sounds[packet.stream.index].copied(packet))
            target.mux(film.rest())
        if info.format == "avi":
            keep_sound_headers(info.path, part)
    if splice is None:
        return Written(notes=(*notes, *encoding.notes))
    count = sum(map(len, splice.stretches))
    seams = f"{count} of {len(splice.dts)} frames were encoded anew, the others copied as they were"
    return Written(notes=(*notes, *encoding.notes, seams), copied=splice.copied)


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
    """The video track: packets in, packets of painted frames out."""

    def __init__(self, info: MediaInfo, stream: Any, out: Any, encoding: Encoding, paint: Paint) -> None:
        self.out = out
        self._info, self._encoding, self._paint = info, encoding, paint
        self._clock = Clock(stream, info.format)
        self._tick_s = stream.time_base
        self._index = 0
        self._waiting: deque[tuple[int, int, int]] = deque()  # number, time, duration of frames in a counting encoder

    def packets(self, packet: Any) -> list[Any]:
        """The packets that the encoder gives for a packet of the source."""
        return [p for native in decoded(packet) for p in self._encoded(self._painted(native))]

    def rest(self) -> list[Any]:
        """The packets that the encoder still held back."""
        made = self._encoded(None)
        if self._waiting:
            raise WriteFailed(f"{self._encoding.encoder} kept {len(self._waiting)} frames to itself")
        return made

    def _painted(self, native: Any) -> Any:
        painted = _painted_at(native, self._index, self._clock, self._info, self._encoding, self._paint)
        pts = painted.pts
        if self._encoding.counts:
            self._waiting.append((self._index, pts, native.duration or 0))
            painted.pts, painted.time_base = self._index, 1 / self._encoding.rate
        self._index += 1
        return painted

    def _encoded(self, frame: Any) -> list[Any]:
        import av

        try:
            return self._timed(self.out.encode(frame))
        except av.error.FFmpegError as error:
            if not self._encoding.is_hardware:
                raise
            raise WriteFailed(f"{self._encoding.encoder} broke off ({error.strerror or error}); {WITHOUT}") from error

    def _timed(self, packets: list[Any]) -> list[Any]:
        """The frames' own times, for an encoder that counts: it is set up to give frames in the order it got them."""
        if self._encoding.counts:
            for packet in packets:
                number, pts, duration = self._waiting.popleft() if self._waiting else (-1, 0, 0)
                if packet.pts != number:
                    raise WriteFailed(f"{self._encoding.encoder} does not give the frames in the order it got them")
                packet.time_base = self._tick_s
                packet.pts = packet.dts = pts
                packet.duration = duration
        return packets


class _SplicedFilm:
    """The video track where only some stretches are painted: their packets are encoded anew, the others copied."""

    def __init__(
        self, info: MediaInfo, stream: Any, target: Any, encoding: Encoding, paint: Paint, splice: Splice, threads: int
    ) -> None:
        self._info, self._encoding, self._paint, self._splice = info, encoding, paint, splice
        self._decoder = stream.codec_context
        self._clock = Clock(stream, info.format, splice.first_pts)
        self._new_encoder = partial(encoding.alone, stream, info, threads, splice.options())
        self._encoder = self._new_encoder()
        self.out = target.add_stream_from_template(stream)
        self.out.codec_context.extradata = splice.joined(bytes(self._encoder.extradata))
        self._numbers = itertools.count()
        self._stretches = deque(splice.stretches)
        self._dts = deque[int]()

    def packets(self, packet: Any) -> list[Any]:
        """A packet of the source as it is; of a stretch, what its encoder gives."""
        if not packet.size:
            return []
        number = next(self._numbers)
        if not self._stretches or number < self._stretches[0].start:
            packet.stream = self.out
            return [packet]
        self._dts.append(self._splice.dts[number])
        made = self._encoded(decoded(packet), number)
        return made + self._ended(number) if number == self._stretches[0][-1] else made

    def rest(self) -> list[Any]:
        """Nothing: each stretch ends before the next packet."""
        return []

    def _encoded(self, natives: list[Any], number: int) -> list[Any]:
        painted = [
            _painted_at(native, number, self._clock, self._info, self._encoding, self._paint) for native in natives
        ]
        return self._timed([p for frame in painted for p in self._encoder.encode(frame)])

    def _ended(self, number: int) -> list[Any]:
        """What the decoder and the encoder still hold of a stretch; both begin anew."""
        with video_errors():
            natives = self._decoder.decode(None)
        self._decoder.flush_buffers()
        made = self._encoded(natives, number) + self._timed(self._encoder.encode(None))
        self._encoder = self._new_encoder()
        self._stretches.popleft()
        if self._dts:
            raise CorruptMedia(f"fewer frames than packets come out of the video before frame {number}")
        return made

    def _timed(self, packets: list[Any]) -> list[Any]:
        """The source's decoding times, in the order of decoding: between copied packets no others fit."""
        for packet in packets:
            if not self._dts:
                raise CorruptMedia("more frames than packets come out of the video")
            packet.dts = self._dts.popleft()
            packet.stream = self.out
        return packets


def _painted_at(native: Any, index: int, clock: Clock, info: MediaInfo, encoding: Encoding, paint: Paint) -> Any:
    """A frame painted, its own time on it."""
    same_size(native, info, index)
    pts = clock.pts_of(native)
    shot = VideoShot(index, clock.since_first_s(pts), info, native)
    painted = painted_native(shot, encoding.pixel_format, paint)
    painted.pts = pts
    return painted


def _check_seams(encoding: Encoding, first: Any) -> None:
    if encoding.codec != "h264" or encoding.pixel_format != first.format.name or first.interlaced_frame:
        raise UnsupportedMedia("what is encoded anew would not fit between the packets that are copied")


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
