"""Frames -> a file, whole or not at all: under a temporary name beside the target, then moved into place."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from media_screen.decode import (
    Clock,
    VideoShot,
    display_matrix,
    main_video,
    open_still,
    open_video,
    plane_array,
    upright,
    video_errors,
)
from media_screen.errors import UnsupportedMedia, WriteFailed
from media_screen.redact import Plane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from media_screen.types import MediaInfo

    Paint = Callable[[list[Plane], Fraction, int], None]  # planes, time, orientation they are stored in

PART_PREFIX = ".media-screen-"  # of every file that is not finished

# codec -> (encoder, options). Constant quality, visually lossless for posting; speed over the last percent of size
ENCODERS: dict[str, tuple[str, dict[str, str]]] = {
    "h264": ("libx264", {"crf": "20", "preset": "veryfast"}),
    "hevc": ("libx265", {"crf": "22", "preset": "veryfast", "x265-params": "log-level=none"}),
    "vp8": ("libvpx", {"crf": "10", "b": "4M", "deadline": "good", "cpu-used": "4"}),
    "vp9": ("libvpx-vp9", {"crf": "28", "b": "0", "deadline": "good", "cpu-used": "5", "row-mt": "1"}),
    "av1": ("libsvtav1", {"crf": "28", "preset": "9"}),
    "mpeg4": ("mpeg4", {"qmin": "2", "qmax": "4"}),
    "mjpeg": ("mjpeg", {"qmin": "2", "qmax": "3"}),
    "mpeg2video": ("mpeg2video", {"qmin": "2", "qmax": "4"}),
}
FALLBACK_CODEC = "h264"


@contextmanager
def workbench(target: Path) -> Iterator[Path]:
    """A fresh temporary path beside the target, same extension; whatever lies there at the end is removed."""
    part = target.with_name(f"{PART_PREFIX}{uuid4().hex}{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield part
    except OSError as error:
        raise WriteFailed(_os_words(error)) from error
    finally:
        part.unlink(missing_ok=True)


def publish(part: Path, target: Path) -> None:
    """Move a finished file into place so that even a power cut leaves the old state or the new one."""
    try:
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(target)
        if os.name == "posix":  # Windows cannot open folders
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        raise WriteFailed(_os_words(error)) from error


def copy(source: Path, part: Path) -> None:
    """Byte for byte; only the content, not the times and rights of the original."""
    shutil.copyfile(source, part)


def _os_words(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"no room to write the output ({error.strerror}): free some space and run again"
    return f"the output cannot be written: {error.strerror or error}"


# --- stills -----------------------------------------------------------------------------------------------------


def redact_still(info: MediaInfo, paint: Paint, part: Path) -> None:
    """Every frame or page painted, turned upright, saved in the same format at the same quality.

    Raises:
        UnsupportedMedia: saving would reduce the depth of the samples.
    """
    with open_still(info.path) as image:
        grey16 = image.mode.startswith("I;16")
        if info.bit_depth > 8 and not grey16:
            raise UnsupportedMedia(
                f"{info.bit_depth} bits a sample: redacting would reduce it to 8; save it with 8 bits a sample first"
            )
        frames, durations = [], []
        time_s = Fraction(0)
        for index in range(info.frame_count or 1):
            if index:
                image.seek(index)
            image.load()
            durations.append(int(image.info.get("duration", 100) or 100))
            frames.append(_painted(info, image, paint, time_s))
            time_s += Fraction(max(durations[-1], 10), 1000)
        options = _save_options(image, info, durations)
        if len(frames) > 1:
            options |= {"save_all": True, "append_images": frames[1:]}
        frames[0].save(part, format=image.format, **options)


def _painted(info: MediaInfo, image: Any, paint: Paint, time_s: Fraction) -> Any:
    from PIL import Image

    if image.mode in ("P", "PA", "La", "RGBa"):
        image = image.convert("RGBA" if "transparency" in image.info or "A" in image.mode else "RGB")
    elif image.mode not in ("L", "LA", "RGB", "RGBA", "CMYK") and not image.mode.startswith("I;16"):
        image = image.convert("RGB" if image.mode != "1" else "L")
    samples = np.ascontiguousarray(upright(np.asarray(image), info.orientation)).copy()
    paint([Plane(samples=samples, skip_last=image.mode in ("LA", "RGBA"))], time_s, 1)
    return Image.fromarray(samples, mode=image.mode) if image.mode == "CMYK" else Image.fromarray(samples)


def _save_options(image: Any, info: MediaInfo, durations: list[int]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if profile := image.info.get("icc_profile"):
        options["icc_profile"] = profile
    if info.format == "jpeg":
        from PIL import JpegImagePlugin

        options["qtables"] = image.quantization
        if (sampling := JpegImagePlugin.get_sampling(image)) >= 0 and image.mode == "RGB":
            options["subsampling"] = sampling
        options["progressive"] = bool(image.info.get("progressive"))
    elif info.format == "webp":
        lossless = b"VP8L" in info.path.read_bytes()[:64]
        options |= {"lossless": True} if lossless else {"quality": 90}
    elif info.format in ("heif", "avif"):
        options["quality"] = 90
    elif info.format == "tiff":
        options["compression"] = image.info.get("compression", "raw")
        options["dpi"] = image.info.get("dpi", (72, 72))
    if len(durations) > 1 and info.format != "tiff":
        options |= {"duration": durations, "loop": image.info.get("loop", 0)}
    return options


# --- videos -----------------------------------------------------------------------------------------------------


def redact_video(info: MediaInfo, paint: Paint, part: Path, *, threads: int = 0) -> tuple[str, ...]:
    """Video decoded, painted on its native planes, encoded with its own timestamps; every audio track copied.

    Returns:
        Notes for the report: what could not stay as it was.

    Raises:
        UnsupportedMedia: no encoder keeps the sample depth.
    """
    import av

    codec = info.codec if info.codec in ENCODERS else FALLBACK_CODEC
    notes = () if codec == info.codec else (f"video encoded as {codec}: there is no encoder for {info.codec}",)
    with video_errors(), open_video(info.path, info.format) as source:
        stream = main_video(source)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = threads
        time_base = stream.time_base
        options = {"video_track_timescale": str(time_base.denominator)} if info.format == "mp4" else {}
        with av.open(f"file:{part}", "w", format=_muxer(info), container_options=options) as target:
            out = _video_output(target, stream, codec, info, threads)
            audio = {s.index: target.add_stream_from_template(s) for s in source.streams.audio}
            clock = Clock(stream, info.format)
            index = 0
            for packet in source.demux([stream, *source.streams.audio]):
                if packet.stream.index != stream.index:
                    if packet.dts is not None:
                        packet.stream = audio[packet.stream.index]
                        target.mux(packet)
                    continue
                for native in packet.decode():
                    if not index and (matrix := display_matrix(native)):
                        out.set_display_matrix(matrix)
                    pts = clock.pts_of(native)
                    shot = VideoShot(index, clock.since_first_s(pts), info, native)
                    painted = _painted_native(shot, out.codec_context.pix_fmt, paint)
                    painted.pts = pts
                    target.mux(out.encode(painted))
                    index += 1
            target.mux(out.encode(None))
    return notes


def _muxer(info: MediaInfo) -> str:
    """The variant of the container, from its own brand."""
    with info.path.open("rb") as file:
        head = file.read(64)
    if info.format == "mp4":
        return "mov" if head[8:12] == b"qt  " or head[4:8] != b"ftyp" else "mp4"
    if info.format == "matroska":
        return "webm" if b"webm" in head else "matroska"
    return info.format


def _video_output(target: Any, stream: Any, codec: str, info: MediaInfo, threads: int) -> Any:
    """An encoder set up like the source."""
    import av

    encoder, options = ENCODERS[codec]
    source = stream.codec_context
    out = target.add_stream(encoder, rate=stream.average_rate or stream.base_rate or 25, options=dict(options))
    context = out.codec_context
    context.width, context.height = source.width, source.height
    context.pix_fmt = _pixel_format(source.format, av.Codec(encoder, "w"), info)
    context.time_base = stream.time_base
    out.time_base = stream.time_base
    if info.pixel_aspect != 1:
        context.sample_aspect_ratio = info.pixel_aspect
    for name in ("color_range", "color_primaries", "color_trc", "colorspace"):
        setattr(context, name, getattr(source, name))
    if codec == info.codec and codec == "hevc" and info.format == "mp4":
        context.codec_tag = "hvc1"  # the tag that Apple's players open
    if info.format == "avi":
        context.max_b_frames = 0  # AVI has no presentation times to reorder by
    context.thread_count = threads
    return out


def _pixel_format(source: Any, encoder: Any, info: MediaInfo) -> str:
    known = [f.name for f in encoder.video_formats or ()]
    planar = source.is_planar or source.name in ("nv12", "gray")
    if source.name in known and planar:
        return str(source.name)
    if info.bit_depth > 8:
        raise UnsupportedMedia(
            f"{info.bit_depth}-bit {source.name} video: no encoder here keeps that depth,"
            " and it is never reduced unasked"
        )
    return "yuv420p" if "yuv420p" in known else known[0]


def _painted_native(shot: VideoShot, pixel_format: str, paint: Paint) -> Any:
    """The frame painted on a copy of its planes: the decoder still predicts later frames from the original."""
    native = shot.native
    if native.format.name != pixel_format:
        native = native.reformat(format=pixel_format)
    native.make_writable()
    native.pict_type = 0  # the encoder chooses its own key frames
    paint(native_planes(native), shot.time_s, shot.info.orientation)
    return native


def native_planes(native: Any) -> list[Plane]:
    """Writable views on a planar frame's samples, with how far each is subsampled."""
    planes = []
    for number, plane in enumerate(native.planes):
        parts = [c for c in native.format.components if c.plane == number]
        if any(c.is_alpha for c in parts):
            continue
        bits, count = parts[0].bits, len(parts)
        view = plane_array(plane, bits, count)
        black = (
            128 << (bits - 8)
            if parts[0].is_chroma
            else (0 if native.format.name.startswith("gbr") else 16 << (bits - 8))
        )
        planes.append(
            Plane(
                samples=view.reshape(view.shape[0], -1, count) if count > 1 else view,
                across=-(-native.width // plane.width),
                down=-(-native.height // plane.height),
                black=black,
            )
        )
    return planes
