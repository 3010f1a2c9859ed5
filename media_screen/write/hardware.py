"""A family of hardware encoders -> whether it works on this machine, and how it encodes what it can.

Only what is plain goes to it: 8 bits, 4:2:0, whole pictures, no HDR. All else is encoded in software, and said.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from media_screen.errors import SettingsError
from media_screen.write.encoders import FULL, open_encoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from media_screen.types import EncoderName
    from media_screen.write.encoders import Encoding

SOFTWARE: EncoderName = "software"
WITHOUT = "--encoder software does without it"
# No encoder here is left to reorder: how each makes up decoding times for uneven ones could not be tried
IN_ORDER = {"bf": "0"}
QUANT = 118  # FFmpeg's FF_QP2LAMBDA: steps of global_quality in one step of a quantizer
TRIED_FRAMES, TRIED_PX = 3, (320, 240)  # the smallest encoders refuse pictures of less than 145 x 49
SAME_SAMPLES = ("yuv420p", "nv12")  # in another order; yuvj420p as well where the frame says that it is full range


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The encoders that come with one maker's hardware."""

    encoders: dict[str, tuple[str, dict[str, str]]]  # codec -> (encoder, options), as in ENCODERS
    pixel_format: str = "nv12"  # that all of them take
    keeps_ceiling: bool = False  # True: constant quality heeds `maxrate` there


# Constant quality near that of ENCODERS, by the names of FFmpeg's nvenc.c, qsvenc.c, videotoolboxenc.c and amfenc_*.c
HARDWARE: dict[EncoderName, Family] = {
    "nvenc": Family(
        encoders={
            "h264": ("h264_nvenc", {"rc": "vbr", "cq": "20", "preset": "p4", "profile": "high"}),
            "hevc": ("hevc_nvenc", {"rc": "vbr", "cq": "22", "preset": "p4"}),
        },
        pixel_format="yuv420p",
        keeps_ceiling=True,
    ),
    "qsv": Family(  # with the flag a constant quantizer, the one such mode that all of Intel's generations have
        encoders={
            "h264": ("h264_qsv", {"flags": "+qscale", "global_quality": str(22 * QUANT)}),
            "hevc": ("hevc_qsv", {"flags": "+qscale", "global_quality": str(24 * QUANT)}),
        },
    ),
    "videotoolbox": Family(  # quality of 0 to 100; only Apple's own processors offer it
        encoders={
            "h264": ("h264_videotoolbox", {"flags": "+qscale", "global_quality": str(65 * QUANT), "profile": "high"}),
            "hevc": ("hevc_videotoolbox", {"flags": "+qscale", "global_quality": str(65 * QUANT)}),
        },
    ),
    "amf": Family(
        encoders={
            "h264": ("h264_amf", {"rc": "cqp", "qp_i": "20", "qp_p": "22", "max_b_frames": "0"}),
            "hevc": ("hevc_amf", {"rc": "cqp", "qp_i": "22", "qp_p": "24"}),
        },
    ),
}


def require(name: EncoderName) -> None:
    """Nothing, where software is asked for or some encoder of the family works here.

    Raises:
        SettingsError: none of its encoders does.
    """
    if fault := missing(name):
        raise SettingsError(fault)


def missing(name: EncoderName) -> str:
    """Why nothing of a family works on this machine; empty where something does. It is tried each time."""
    if name == SOFTWARE:
        return ""
    faults = faults_of(HARDWARE[name])
    if not all(faults.values()):
        return ""
    return f"encoder {name} does not work on this machine ({'; '.join(dict.fromkeys(faults.values()))}); {WITHOUT}"


def faults_of(family: Family) -> dict[str, str]:
    """Codec -> why its encoder does not work here, empty where it does."""
    return {
        codec: fault_of(encoder, family.pixel_format, IN_ORDER | options)
        for codec, (encoder, options) in family.encoders.items()
    }


def fault_of(encoder: str, pixel_format: str, options: Mapping[str, str]) -> str:
    """Why an encoder does not work on this machine, tried with a few frames there and back; empty where it does."""
    import av

    with _overheard() as said:
        try:
            count = _there_and_back(encoder, pixel_format, options)
        except av.codec.codec.UnknownCodecError:
            return "this FFmpeg was built without it"
        except (av.error.FFmpegError, ValueError) as error:
            return said[0][2].strip().rstrip(".") if said else str(error)
    return "" if count == TRIED_FRAMES else f"{count} of {TRIED_FRAMES} frames came back"


@contextmanager
def _overheard() -> Iterator[list[tuple[int, str, str]]]:
    """What FFmpeg says of its errors: which library is missing stands nowhere else."""
    import av

    before = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as said:
            yield said
    finally:
        av.logging.set_level(before)


def _there_and_back(encoder: str, pixel_format: str, options: Mapping[str, str]) -> int:
    import av

    buffer, (width, height) = io.BytesIO(), TRIED_PX
    with av.open(buffer, "w", format="matroska") as container:
        stream = container.add_stream(encoder, rate=25, options=dict(options))
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        open_encoder(stream.codec_context)
        for shade in range(TRIED_FRAMES):
            picture = np.full((height, width, 3), 30 + 80 * shade, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer) as container:
        return sum(1 for _ in container.decode(video=0))


def by_hardware(plain: Encoding, first: Any, name: EncoderName) -> Encoding:
    """The encoding in a family's hardware; where that does not encode such a video the same one, and a note why.

    Args:
        plain: how software would encode it.
        first: its first frame.
        name: of the family.
    """
    family = HARDWARE[name]
    if why := _why_not(plain, first, name):
        return replace(plain, notes=(*plain.notes, f"encoded in software: {why}"))
    encoder, options = family.encoders[plain.codec]
    ceiling = {k: v for k, v in plain.options if k == "maxrate" and family.keeps_ceiling}
    return replace(
        plain,
        encoder=encoder,
        is_hardware=True,
        pixel_format=family.pixel_format,
        options=tuple((IN_ORDER | options | ceiling).items()),
        notes=(*plain.notes, f"encoded by {encoder}"),
    )


def _why_not(plain: Encoding, first: Any, name: EncoderName) -> str:
    samples = first.format.name
    is_same = samples in SAME_SAMPLES or (samples == "yuvj420p" and first.color_range == FULL)
    if plain.codec not in HARDWARE[name].encoders:
        return f"{name} is not used for {plain.codec}"
    if plain.pixel_format != samples or not is_same:
        return f"{name} is not used for {plain.pixel_format} samples"
    if first.interlaced_frame:
        return f"{name} is not used for interlaced video"
    if any(side.type.name in ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL") for side in first.side_data):
        return f"{name} does not carry HDR metadata"
    return ""
