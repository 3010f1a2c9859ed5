"""MediaInfo -> Iterator[Shot]: every frame once, with its exact time, scaled and turned upright only when asked."""

from __future__ import annotations

import struct
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from media_screen.coding import Coding
from media_screen.errors import CorruptMedia, UnsupportedMedia
from media_screen.types import Box, Frame, MediaInfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from media_screen.types import Picture


DEMUXERS = {"mp4": "mov", "matroska": "matroska", "avi": "avi", "mpegts": "mpegts"}
MAX_DECODE_ERRORS = 10  # a stream this broken says no more by going on
MIN_SHOWN_S = Fraction(1, 100)  # of a frame of an animation: no two frames have one time
SEEKABLE = ("mp4", "matroska")  # by an index of key frames, with exact times
NEAR_S = 2  # a wanted frame so close ahead is decoded up to, not sought
GLANCE_PX = 32  # longest side of the luma samples that scene cuts and motion are judged by

# signs of the display matrix (a, b, c, d) -> EXIF orientation; ISO/IEC 14496-12, 6.2.2
_MATRIX_TO_ORIENTATION = {
    (1, 0, 0, 1): 1,
    (-1, 0, 0, 1): 2,
    (-1, 0, 0, -1): 3,
    (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5,
    (0, 1, -1, 0): 6,
    (0, -1, -1, 0): 7,
    (0, -1, 1, 0): 8,
}


class Shot(Protocol):
    """One decoded frame, still in the form it came in."""

    index: int
    time_s: Fraction
    alone: bool  # belongs to no motion: a still, or a page

    def frame(self, long_side_px: int) -> Frame:
        """Upright RGB, scaled down to at most this on its longer side."""
        ...

    def glance(self) -> NDArray[np.float32]:
        """A few luma samples (h, w) in 0..255, cheap, for comparing neighbours."""
        ...


class Faults(list[str]):
    """What went wrong while decoding; a caller that reads frames reads this afterwards."""

    skipped = 0  # frames that were not asked for
    coding = ""  # of a video read to its end: `coding_of` these very packets


def shots(info: MediaInfo, faults: Faults, *, threads: int = 0, sparse: bool = False) -> Iterator[Shot]:
    """Every frame of a still, animation or video, in presentation order.

    Args:
        info: from `probe`.
        faults: what goes wrong is appended.
        threads: of the decoder, 0 for as many as it likes.
        sparse: leave out the frames of a video to which no other refers; `faults.skipped` counts them.
    """
    return _still_shots(info) if info.kind == "image" else _video_shots(info, faults, threads, sparse=sparse)


def shots_at(info: MediaInfo, times_us: Mapping[int, int], *, threads: int = 0) -> Iterator[Shot]:
    """Single frames of a file that was read before: found by their times where that can be done, else by counting.

    Args:
        info: from `probe`.
        times_us: number of each wanted frame -> microseconds since the first frame.
        threads: of the decoder, 0 for as many as it likes.
    """
    left = dict(sorted(times_us.items()))
    if info.kind == "video" and info.format in SEEKABLE:
        for shot in _sought(info, dict(left), threads):
            del left[shot.index]
            yield shot
    if left:
        last = max(left)
        for shot in shots(info, Faults(), threads=threads):
            if shot.index in left:
                yield shot
            if shot.index >= last:
                return


def upright(stored: NDArray[Any], orientation: int) -> NDArray[Any]:
    """A stored picture (h, w, ...) turned as EXIF orientation 1..8 says."""
    if orientation in (5, 6, 7, 8):
        stored = stored.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        stored = stored[:, ::-1]
    if orientation in (3, 4, 7, 8):
        stored = stored[::-1]
    return stored


def stored_box(box: Box, orientation: int, width_px: int, height_px: int) -> Box:
    """Where a box of the upright frame (of this size) lies in the picture as stored: the inverse of `upright`."""
    x1, y1, x2, y2 = box.x1, box.y1, box.x2, box.y2
    if orientation in (2, 3, 6, 7):
        x1, x2 = width_px - x2, width_px - x1
    if orientation in (3, 4, 7, 8):
        y1, y2 = height_px - y2, height_px - y1
    return Box(x1=y1, y1=x1, x2=y2, y2=x2) if orientation >= 5 else Box(x1=x1, y1=y1, x2=x2, y2=y2)


def stored_size(info: MediaInfo) -> tuple[int, int]:
    """Width and height before anything is turned upright."""
    return (info.height_px, info.width_px) if info.orientation >= 5 else (info.width_px, info.height_px)


# --- stills -----------------------------------------------------------------------------------------------------


@contextmanager
def open_still(path: Path, format_name: str) -> Iterator[Any]:
    """A Pillow image, opened as what it was sniffed as: content cannot choose one of Pillow's forty other parsers.

    Our own limit on pixels replaces Pillow's: it would refuse 200-megapixel phones.
    """
    import pillow_heif
    from PIL import Image

    pillow_heif.register_heif_opener(thumbnails=False)
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with still_errors(), warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")
            # a file, not its name: turned TIFFs that Pillow maps into memory come out on their side
            with Image.open(file, formats=(format_name.upper(),)) as image:
                yield image
    finally:
        Image.MAX_IMAGE_PIXELS = before


@contextmanager
def still_errors() -> Iterator[None]:
    """The errors of Pillow and its plug-ins, as ours."""
    from PIL import UnidentifiedImageError

    try:
        yield
    except UnidentifiedImageError as error:
        raise CorruptMedia("the picture's headers do not parse") from error
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        struct.error,
        IndexError,
        KeyError,
        TypeError,
        RuntimeError,
    ) as error:
        raise CorruptMedia(f"the picture does not decode to its end: {error}") from error


@dataclass(slots=True)
class _StillShot:
    index: int
    time_s: Fraction
    info: MediaInfo
    image: Any
    alone: bool
    _made: dict[int, Frame] = field(default_factory=dict, init=False)  # detector, album and glance want the same one

    def frame(self, long_side_px: int) -> Frame:
        long_side_px = min(long_side_px, max(self.image.size))
        if long_side_px not in self._made:
            self._made[long_side_px] = self._scaled(long_side_px)
        return self._made[long_side_px]

    def _scaled(self, long_side_px: int) -> Frame:
        pixels = upright(np.asarray(_smaller(self.image, long_side_px)), self.info.orientation)
        return Frame(
            index=self.index,
            time_s=self.time_s,
            pixels=np.ascontiguousarray(pixels),
            width_px=self.info.width_px,
            height_px=self.info.height_px,
        )

    def glance(self) -> NDArray[np.float32]:
        step = max(1, max(self.image.size) // GLANCE_PX)
        luma: NDArray[np.float32] = np.asarray(self.image)[::step, ::step].mean(axis=2, dtype=np.float32)
        return luma


def scaled_down(picture: Picture, share: float) -> Picture:
    """A part of a frame at `share` (up to 1) of its size, made small enough to be looked at or judged quickly.

    By halves, each pixel the average of four, and for the rest of the way, which is less than a half, between
    neighbours: against averages all the way that takes a fifth of the time, and shows the same.
    """
    import cv2

    if share >= 1:
        return picture
    width, height = (max(1, round(side * share)) for side in picture.shape[1::-1])
    while picture.shape[0] >= 2 * height and picture.shape[1] >= 2 * width:
        picture = _halved(picture)
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR))


def _halved(picture: Picture) -> Picture:
    """Half as wide and high, each pixel the average of four; an odd last row or column is left out."""
    import cv2

    rows, columns = (side // 2 for side in picture.shape[:2])
    whole = picture[: 2 * rows, : 2 * columns]
    return np.asarray(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA))


def _smaller(image: Any, long_side_px: int) -> Any:
    if max(image.size) <= long_side_px:
        return image
    share = long_side_px / max(image.size)
    size = tuple(max(1, round(side * share)) for side in image.size)
    return image.resize(size, resample=4, reducing_gap=2.0)  # 4: box, exact for scaling down


def to_rgb(image: Any) -> Any:
    """Pillow image of any mode -> RGB. Alpha is dropped, not applied: what lies under transparency is in the file."""
    if image.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        from PIL import Image

        values = np.asarray(image).astype(np.float32)
        top = 65535.0 if image.mode.startswith("I;16") or values.max(initial=0) > 255 else 255.0
        return Image.fromarray((np.clip(values / top, 0, 1) * 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("P", "PA", "LA", "La", "RGBa"):
        image = image.convert("RGBA")
    if image.mode == "RGBA":
        from PIL import Image

        return Image.merge("RGB", image.split()[:3])
    return image if image.mode == "RGB" else image.convert("RGB")


def _still_shots(info: MediaInfo) -> Iterator[Shot]:
    count = info.frame_count or 1
    with open_still(info.path, info.format) as image:
        time_s = Fraction(0)
        for index, page in enumerate(pages_of(image, info.format) if count > 1 else (0,)):
            if count > 1:
                image.seek(page)
            image.load()
            if image.size != stored_size(info):
                raise UnsupportedMedia(f"page {index + 1} has another size than the first; screen its pages one by one")
            yield _StillShot(index, time_s, info, to_rgb(image), alone=count == 1 or info.format == "tiff")
            time_s += shown_s(image)


def pages_of(image: Any, format_name: str) -> Sequence[int]:
    """The pictures of a still that are shown: of a TIFF not the reduced copies of its pages, which cleaning removes."""
    count = getattr(image, "n_frames", 1)
    if format_name != "tiff" or count == 1:
        return range(count)
    shown = [0]
    for page in range(1, count):
        image.seek(page)
        # TIFF 6.0, p. 36 and 40: NewSubfileType, SubfileType
        if not (image.tag_v2.get(254, 0) & 1 or image.tag_v2.get(255) == 2):
            shown.append(page)
    image.seek(0)
    return shown


def shown_s(image: Any) -> Fraction:
    """How long the present frame of an animation stands; one that states no time, as long as browsers let it."""
    return max(Fraction(round((image.info.get("duration") or 100) * 1000), 1_000_000), MIN_SHOWN_S)


# --- videos -----------------------------------------------------------------------------------------------------


@contextmanager
def video_errors() -> Iterator[None]:
    """PyAV's errors, as ours."""
    import av

    try:
        yield
    except (av.error.FFmpegError, EOFError) as error:
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise CorruptMedia(f"the video does not open or decode: {text}") from error


def open_video(path: Path, format_name: str) -> Any:
    """A PyAV container. The demuxer is named and the path marked as a file: content cannot choose a protocol."""
    import av

    return av.open(f"file:{path}", format=DEMUXERS[format_name], metadata_errors="ignore")


def packets_of(container: Any, streams: Sequence[Any]) -> Iterator[Any]:
    """The packets of these streams as they lie in the file."""
    with video_errors():
        yield from container.demux(streams)


def decoded(packet: Any) -> list[Any]:
    """The frames that come out of the decoder for a packet."""
    with video_errors():
        return list(packet.decode())


def main_video(container: Any) -> Any:
    """The first video track that is no attached picture."""
    import av

    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    raise UnsupportedMedia("no video track in this file")


def display_matrix(frame: Any) -> tuple[int, ...] | None:
    """The nine numbers of a frame's display matrix, or None."""
    for side in frame.side_data:
        if side.type.name == "DISPLAYMATRIX":
            return struct.unpack("=9i", bytes(side)[:36])
    return None


def first_frame(container: Any, stream: Any) -> Any:
    """The first frame that is shown; it says what the headers leave open."""
    first = next(container.decode(stream), None)
    if first is None:
        raise CorruptMedia("not one frame of the video decodes")
    return first


def orientation_of(frame: Any) -> int:
    """EXIF orientation equal to the display matrix of a frame."""
    matrix = display_matrix(frame)
    if matrix is None:
        return 1
    a, b, c, d = (matrix[i] for i in (0, 1, 3, 4))
    largest = max(abs(v) for v in (a, b, c, d)) or 1
    signs = tuple(0 if abs(v) * 8 < largest else (1 if v > 0 else -1) for v in (a, b, c, d))
    if signs not in _MATRIX_TO_ORIENTATION:
        raise UnsupportedMedia("the video is turned by an angle that is no multiple of 90 degrees")
    return _MATRIX_TO_ORIENTATION[signs]


def same_size(native: Any, info: MediaInfo, index: int) -> None:
    """Boxes of one frame mean nothing in another of another size.

    Raises:
        UnsupportedMedia: the frame is not of the size that the file states.
    """
    if (native.width, native.height) != stored_size(info):
        raise UnsupportedMedia(f"the picture size changes at frame {index}: cut the video there and screen both parts")


class Clock:
    """Presentation times of decoded frames, in ticks of the stream's time base; each is later than the one before."""

    def __init__(self, stream: Any, format_name: str, first_pts: int | None = None) -> None:
        """Times of a stream's frames from the first one on, or from any if the first one's time is told."""
        self.tick_s: Fraction = stream.time_base
        self._step = max(1, round(1 / (stream.average_rate or Fraction(25)) / stream.time_base))
        # AVI states no presentation times: its frames are shown from 0 on in the order and at the rate of decoding
        self._by_decoding = format_name == "avi"
        self._first = first_pts
        self._first_dts: int | None = None
        self._last = None if first_pts is None else first_pts - 1

    def pts_of(self, native: Any) -> int:
        """The frame's time. One that states none, or none later than its predecessor's, comes right after that."""
        pts = self._decoding_time(native) if self._by_decoding else native.pts
        if self._last is None:
            self._first = pts = pts or 0
        elif pts is None:
            pts = self._last + self._step
        elif pts <= self._last:
            pts = self._last + 1
        self._last = pts
        return int(pts)

    def _decoding_time(self, native: Any) -> int | None:
        if native.dts is None:  # the decoder's last few
            return None
        self._first_dts = native.dts if self._first_dts is None else self._first_dts
        return int(native.dts - self._first_dts)

    def since_first_s(self, pts: int) -> Fraction:
        """Seconds since the first frame."""
        return (pts - (self._first or 0)) * self.tick_s


def plane_array(plane: Any, bits: int, samples: int = 1) -> NDArray[Any]:
    """A view (h, w * samples) on a plane's own memory, without the padding at the end of its rows."""
    kind = np.dtype(np.uint8 if bits <= 8 else "<u2")
    rows = np.frombuffer(plane, dtype=kind, count=plane.line_size // kind.itemsize * plane.height)
    return rows.reshape(plane.height, -1)[:, : plane.width * samples]


@dataclass(slots=True)
class VideoShot:
    """A decoded video frame."""

    index: int
    time_s: Fraction
    info: MediaInfo
    native: Any  # av.VideoFrame, shared with the decoder: never painted in place
    alone: bool = field(default=False, init=False)
    _made: tuple[int, Frame] | None = field(default=None, init=False)  # the last: detector and report ask alike

    def frame(self, long_side_px: int) -> Frame:
        """Upright RGB made by the decoder's scaler, square pixels, at most this on its longer side."""
        if self._made is None or self._made[0] != long_side_px:
            self._made = (long_side_px, self._scaled(long_side_px))
        return self._made[1]

    def _scaled(self, long_side_px: int) -> Frame:
        width, height = round(self.native.width * self.info.pixel_aspect), self.native.height
        share = min(1.0, long_side_px / max(width, height))
        small = self.native.reformat(
            width=max(1, round(width * share)), height=max(1, round(height * share)), format="rgb24"
        )
        return Frame(
            index=self.index,
            time_s=self.time_s,
            pixels=np.ascontiguousarray(upright(small.to_ndarray(), self.info.orientation)),
            width_px=self.info.width_px,
            height_px=self.info.height_px,
        )

    def glance(self) -> NDArray[np.float32]:
        """Luma samples straight from the first plane where it holds them, one after the other."""
        kind, luma = self.native.format, self.native.planes[0]
        bits = kind.components[0].bits
        if (kind.is_planar or kind.name.startswith("gray")) and not kind.is_big_endian:
            samples = plane_array(luma, bits)
        else:
            samples, bits = self.native.to_ndarray(format="gray"), 8
        step = max(1, max(samples.shape) // GLANCE_PX)
        few: NDArray[np.float32] = samples[step // 2 :: step, step // 2 :: step].astype(np.float32)
        return few / np.float32(1 << max(bits - 8, 0))


def _video_shots(info: MediaInfo, faults: Faults, threads: int, *, sparse: bool) -> Iterator[Shot]:
    with video_errors(), open_video(info.path, info.format) as container:
        stream = main_video(container)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = threads
        if sparse:
            stream.codec_context.skip_frame = "NONREF"
        clock, coding = Clock(stream, info.format), Coding(stream)
        # the samples of an MP4's tables that its edit list lets through; one in fragments has no such table
        promised = len(stream.index_entries) if info.format == "mp4" and info.frame_count else 0
        index = packets = 0
        for packet in container.demux(stream):
            packets += packet.size > 0
            coding.add(packet)
            try:
                natives = packet.decode()
            except (ValueError, OSError) as error:  # PyAV's decoding errors derive from these two
                faults.append(f"frame {index}: {error}")
                natives = []
            if len(faults) >= MAX_DECODE_ERRORS:
                return
            for native in natives:
                if native.is_corrupt:
                    faults.append(f"frame {index}: damaged")
                same_size(native, info, index)
                yield VideoShot(index, clock.since_first_s(clock.pts_of(native)), info, native)
                index += 1
        faults.coding = coding.digest()
        if sparse:
            faults.skipped = max(packets - index, 0)
        if packets < promised:
            faults.append(f"the stream breaks off: its header promises {promised} frames, {packets} are there")
        if not index:
            faults.append("not one frame decodes")


def coding_of(info: MediaInfo) -> str:
    """Digest of all that decides what a video decodes to, and when it is shown; nothing is decoded for it.

    Raises:
        CorruptMedia: the file cannot be read to its end.
    """
    with video_errors(), open_video(info.path, info.format) as container:
        stream = main_video(container)
        coding = Coding(stream)
        for packet in container.demux(stream):
            coding.add(packet)
        return coding.digest()


def _sought(info: MediaInfo, times_us: Mapping[int, int], threads: int) -> Iterator[Shot]:
    """The wanted frames, in order, up to one that does not stand at its time."""
    with video_errors(), open_video(info.path, info.format) as container:
        stream = main_video(container)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = threads
        first = first_frame(container, stream).pts
        natives: Iterator[Any] = iter(())
        at: int | None = None  # of the frame before
        for index, time_us in times_us.items():
            pts = None if first is None else first + round(Fraction(time_us, 1_000_000) / stream.time_base)
            if pts is None:
                return
            if at is None or not at < pts <= at + NEAR_S / stream.time_base:
                container.seek(pts, stream=stream)
                natives = container.decode(stream)
            native = next((n for n in natives if n.pts is None or n.pts >= pts), None)
            if native is None or native.pts != pts:
                return
            at = pts
            yield VideoShot(index, Fraction(time_us, 1_000_000), info, native)
