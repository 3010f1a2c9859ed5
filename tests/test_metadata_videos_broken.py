"""Videos cut short or damaged: an error with a reason or a clean whole film, never a crash and never a silent loss."""

from __future__ import annotations

from dataclasses import replace

import av
import pytest
from films import B_FRAMES, H264, QUIET, Film, make, seen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media_screen.errors import CorruptMedia, FileError
from media_screen.metadata import handler_for

SMALL = {"codec": "libx264", "options": {**B_FRAMES, "g": "4"}, "size": (48, 32), "frames": 6, "sound": ("mp2",)}
FILMS = {
    "header last": Film(muxer="mp4", **SMALL),
    "header first": Film(muxer="mp4", container_options={"movflags": "faststart"}, **SMALL),
    "fragments": Film(
        muxer="mp4", container_options={"movflags": "frag_keyframe+empty_moov+default_base_moof"}, **SMALL
    ),
    "HEVC": Film(
        muxer="mov", codec="libx265", options={"x265-params": "log-level=none"}, frames=8, sound=("pcm_s16le",)
    ),
    "Motion JPEG": Film(muxer="mov", codec="mjpeg", pixel_format="yuvj420p", size=(48, 32), frames=4),
    "AV1": Film(muxer="mp4", codec="libsvtav1", options={"preset": "11"}, frames=4),
    "Matroska": Film(muxer="matroska", **SMALL),
    "WebM": Film(muxer="webm", codec="libvpx-vp9", size=(48, 32), frames=6, sound=("libopus",)),
    "AVI": Film(muxer="avi", **{**SMALL, "options": {"bf": "0", **QUIET}}),
    "MPEG-4 in AVI": Film(muxer="avi", codec="mpeg4", size=(48, 32), frames=6, sound=("libmp3lame",)),
    "transport stream": Film(muxer="mpegts", **SMALL),
    "MPEG-2": Film(muxer="mpegts", codec="mpeg2video", size=(48, 32), frames=4, sound=("mp2",)),
}
BROKEN_EXAMPLES = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    av.logging.set_level(None)
    return tmp_path_factory.mktemp("broken")


@pytest.fixture(scope="module")
def films(folder):
    return {name: make(folder / f"{name}.{film.muxer}", film).read_bytes() for name, film in FILMS.items()}


@pytest.mark.parametrize("name", FILMS)
def test_cut_short_is_an_error(name, films, folder):
    """At a hundred places, most of them in the middle of something."""
    film, form = films[name], FILMS[name].format
    whole, path, out = folder / "whole", folder / "cut", folder / "out"
    whole.write_bytes(film)
    before = seen(whole, form)
    step = max(1, len(film) // 100)
    for cut in {*range(0, len(film), step), *range(min(40, len(film))), len(film) - 1}:
        if form == "mpegts" and cut % 188 == 0:
            continue  # whole packets are a whole stream: it has no length that could be wrong
        path.write_bytes(film[:cut])
        try:
            handler_for(form).read(path)
            handler_for(form).strip(path, out)
        except FileError as error:
            assert str(error)  # noqa: PT017 - an error or a whole film
            continue
        assert seen(out, form) == before, f"cut at {cut} of {len(film)}"


def test_cut_between_fragments_is_a_shorter_film(films, folder):
    """A recording that was stopped by the battery: each fragment is whole, and no box says how many there should be."""
    film = films["fragments"]
    last = film.rindex(b"moof") - 4
    (folder / "stopped.mp4").write_bytes(film[:last])
    handler_for("mp4").strip(folder / "stopped.mp4", folder / "stopped out.mp4")
    assert handler_for("mp4").read(folder / "stopped out.mp4") == []


@pytest.mark.parametrize("gap", [1, 100, 188 * 3 + 7])
def test_bytes_missing_in_the_middle_of_a_transport_stream(gap, films, folder):
    """A player finds its step again and goes on, so what follows the gap is no junk after the end."""
    film = films["transport stream"]
    for place in (len(film) // 3, len(film) // 2, len(film) - 1200):
        (folder / "gap.ts").write_bytes(film[:place] + film[place + gap :])
        with pytest.raises(CorruptMedia, match="missing in the middle"):
            handler_for("mpegts").read(folder / "gap.ts")


edits = st.lists(
    st.tuples(
        st.sampled_from(["set", "cut", "insert", "repeat", "number"]),
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 255),
        st.integers(1, 64),
    ),
    min_size=1,
    max_size=4,
)


def damaged(film: bytes, changes) -> bytes:
    """The film with bytes set, cut out, put in, said again, or with a number made large."""
    for what, where, byte, length in changes:
        # headers are short and what matters stands in them: every other change falls into the first or last bytes
        at = int(where * len(film)) if byte % 2 else int(where * min(len(film), 1500)) - (1500 if byte % 4 else 0)
        at %= max(1, len(film))
        if what == "set":
            film = film[:at] + bytes((byte,)) + film[at + 1 :]
        elif what == "cut":
            film = film[:at] + film[at + length :]
        elif what == "insert":
            film = film[:at] + bytes((byte,)) * length + film[at:]
        elif what == "repeat":
            film = film[: at + length] + film[at:]
        else:
            film = film[:at] + (byte << 24 | length).to_bytes(4, "big") + film[at + 4 :]
    return film


@pytest.mark.parametrize("name", FILMS)
def test_damaged_is_an_error_or_a_clean_film(name, films, folder):
    handler = handler_for(FILMS[name].format)
    path, out, again = folder / "damaged", folder / "mended", folder / "mended twice"

    @settings(max_examples=BROKEN_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(edits)
    def check(changes):
        path.write_bytes(damaged(films[name], changes))
        try:
            handler.read(path)
            handler.strip(path, out)
        except FileError:
            return
        assert handler.read(out) == []
        handler.strip(out, again)
        assert again.read_bytes() == out.read_bytes()

    check()


@pytest.mark.parametrize("format_name", ["mp4", "matroska", "avi", "mpegts"])
@pytest.mark.parametrize(
    "content", [b"", b"\0", b"\xff" * 5000, b"RIFF\4\0\0\0AVI ", b"\x1a\x45\xdf\xa3\x80", b"G" * 376]
)
def test_what_is_no_film_is_an_error(format_name, content, folder):
    path = folder / "nothing"
    path.write_bytes(content)
    with pytest.raises(FileError):
        handler_for(format_name).read(path)
    with pytest.raises(FileError):
        handler_for(format_name).read(folder / "not there")


def test_samples_larger_than_memory_are_an_error(folder):
    """A table that speaks of gigabytes, in a file with a hole of gigabytes."""
    film = bytearray(make(folder / "plain.mp4", replace(H264, sound=())).read_bytes())
    at = film.rindex(b"stsz") + 16
    film[at : at + 4] = b"\xf0\0\0\0"
    path = folder / "hole.mp4"
    start = film.index(b"mdat") - 4
    film[start : start + 4] = bytes(4)  # to the end of the file
    moov = film.rindex(b"moov") - 4
    path.write_bytes(film[:start][:start] + film[moov:] + film[start:moov])
    with path.open("r+b") as file:
        file.truncate(6 << 30)
    with pytest.raises(CorruptMedia):
        handler_for("mp4").read(path)
