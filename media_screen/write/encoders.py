"""A video's first frame and its container -> the encoder that keeps most of it, set up like the source."""

from __future__ import annotations

import os
import struct
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from media_screen.errors import UnsupportedMedia

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from media_screen.types import MediaInfo

# codec -> (encoder, options). Constant quality, visually lossless for posting; speed over the last percent of size
ENCODERS: dict[str, tuple[str, dict[str, str]]] = {
    "h264": ("libx264", {"crf": "20", "preset": "veryfast"}),
    "hevc": ("libx265", {"crf": "22", "preset": "superfast", "x265-params": "log-level=none"}),
    "vp8": ("libvpx", {"crf": "10", "deadline": "good", "cpu-used": "4"}),
    "vp9": ("libvpx-vp9", {"crf": "28", "deadline": "good", "cpu-used": "5", "row-mt": "1"}),
    "av1": ("libsvtav1", {"crf": "28", "preset": "9"}),
    "mpeg4": ("mpeg4", {"qmin": "2", "qmax": "5"}),
    "mjpeg": ("mjpeg", {"qmin": "2", "qmax": "5"}),
    "mpeg2video": ("mpeg2video", {"qmin": "2", "qmax": "5"}),
}
FALLBACKS = ("h264", "hevc", "av1")
COUNTING = ("mpeg4", "mpeg2video")  # their streams count in frames: no clock of 1/90000 s, no uneven steps
MAX_MPEG4_TICKS = 65535  # a second: ISO/IEC 14496-2, 6.3.3, vop_time_increment_resolution
INTERLACING = ("h264", "mpeg4", "mpeg2video")
LEAST_BITS_A_PIXEL = Fraction(1, 20)  # below that a re-encoded picture falls apart, whatever the source came to
MIN_REORDERED = 8  # frames: of fewer than it looks ahead, x265 makes up decoding times from memory it never set
RATE_SHARE = Fraction(7, 5)  # of the source's bit rate: the copy grows to at most half more than the source
MAX_BITS = 2_000_000_000  # of a rate control's buffer, an int of 32 bits
BT709, BT601 = 1, 6  # ITU-T H.273, table 4
LIMITED, FULL = 1, 2  # FFmpeg's AVColorRange
HD_LINES = 720  # from here on pictures are BT.709 where nothing says otherwise
RGB_MATRIX = 0  # H.273: no matrix, the samples are R, G, B


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """What to encode with, and what could not stay as it was."""

    codec: str
    encoder: str  # FFmpeg's name of it
    is_hardware: bool = False
    pixel_format: str
    rate: Fraction
    colour: tuple[int, int, int, int]  # range, primaries, transfer, matrix
    options: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    @property
    def counts(self) -> bool:
        """True if the encoder is told the number of each frame, not its time: some hardware rounds times."""
        return self.is_hardware or self.codec in COUNTING

    def open(self, target: Any, stream: Any, info: MediaInfo, threads: int) -> Any:
        """The output's video stream, its encoder open.

        Raises:
            UnsupportedMedia: the encoder does not take this video.
        """
        import av

        try:
            out = target.add_stream(self.encoder, rate=self.rate, options=dict(self.options))
        except av.codec.codec.UnknownCodecError as error:
            raise UnsupportedMedia(f"this FFmpeg was built without {self.encoder}") from error
        out.time_base = stream.time_base
        self._open(out.codec_context, stream, info, threads)
        return out

    def alone(self, stream: Any, info: MediaInfo, threads: int, options: Mapping[str, str]) -> Any:
        """An open encoder that belongs to no output, with its parameter sets in its `extradata`.

        Raises:
            UnsupportedMedia: the encoder does not take this video.
        """
        import av

        context = av.CodecContext.create(self.encoder, "w")
        context.options = _merged(dict(self.options), options)
        context.framerate = self.rate
        context.flags |= av.codec.context.Flags.global_header
        self._open(context, stream, info, threads)
        return context

    def _open(self, context: Any, stream: Any, info: MediaInfo, threads: int) -> None:
        import av

        context.width, context.height = stream.codec_context.width, stream.codec_context.height
        context.pix_fmt = self.pixel_format
        if not self.counts:
            context.time_base = stream.time_base
        if info.pixel_aspect != 1:
            context.sample_aspect_ratio = info.pixel_aspect
        context.color_range, context.color_primaries, context.color_trc, context.colorspace = self.colour
        if self.codec == "hevc" and info.format == "mp4":
            context.codec_tag = "hvc1"  # the tag that Apple's players open
        if info.format == "avi":
            context.max_b_frames = 0  # AVI has no presentation times to reorder by
        context.thread_count = threads
        try:
            open_encoder(context)
        except (av.error.FFmpegError, ValueError) as error:
            raise UnsupportedMedia(f"{self.encoder} does not encode this video: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What is known of a video track before it is encoded."""

    first: Any  # its first frame
    frames: int
    bit_rate: int  # 0 if that cannot be told
    frame_rate: Fraction  # frames there are, by the time they take; headers are often wrong


def encoding_for(info: MediaInfo, stream: Any, glance: Glance, known: Sequence[str]) -> Encoding:
    """How to encode a video for a container that knows these codecs.

    Args:
        info: from `probe`.
        stream: its video track.
        glance: what is known of that.
        known: codecs that the container holds.

    Raises:
        UnsupportedMedia: no encoder keeps the sample depth.
    """
    first = glance.first
    codec, pixel_format = _codec_and_format(info, first, [c for c in ENCODERS if c in known])
    notes = [] if codec == info.codec else [f"video encoded as {codec}: {info.codec} cannot be written"]
    if any(c.is_alpha for c in first.format.components) or stream.metadata.get("alpha_mode") == "1":
        notes.append("the video's transparency is left out")
    if pixel_format != first.format.name:
        notes.append(f"{first.format.name} samples became {pixel_format}")
    params, losses = _light(first, codec)
    if codec == "hevc" and glance.frames < MIN_REORDERED:
        params["x265-params"] += ":bframes=0"
    if first.interlaced_frame and codec in INTERLACING:
        params["flags"] = "+ildct+ilme"
    rate = _rate(stream, codec, glance.frame_rate)
    return Encoding(
        codec=codec,
        encoder=ENCODERS[codec][0],
        pixel_format=pixel_format,
        rate=rate,
        colour=_colour(first, pixel_format),
        options=tuple((ENCODERS[codec][1] | _ceiling(info, codec, glance) | params).items()),
        notes=(*notes, *losses),
    )


def open_encoder(context: Any) -> None:
    """Opens a codec context, quietly and without harm to other processes."""
    os.environ.setdefault("SVT_LOG", "1")  # its library prints to stderr by itself: errors alone
    with ordinary_threads():
        context.open()


@contextmanager
def ordinary_threads() -> Iterator[None]:
    """Threads keep the scheduling that the caller had: run by root, SVT-AV1 would make it and its own real-time ones.

    Before those no other process gets a processor, and they would stay so for as long as the process lives.
    """
    threads = Path("/proc/self/task")
    if not threads.is_dir():  # not Linux
        yield
        return
    policy, param = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        for number in [int(thread.name) for thread in threads.iterdir()]:
            with suppress(OSError):  # one that has just ended
                if os.sched_getscheduler(number) != policy:
                    os.sched_setscheduler(number, policy, param)


def _merged(options: dict[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """Both; of an option that both name and that is a list, both lists."""
    return options | {k: f"{options[k]}:{v}" if k in options and k.endswith("-params") else v for k, v in more.items()}


def _rate(stream: Any, codec: str, measured: Fraction) -> Fraction:
    """Frames a second, for the encoder's choices alone where it does not count in frames."""
    if codec == "mpeg2video" and stream.codec_context.framerate:
        return Fraction(stream.codec_context.framerate)  # one of eight (ISO/IEC 13818-2, table 6-4)
    if codec == "mpeg4" and measured.numerator > MAX_MPEG4_TICKS:
        return Fraction(max(round(measured), 1))
    return measured


def _codec_and_format(info: MediaInfo, first: Any, known: Sequence[str]) -> tuple[str, str]:
    import av

    source = first.format
    candidates = [c for c in dict.fromkeys((info.codec, *FALLBACKS)) if c in known]
    formats = {c: [f.name for f in av.Codec(ENCODERS[c][0], "w").video_formats or ()] for c in candidates}
    odd = first.width % 2 or first.height % 2
    if source.is_planar or source.name in ("nv12", "gray"):
        for codec in candidates:
            if source.name in formats[codec] and _takes_size(codec, source.name, odd=bool(odd)):
                return codec, source.name
    if info.bit_depth > 8 or not candidates:
        raise UnsupportedMedia(
            f"{info.bit_depth}-bit {source.name} video: no encoder here keeps that depth in this container,"
            " and it is never reduced unasked"
        )
    codec = candidates[0]
    wanted = ("yuv444p",) if not _takes_size(codec, "yuv420p", odd=bool(odd)) else ("yuv420p", "yuvj420p")
    return codec, next(f for f in (*wanted, *formats[codec]) if f in formats[codec])


def _takes_size(codec: str, pixel_format: str, *, odd: bool) -> bool:
    """H.264 and HEVC count their size in whole chroma samples."""
    return not odd or codec not in ("h264", "hevc") or "444" in pixel_format or pixel_format.startswith(("g", "rgb"))


def _colour(first: Any, pixel_format: str) -> tuple[int, int, int, int]:
    stated = (first.color_range, first.color_primaries, first.color_trc, first.colorspace)
    if not is_rgb(first) or pixel_format.startswith("gbr"):
        return tuple(int(v) for v in stated)  # type: ignore[return-value]
    return (LIMITED, int(first.color_primaries), int(first.color_trc), matrix_for(first))


def is_rgb(native: Any) -> bool:
    """True for samples in red, green and blue."""
    return bool(native.format.is_rgb or native.format.has_palette)


def matrix_for(native: Any) -> int:
    """The matrix by which RGB is made YUV."""
    return BT709 if native.height >= HD_LINES else BT601


def _ceiling(info: MediaInfo, codec: str, glance: Glance) -> dict[str, str]:
    """No more bits than the source gives reason for: constant quality alone would blow up what was saved small."""
    if not glance.bit_rate or not info.duration_s:
        return {}
    least = LEAST_BITS_A_PIXEL * info.width_px * info.height_px * glance.frame_rate
    rate = int(max(RATE_SHARE * glance.bit_rate, least))
    if codec in ("vp8", "vp9", *COUNTING, "mjpeg"):
        return {"b": str(rate)}
    buffer = rate * max(2, int(info.duration_s) // 10)  # a tenth of the film may be borrowed where much moves
    return {"maxrate": str(rate), "bufsize": str(min(buffer, MAX_BITS))}


def _light(first: Any, codec: str) -> tuple[dict[str, str], list[str]]:
    """Encoder parameters for static HDR metadata (SMPTE ST 2086, CTA-861.3), and what of HDR cannot be kept."""
    sides = {side.type.name: bytes(side) for side in first.side_data}
    losses = [
        f"{name} left out: what is shown without it stays"
        for kind, name in (("DYNAMIC_HDR_PLUS", "HDR10+"), ("DOVI_METADATA", "Dolby Vision"))
        if kind in sides
    ]
    mastering = _mastering(sides.get("MASTERING_DISPLAY_METADATA", b""), metric=codec == "av1")
    level = struct.unpack_from("=2I", sides["CONTENT_LIGHT_LEVEL"]) if "CONTENT_LIGHT_LEVEL" in sides else None
    names = {
        "h264": ("x264-params", "mastering-display", "cll"),
        "hevc": ("x265-params", "master-display", "max-cll"),
        "av1": ("svtav1-params", "mastering-display", "content-light"),
    }
    params = {"hevc": ["log-level=none"]}.get(codec, [])
    if codec in names:
        option, display, light = names[codec]
        params += [f"{display}={mastering}"] if mastering else []
        params += [f"{light}={level[0]},{level[1]}"] if level else []
        return ({option: ":".join(params)} if params else {}), losses
    if mastering or level:
        losses.append(f"HDR mastering metadata left out: {codec} does not carry it")
    return {}, losses


def _mastering(side: bytes, *, metric: bool) -> str:
    """FFmpeg's AVMasteringDisplayMetadata as encoders spell it, in steps of H.265 D.3.28 or (AV1) in plain units."""
    if len(side) < 88 or struct.unpack_from("=2i", side, 80) != (1, 1):
        return ""
    numbers = struct.unpack_from("=20i", side)
    if not all(numbers[1::2]):
        return ""
    values = [Fraction(a, b) for a, b in zip(numbers[::2], numbers[1::2], strict=True)]
    steps = [*[Fraction(1, 50_000)] * 8, *[Fraction(1, 10_000)] * 2]
    texts = [f"{float(v):.4f}" if metric else str(round(v / s)) for v, s in zip(values, steps, strict=True)]
    rx, ry, gx, gy, bx, by, wx, wy, least, most = texts
    return f"G({gx},{gy})B({bx},{by})R({rx},{ry})WP({wx},{wy})L({most},{least})"
