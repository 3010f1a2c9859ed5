"""Public pictures that scikit-image ships -> data/samples: small real files with planted places, thumbnails and faces.

    .venv/bin/pip install -e '.[samples]' && .venv/bin/python scripts/make_samples.py

The astronaut (Eileen Collins, NASA, public domain), the rocket (SpaceX/NASA, public domain) and the coffee cup (Rachel
Michetti, CC0) are described in scikit-image's own documentation. What each must come to: data/samples/expected.yaml.
"""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import piexif
from PIL import Image
from skimage import data

if TYPE_CHECKING:
    from numpy.typing import NDArray

OUT = Path(__file__).parent.parent / "data" / "samples"
LUCKNOW = {  # a place in a public park
    piexif.GPSIFD.GPSLatitudeRef: "N",
    piexif.GPSIFD.GPSLatitude: ((26, 1), (50, 1), (4800, 100)),
    piexif.GPSIFD.GPSLongitudeRef: "E",
    piexif.GPSIFD.GPSLongitude: ((80, 1), (56, 1), (4600, 100)),
}
XMP_PLACE = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/" '
    'exif:GPSLatitude="26,50.8N" exif:GPSLongitude="80,56.7E"/>'
    "</rdf:RDF></x:xmpmeta>"
)
HEAD = (slice(0, 250), slice(120, 340))  # of the astronaut: rows, columns
RATE = 24


def main() -> None:
    """Write every sample."""
    OUT.mkdir(parents=True, exist_ok=True)
    astronaut, rocket, coffee = (Image.fromarray(a()) for a in (data.astronaut, data.rocket, data.coffee))
    portrait_sideways(astronaut)
    place_only(rocket)
    coffee.resize((480, 320)).save(OUT / "nothing to hide.png")
    astronaut.resize((320, 320)).save(OUT / "wrong name.jpg", format="PNG")
    truncated(rocket)
    walk(np.asarray(astronaut), np.asarray(coffee.resize((640, 360))), np.asarray(rocket.resize((640, 360))))
    patrol_turned(np.asarray(rocket.resize((480, 270))))


def exif(orientation: int, thumbnail: Image.Image | None = None) -> bytes:
    """EXIF with a place, a device and, if given, the picture once more as its thumbnail."""
    parts = {
        "0th": {
            piexif.ImageIFD.Make: "Sample",
            piexif.ImageIFD.Model: "Phone",
            piexif.ImageIFD.Orientation: orientation,
        },
        "Exif": {piexif.ExifIFD.BodySerialNumber: "SN-0042", piexif.ExifIFD.DateTimeOriginal: "2026:01:26 10:00:00"},
        "GPS": LUCKNOW,
    }
    if thumbnail is not None:
        buffer = io.BytesIO()
        thumbnail.convert("RGB").resize((160, 160)).save(buffer, "JPEG")
        parts |= {"1st": {piexif.ImageIFD.Compression: 6}, "thumbnail": buffer.getvalue()}
    block: bytes = piexif.dump(parts)
    return block


def portrait_sideways(astronaut: Image.Image) -> None:
    """As a phone held upright stores it: turned, with Orientation 6, and a thumbnail that shows the face."""
    stored = astronaut.transpose(Image.Transpose.ROTATE_90)
    stored.save(OUT / "portrait, held upright.jpg", quality=88, exif=exif(6, stored), xmp=XMP_PLACE.encode())


def place_only(rocket: Image.Image) -> None:
    """No face, but EXIF says where it was taken."""
    rocket.resize((480, 320)).save(OUT / "गश्त patrol.jpg", quality=85, exif=exif(1))


def truncated(rocket: Image.Image) -> None:
    """An upload that broke off."""
    buffer = io.BytesIO()
    rocket.resize((480, 320)).save(buffer, "JPEG", quality=85)
    (OUT / "broken upload.jpg").write_bytes(buffer.getvalue()[:9000])


def walk(astronaut: np.ndarray, scene: np.ndarray, other: np.ndarray) -> None:
    """Uneven frame times, sound, a place in the container; a face enters, moves, leaves, and is back after a cut."""
    head = np.asarray(Image.fromarray(astronaut[HEAD]).resize((150, 170)))
    frames, times, now = [], [], 0
    for number in range(84):
        picture = (scene if number < 60 else other).copy()
        if 6 <= number < 54:
            paste(picture, head, round(-150 + (number - 6) * 790 / 48), 90 + round(30 * np.sin(number / 6)))
        if 66 <= number < 80:
            paste(picture, head, 250, 100)
        frames.append(picture)
        times.append(now)
        now += (1, 1, 2, 1, 1, 1, 3)[number % 7]  # in 1/24 s
    clip(OUT / "walk past 🚔.mp4", frames, times, sound=True, place="+26.8467+080.9462/")


def paste(picture: np.ndarray, head: np.ndarray, x: int, y: int) -> None:
    """The part of the head that lies inside the picture."""
    height, width = head.shape[:2]
    left, right = max(x, 0), min(x + width, picture.shape[1])
    if left < right:
        picture[y : y + height, left:right] = head[:, left - x : right - x]


def patrol_turned(scene: np.ndarray) -> None:
    """A phone's portrait video: stored on its side with a display matrix, no face, a place."""
    frames = [np.ascontiguousarray(np.roll(scene, 3 * n, axis=1)) for n in range(30)]
    clip(OUT / "turned.mov", frames, list(range(30)), sound=False, place="+26.8467+080.9462/", rotation=-90)


def clip(
    path: Path, frames: list[NDArray[np.uint8]], times: list[int], *, sound: bool, place: str, rotation: int = 0
) -> None:
    """H.264 (and AAC) with exact times, one thread so that the same frames give the same bytes."""
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags", "fflags": "+bitexact"}) as target:
        target.metadata["com.apple.quicktime.location.ISO6709"] = place
        video = target.add_stream("libx264", rate=RATE, options={"crf": "24", "preset": "slow"})
        video.width, video.height = frames[0].shape[1], frames[0].shape[0]
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = Fraction(1, RATE)
        video.codec_context.thread_count = 1
        if rotation:
            video.set_display_rotation(rotation)
        if sound:
            tone(target, (times[-1] + 1) / RATE)
        for picture, time in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, RATE)
            target.mux(video.encode(frame))
        target.mux(video.encode(None))


def tone(target: av.container.OutputContainer, seconds: float) -> None:
    """A quiet 440 Hz tone."""
    audio = target.add_stream("aac", rate=44100, layout="mono")
    for start in range(0, int(seconds * 44100), 1024):
        wave = 0.1 * np.sin(2 * np.pi * 440 * np.arange(start, start + 1024) / 44100)
        frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 44100, start
        target.mux(audio.encode(frame))
    target.mux(audio.encode(None))


if __name__ == "__main__":
    main()
