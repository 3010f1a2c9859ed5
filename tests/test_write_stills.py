"""Stills and animations written anew, and files that appear whole or not at all."""

from __future__ import annotations

import gc
import io
import os
import stat
import subprocess
import sys
import weakref
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pillow_heif
import pytest
from clips import ORIENTATIONS, SIZE, Clip, make_clip, oriented, picture, psnr, scene, shown
from PIL import Image, ImageCms

from media_screen.decode import Faults, shots
from media_screen.errors import CorruptMedia, UnsupportedMedia, WriteFailed
from media_screen.probe import probe
from media_screen.redact import Redactor, Region
from media_screen.types import Box
from media_screen.write import PART_PREFIX, copy, publish, redact_still, workbench
from media_screen.write.animations import ANIMATIONS, changed

pillow_heif.register_heif_opener(thumbnails=False)

BOX = Box(x1=60.2, y1=20, x2=101, y2=57)  # up to the edge of an odd picture
PAINTED, LEFT = np.s_[20:57, 60:101], np.s_[:, :56]
TIMES_MS = [40, 120, 70, 200, 90]


def painting(box=BOX, style="fill"):
    redactor = Redactor(style=style)
    return lambda planes, *_: redactor.paint(planes, [Region(track_id=1, box=box)])


def rewritten(path, paint=None):
    part = path.with_name(f"new {path.name}")
    redact_still(probe(path), paint or painting(), part)
    return part


def frames(path):
    """(RGBA, milliseconds) of every frame as viewers compose it."""
    with Image.open(path) as image:
        seen = []
        for n in range(getattr(image, "n_frames", 1)):
            image.seek(n)
            seen.append((np.asarray(image.convert("RGBA")).copy(), image.info.get("duration")))
        return seen


# --- stills ---


STILLS = {
    "JPEG": ("JPEG", "RGB", {"quality": 85}, 38),
    "JPEG, fine": ("JPEG", "RGB", {"quality": 95, "subsampling": 0, "progressive": True}, 45),
    "JPEG, grey": ("JPEG", "L", {}, 38),
    "JPEG, four inks": ("JPEG", "CMYK", {}, 30),
    "PNG": ("PNG", "RGB", {}, 99),
    "PNG, palette": ("PNG", "P", {}, 99),
    "PNG, grey": ("PNG", "L", {}, 99),
    "PNG, black and white": ("PNG", "1", {}, 99),
    "PNG, transparent": ("PNG", "RGBA", {}, 99),
    "PNG, grey and transparent": ("PNG", "LA", {}, 99),
    "WebP": ("WEBP", "RGB", {"quality": 80}, 36),
    "WebP, lossless": ("WEBP", "RGB", {"lossless": True}, 99),
    "WebP, lossless with profile": ("WEBP", "RGB", {"lossless": True, "icc_profile": b"x" * 300}, 99),
    "WebP, transparent": ("WEBP", "RGBA", {"quality": 80, "exact": True}, 34),
    "TIFF": ("TIFF", "RGB", {}, 99),
    "TIFF, LZW": ("TIFF", "RGB", {"compression": "tiff_lzw"}, 99),
    "TIFF, JPEG": ("TIFF", "RGB", {"compression": "jpeg"}, 36),
    "TIFF, fax": ("TIFF", "1", {"compression": "group4"}, 99),
    "TIFF, palette": ("TIFF", "P", {}, 99),
    "TIFF, four inks": ("TIFF", "CMYK", {}, 99),
    "BMP": ("BMP", "RGB", {}, 99),
    "GIF": ("GIF", "P", {}, 99),
    "HEIC": ("HEIF", "RGB", {}, 38),
    "HEIC, transparent": ("HEIF", "RGBA", {}, 36),
    "AVIF": ("AVIF", "RGB", {}, 38),
}


@pytest.mark.parametrize("name", STILLS)
def test_a_still_is_painted_and_all_else_stays(tmp_path, name):
    pillow_name, mode, options, least_db = STILLS[name]
    path = tmp_path / "a"
    picture(mode).save(path, pillow_name, **options)
    old, new = frames(path)[0][0], frames(rewritten(path))[0][0]
    assert new.shape == old.shape
    assert psnr(new[LEFT], old[LEFT]) >= least_db
    assert np.array_equal(new[..., 3], old[..., 3]) or psnr(new[..., 3], old[..., 3]) > 40
    assert new[24:, 66:, :3].max() < 30
    assert new[20:, 61:, :3].mean() < 16
    info = probe(tmp_path / "new a")
    assert (info.format, info.frame_count) == (probe(path).format, 1)
    assert info.size_bytes < 1.6 * path.stat().st_size or pillow_name in ("TIFF", "BMP", "PNG")


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("pillow_name", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_a_turned_still_is_painted_where_it_is_seen_and_written_upright(tmp_path, pillow_name, orientation):
    path = tmp_path / "a"
    picture(size=(96, 64)).save(path, pillow_name, exif=oriented(orientation))
    new = rewritten(path, painting(Box(x1=4, y1=30, x2=24, y2=50)))
    info = probe(new)
    truth = shown(scene(0, (96, 64)), orientation).copy()
    assert (info.orientation, info.width_px, info.height_px) == (1, truth.shape[1], truth.shape[0])
    pixels = frames(new)[0][0][..., :3].copy()
    assert pixels[34:46, 8:20].max() < 40
    pixels[24:56, :32] = truth[24:56, :32] = 0
    assert psnr(pixels, truth) > 24


@pytest.mark.parametrize("orientation", [1, 6, 7])
@pytest.mark.parametrize("name", STILLS)
def test_the_picture_that_was_examined_makes_the_same_copy_as_the_file(tmp_path, name, orientation):
    pillow_name, mode, options, _ = STILLS[name]
    path = tmp_path / "a"
    picture(mode).save(path, pillow_name, exif=oriented(orientation), **options)
    info = probe(path)
    (shot,) = shots(info, Faults())
    redact_still(info, painting(style="blur"), tmp_path / "b", seen=shot.frame(4096).pixels)
    assert (tmp_path / "b").read_bytes() == rewritten(path, painting(style="blur")).read_bytes()
    redact_still(info, painting(style="blur"), tmp_path / "c", seen=shot.frame(50).pixels)  # too small to be the whole
    assert (tmp_path / "c").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_was_examined_is_not_decoded_again(tmp_path, monkeypatch):
    path = tmp_path / "a.jpg"
    picture("RGB").save(path, quality=85)
    info = probe(path)
    (shot,) = shots(info, Faults())
    seen = shot.frame(4096).pixels
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(pytest.fail.Exception, match="decoded"):
        rewritten(path)
    monkeypatch.setattr(Image.Image, "load", lambda *_: None)
    redact_still(info, painting(), tmp_path / "b.jpg", seen=seen)


def test_a_jpeg_keeps_tables_subsampling_order_density_and_profile(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = tmp_path / "a.jpg"
    options = {"quality": 71, "subsampling": 1, "progressive": True, "dpi": (240, 240), "icc_profile": profile}
    picture().save(path, "JPEG", **options)
    with Image.open(path) as old, Image.open(rewritten(path)) as new:
        from PIL.JpegImagePlugin import get_sampling

        assert new.quantization == old.quantization
        assert get_sampling(new) == get_sampling(old) == 1
        assert new.info["progressive"]
        assert new.info["dpi"] == (240, 240)
        assert new.info["icc_profile"] == profile


@pytest.mark.parametrize("pillow_name", ["PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_the_colour_profile_stays(tmp_path, pillow_name):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = tmp_path / "a"
    picture().save(path, pillow_name, icc_profile=profile)
    with Image.open(rewritten(path)) as new:
        assert new.info["icc_profile"] == profile


@pytest.mark.parametrize("pillow_name", ["PNG", "TIFF"])
def test_grey_of_16_bits_keeps_them(tmp_path, pillow_name):
    path = tmp_path / "a"
    ramp = (np.arange(101 * 57).reshape(57, 101) * 11).astype(np.uint16)
    Image.fromarray(ramp).save(path, pillow_name)
    with Image.open(rewritten(path)) as new:
        samples = np.asarray(new).astype(np.uint16)
    assert np.array_equal(samples[LEFT], ramp[LEFT])
    assert samples[PAINTED].max() == 0


def test_deep_colour_is_refused_rather_than_crushed(tmp_path):
    ten = pillow_heif.from_bytes("RGB;16", SIZE, np.full((*SIZE[::-1], 3), 40_000, "<u2").tobytes())
    ten.save(tmp_path / "a.heic")
    with pytest.raises(UnsupportedMedia, match="10 bits"):
        rewritten(tmp_path / "a.heic")


def test_of_a_jpeg_with_two_pictures_one_goes_on(tmp_path):
    path = tmp_path / "a.jpg"
    picture().save(path, "MPO", save_all=True, append_images=[picture(index=5)])
    new = rewritten(path)
    assert new.read_bytes().count(b"\xff\xd8\xff") == 1
    assert psnr(frames(new)[0][0][LEFT], frames(path)[0][0][LEFT]) > 34


def test_of_a_heic_with_several_pictures_the_primary_goes_on(tmp_path):
    path = tmp_path / "a.heic"
    picture(size=(40, 30)).save(path, "HEIF", save_all=True, append_images=[picture()], primary_index=1)
    heif = pillow_heif.open_heif(rewritten(path))
    assert len(heif) == 1
    assert heif.size == SIZE


def test_every_page_of_a_scan_is_painted(tmp_path):
    path = tmp_path / "a.tif"
    pages = [picture(index=n) for n in range(3)]
    pages[0].save(path, save_all=True, append_images=pages[1:], compression="tiff_adobe_deflate")
    new = frames(rewritten(path))
    assert len(new) == 3
    for (page, _), (was, _) in zip(new, frames(path), strict=True):
        assert np.array_equal(page[LEFT], was[LEFT])
        assert page[PAINTED][..., :3].max() == 0


def test_small_photos_do_not_blow_up(tmp_path):
    for name, quality in (("WEBP", 40), ("HEIF", 35), ("AVIF", 40)):
        path = tmp_path / name
        noise = np.random.default_rng(0).integers(-12, 13, (256, 384, 3))
        Image.fromarray(np.clip(scene(0, (384, 256)) + noise, 0, 255).astype(np.uint8)).save(
            path, name, quality=quality
        )
        new = rewritten(path)
        assert new.stat().st_size < 2.2 * path.stat().st_size
        assert psnr(frames(new)[0][0][:, :56], frames(path)[0][0][:, :56]) > 34


def test_a_source_that_breaks_off_is_corrupt_and_nothing_else(tmp_path):
    path = tmp_path / "a.jpg"
    picture().save(path, quality=95)
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(CorruptMedia):
        rewritten(path)


@pytest.mark.parametrize("pillow_name", ["GIF", "PNG", "WEBP", "TIFF"])
def test_a_source_of_many_pages_that_breaks_off_is_corrupt_and_no_write_error(tmp_path, pillow_name):
    path = tmp_path / "a"
    pages = [picture(index=n) for n in range(5)]
    pages[0].save(path, pillow_name, save_all=True, append_images=pages[1:])
    info, data = probe(path), bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) * 9 // 10] = bytes(len(data) * 9 // 10 - len(data) // 2)
    path.write_bytes(data)
    with pytest.raises(CorruptMedia):
        redact_still(info, painting(), tmp_path / "new a")


# --- animations ---


def animation(path, pillow_name, pages, **options):
    kept = {"duration": TIMES_MS, "loop": 0} | (
        {"disposal": 2} if pillow_name == "GIF" and pages[0].mode == "RGBA" else {}
    )
    pages[0].save(path, pillow_name, save_all=True, append_images=pages[1:], **(kept | options))
    return path


def flat(rgba):
    """Over black."""
    return np.where(rgba[..., 3:] < 128, 0, rgba[..., :3])


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("pillow_name", ["GIF", "PNG", "WEBP"])
def test_an_animation_keeps_its_frames_times_and_transparency(tmp_path, pillow_name, mode):
    pages = [picture(mode, index=n) for n in range(5)]
    path = animation(tmp_path / "a", pillow_name, pages)
    old, new = frames(path), frames(rewritten(path))
    assert [ms for _, ms in new] == [ms for _, ms in old] == TIMES_MS
    for n, ((was, _), (now, _)) in enumerate(zip(old, new, strict=True)):
        clear = was[..., 3] < 128
        assert np.array_equal(now[..., 3] < 128, clear)
        assert clear.any() == (mode == "RGBA")
        visible = ~clear[LEFT]
        assert psnr(now[LEFT][visible][:, :3], was[LEFT][visible][:, :3]) > (33 if pillow_name == "WEBP" else 36), n
        assert now[24:, 66:, :3].max() < 30
        likeness = [psnr(flat(now[LEFT]), flat(other[LEFT])) for other, _ in old]
        assert int(np.argmax(likeness)) == n


@pytest.mark.parametrize("clear", [{0}, {2}, {4}, {0, 1}, {1, 3}])
def test_a_gif_is_clear_in_the_frames_that_were(tmp_path, clear):
    pages = [picture("RGBA" if n in clear else "RGB", index=n) for n in range(5)]
    with (tmp_path / "a.gif").open("wb") as file:
        ANIMATIONS["gif"](file, ((page, Fraction(1, 10)) for page in pages), {})
    with av.open(str(tmp_path / "a.gif")) as container:  # Pillow's reader forgets transparency that comes late
        seen = [frame.to_ndarray(format="rgba") for frame in container.decode(video=0)]
    for page, now in zip(pages, seen, strict=True):
        was = np.asarray(page.convert("RGBA"))
        assert np.array_equal(now[..., 3], was[..., 3])
        assert psnr(flat(now), flat(was)) > 28  # 255 colours of a smooth picture


@pytest.mark.parametrize("pillow_name", ["GIF", "PNG", "WEBP"])
def test_frames_that_look_alike_once_painted_stay_apart(tmp_path, pillow_name):
    pages = []
    for n in range(5):
        page = np.array(picture())
        page[30:40, 70 + 3 * n : 75 + 3 * n] = (250, 250, 20)  # moves where it will be painted
        pages.append(Image.fromarray(page))
    path = animation(tmp_path / "a", pillow_name, pages)
    assert len(frames(path)) == 5
    new = frames(rewritten(path))
    assert [ms for _, ms in new] == TIMES_MS
    assert all(now[24:, 66:, :3].max() < 30 for now, _ in new)
    assert probe(tmp_path / "new a").frame_count == 5


@pytest.mark.parametrize("loop", [0, 3])
@pytest.mark.parametrize("pillow_name", ["GIF", "PNG", "WEBP"])
def test_how_often_an_animation_runs_stays(tmp_path, pillow_name, loop):
    path = animation(tmp_path / "a", pillow_name, [picture(index=n) for n in range(5)], loop=loop)
    with Image.open(rewritten(path)) as new:
        assert new.info["loop"] == loop


def test_a_gif_that_runs_once_runs_once(tmp_path):
    path = animation(tmp_path / "a", "GIF", [picture(index=n) for n in range(5)], loop=None)
    with Image.open(path) as old, Image.open(rewritten(path)) as new:
        assert "loop" not in old.info
        assert "loop" not in new.info


def test_a_gif_of_parts_laid_over_each_other_is_seen_as_before(tmp_path):
    path = tmp_path / "a.gif"
    background, moving = picture("P"), []
    for n in range(1, 5):
        page = np.array(background)
        page[10:20, 5 * n : 5 * n + 8] = 3
        part = Image.fromarray(page)
        part.putpalette(background.getpalette())
        moving.append(part)
    background.save(path, save_all=True, append_images=moving, duration=TIMES_MS, optimize=True, disposal=1)
    old, new = frames(path), frames(rewritten(path))
    for (was, _), (now, _) in zip(old, new, strict=True):
        assert psnr(now[LEFT][..., :3], was[LEFT][..., :3]) > 40
    assert (tmp_path / "new a.gif").stat().st_size < 3 * path.stat().st_size


def test_a_lossless_animation_stays_lossless(tmp_path):
    path = animation(tmp_path / "a", "WEBP", [picture(index=n) for n in range(5)], lossless=True)
    for (was, _), (now, _) in zip(frames(path), frames(rewritten(path)), strict=True):
        assert np.array_equal(now[LEFT], was[LEFT])


def test_a_profile_of_an_animation_stays(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for name in ("PNG", "WEBP"):
        path = animation(tmp_path / name, name, [picture(index=n) for n in range(5)], icc_profile=profile)
        with Image.open(rewritten(path)) as new:
            assert new.info["icc_profile"] == profile


def test_a_sequence_that_could_not_stay_one_is_refused(tmp_path):
    path = animation(tmp_path / "a.avif", "AVIF", [picture(index=n) for n in range(5)])
    with pytest.raises(UnsupportedMedia, match="image sequence"):
        rewritten(path)


@pytest.mark.parametrize("format_name", ANIMATIONS)
def test_no_more_than_a_few_pages_are_held(format_name):
    made, most = [], []

    def pages():
        for n in range(10):
            page = picture(index=n)
            made.append(weakref.ref(page))
            gc.collect()
            most.append(sum(page() is not None for page in made))
            yield page, Fraction(1, 10)

    ANIMATIONS[format_name](io.BytesIO(), pages(), {"loop": 0})
    assert len(most) == 10
    assert max(most) <= 4


@pytest.mark.parametrize(
    ("places", "box"),
    [([(5, 9)], (8, 4, 10, 6)), ([(0, 0)], (0, 0, 1, 1)), ([(3, 2), (9, 12)], (2, 2, 13, 10)), ([], (0, 0, 1, 1))],
)
def test_what_changed_is_found_from_even_places_on(places, box):
    before = np.zeros((12, 16, 3), np.uint8)
    after = before.copy()
    for y, x in places:
        after[y, x, 1] = 1
    assert changed(before, after) == box
    assert changed(None, after) == (0, 0, 16, 12)


# --- whole or not at all ---


def left_in(folder):
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


def test_only_what_was_published_stays(tmp_path):
    target = tmp_path / "out" / "a.jpg"
    with workbench(target) as part:
        assert part.parent == target.parent
        assert part.name.startswith(PART_PREFIX)
        assert part.suffix == ".jpg"
        part.write_bytes(b"new")
        assert left_in(tmp_path) == [part.name]
        publish(part, target)
    assert left_in(tmp_path) == ["a.jpg"]
    assert target.read_bytes() == b"new"


def test_nothing_is_left_of_what_failed_and_the_old_file_stays(tmp_path):
    target = tmp_path / "a.jpg"
    target.write_bytes(b"old")

    def fails():
        with workbench(target) as part:
            part.write_bytes(b"half")
            raise CorruptMedia("broken")

    with pytest.raises(CorruptMedia):
        fails()
    assert left_in(tmp_path) == ["a.jpg"]
    assert target.read_bytes() == b"old"


def test_two_at_one_target_do_not_meet(tmp_path):
    with workbench(tmp_path / "a.jpg") as one, workbench(tmp_path / "a.jpg") as other:
        assert one != other


def test_a_folder_that_cannot_be_is_a_write_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteFailed, match="cannot be written"), workbench(tmp_path / "file" / "a.jpg"):
        pass
    with pytest.raises(WriteFailed, match="No such file"):
        publish(tmp_path / "absent", tmp_path / "a.jpg")
    with pytest.raises(WriteFailed):
        copy(tmp_path / "absent", tmp_path / "a.jpg")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="this user may write anywhere")
def test_a_folder_that_may_not_be_written_is_a_write_error(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(WriteFailed, match="Permission denied"), workbench(tmp_path / "a.jpg") as part:
        copy(Path(__file__), part)


def test_a_copy_has_the_bytes_and_nothing_else_of_its_source(tmp_path):
    source, part = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"x" * 5000)
    os.utime(source, (1_000_000, 1_000_000))
    source.chmod(0o400)
    copy(source, part)
    assert part.read_bytes() == source.read_bytes()
    assert part.stat().st_mtime > 1_000_000_000
    assert part.stat().st_mode & 0o200


FULL_DISK = """
import resource, sys, pathlib
from media_screen import write
from media_screen.probe import probe
from media_screen.errors import WriteFailed
here, limits = pathlib.Path(sys.argv[1]), [0, 700, 2000]
for source in sorted((here / "in").iterdir()):
    info = probe(source)
    works = {"copy": lambda part: write.copy(source, part)}
    if info.kind == "image":
        works["redact"] = lambda part: write.redact_still(info, lambda *_: None, part)
    else:
        works["redact"] = lambda part: write.redact_video(info, lambda *_: None, part)
    for name, work in works.items():
        for limit in limits:
            target = here / "out" / f"{name} {limit} {source.name}"
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            said = "nothing"
            try:
                with write.workbench(target) as part:
                    work(part)
                    write.publish(part, target)
            except WriteFailed as error:
                said = str(error)
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            print(target.name, said, sep="|")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes there")
def test_a_full_disk_is_said_and_nothing_is_left(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name, codec in (("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.avi", "mpeg4"), ("a.ts", "libx264")):
        make_clip(folder, Clip(name=name, codec=codec, size=(160, 96), tick_s=Fraction(1, 25), times=range(12)))
    for name, pillow_name in (
        ("a.jpg", "JPEG"),
        ("a.heic", "HEIF"),
        ("a.tif", "TIFF"),
        ("a.bmp", "BMP"),
        ("b.png", "PNG"),
    ):
        picture(size=(300, 200)).save(folder / name, pillow_name)
    for pillow_name in ("GIF", "PNG", "WEBP"):
        animation(folder / f"a.{pillow_name.lower()}", pillow_name, [picture(index=n) for n in range(5)])
    assert min(path.stat().st_size for path in folder.iterdir()) > 2000
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = dict(line.split("|") for line in done.stdout.splitlines())
    assert len(said) == 12 * 2 * 3
    assert [name for name, words in said.items() if "no room to write the output" not in words] == []
    assert left_in(tmp_path / "out") == []
