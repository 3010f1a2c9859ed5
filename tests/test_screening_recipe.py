"""How the screening detector is taught and measured: what is unknown is never taught, near-duplicates go one way."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from media_screen.config import load_manifest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "scripts" / "train")]

import evaluate  # noqa: E402 - it lies in scripts/
import screening_data as data  # noqa: E402

SIDE = 320
CAR, GUN, PERSON, OFFICER = (data.CLASSES.index(n) for n in ("vehicle", "handgun", "person", "police_officer"))
NOTHING = np.zeros((0, 5))


def picture(**told):
    plain = {
        "name": "a.png", "source": "arms/weapons_ahmed", "fold": "train", "gold": False,
        "boxes": NOTHING, "doubts": NOTHING, "unknown": (),
    }  # fmt: skip
    return data.Labelled(**{**plain, **told})


def scene(seed, size=96):
    """Soft shapes: a picture that has structure at every scale."""
    noise = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)


# ------------------------------------------------------------------------------------------------- the recipe


@pytest.mark.parametrize("source", data.RECIPE["sources"])
def test_each_source_says_of_each_class_what_it_says(source):
    rule = data.RECIPE["sources"][source]
    named = [name for mode in ("known", "taught", "around", "unknown") for name in rule.get(mode, ())]
    assert len(named) == len(set(named))
    assert set(named) | set(rule.get("map", {}).values()) | set(rule.get("judged", ())) <= set(data.CLASSES)
    assert rule["rest"] in ("known", "unknown")
    assert rule.get("share", 0) > 0 or rule.get("fold") == "test"
    for name in [*rule.get("taught", ()), *rule.get("around", ())]:
        assert data.RECIPE["classes"][name]["teacher"], f"no teacher knows {name}"


def test_gold_and_test_only_sources_have_no_share_of_what_is_drawn():
    for source, rule in data.RECIPE["sources"].items():
        if rule.get("fold") == "test":
            assert "share" not in rule, source


# ------------------------------------------------------------------------------------------------- folds


def test_a_picture_turned_mirrored_or_compressed_is_the_same_picture():
    first, other = scene(1), scene(2)
    alike = [np.rot90(first), first[:, ::-1], cv2.imdecode(cv2.imencode(".jpg", first, [1, 40])[1], 1)]
    told = [data.hashes(np.ascontiguousarray(p)) for p in (first, *alike, other)]
    assert data.clusters(told, data.RECIPE["near_duplicate_bits"]) == [0, 0, 0, 0, 4]


def test_what_resembles_a_gold_picture_is_test_and_a_cluster_is_never_divided():
    rows = [{"name": str(i), "source": "police/idenprof_police", "gold": i == 2} for i in range(6)]
    data._divide(rows, [0, 0, 0, 3, 3, 3])
    assert [r["fold"] for r in rows[:3]] == ["test"] * 3
    assert len({r["fold"] for r in rows[3:]}) == 1


# ------------------------------------------------------------------------------------------------- the teacher


def told_by(teacher_rows, rule, tmp_path, line="0 0.5 0.5 0.5 0.5"):
    (tmp_path / "images").mkdir(exist_ok=True)
    (tmp_path / "labels").mkdir(exist_ok=True)
    (tmp_path / "labels" / "a.txt").write_text(line, encoding="utf-8")
    names = ["handgun"]
    rgb = np.zeros((100, 100, 3), np.uint8)
    return data.known_of(tmp_path / "images" / "a.png", rgb, rule, names, lambda _: np.array(teacher_rows))


def test_what_the_teacher_is_sure_of_is_a_box_and_what_it_doubts_is_unknown(tmp_path):
    rule = {"map": {"handgun": "handgun"}, "taught": ["vehicle"], "rest": "known"}
    row = told_by([[2, 0.9, 0, 0, 10, 10], [2, 0.2, 80, 80, 95, 95]], rule, tmp_path)
    assert [CAR, 0, 0, 10, 10] in row["boxes"]
    assert row["doubts"] == [[CAR, 80, 80, 95, 95]]


def test_a_labelled_pistol_is_no_phone_whatever_the_teacher_says(tmp_path):
    rule = {"map": {"handgun": "handgun"}, "taught": ["mobile_phone"], "rest": "known"}
    row = told_by([[67, 0.9, 26, 26, 74, 74]], rule, tmp_path)
    assert [int(b[0]) for b in row["boxes"]] == [GUN]
    assert row["doubts"] == []


def test_around_never_makes_a_box(tmp_path):
    rule = {"map": {"handgun": "handgun"}, "around": ["police_officer"], "rest": "unknown"}
    row = told_by([[0, 0.95, 0, 0, 20, 60]], rule, tmp_path)
    assert [int(b[0]) for b in row["boxes"]] == [GUN]
    assert row["doubts"] == [[OFFICER, 0, 0, 20, 60]]
    assert CAR in row["unknown"]
    assert OFFICER not in row["unknown"]


# ------------------------------------------------------------------------------------------------- drawing


@pytest.fixture
def drawer(tmp_path, monkeypatch):
    """Draws one picture: a red car at the upper left of a green ground, doubtful people, nothing known of weapons."""
    rgb = np.full((200, 300, 3), (0, 160, 0), np.uint8)
    rgb[20:80, 30:120] = (220, 0, 0)
    cv2.imwrite(str(tmp_path / "a.png"), rgb[:, :, ::-1])
    car = picture(
        boxes=np.array([[CAR, 30, 20, 120, 80.0]]), doubts=np.array([[PERSON, 200, 100, 290, 190.0]]), unknown=(GUN,)
    )
    monkeypatch.setitem(data.RECIPE["sources"]["arms/weapons_ahmed"], "share", 1.0)
    return data.Drawer(tmp_path, [car])


def drawn(drawer, **rule):
    drawer.rule = {**data.RECIPE["draw"], "paste": 0, "tone": 0, "night": 0, "grey": 0, "blur": 0, "jpeg": 0, **rule}
    return [drawer.draw(np.random.default_rng(i), SIDE) for i in range(24)]


def is_red(rgb):
    return (rgb[:, :, 0] > 150) & (rgb[:, :, 1] < 70)


@pytest.mark.parametrize("mosaic", [0.0, 1.0])
def test_boxes_lie_on_what_they_name_however_it_is_turned(drawer, mosaic):
    seen = 0
    for canvas in drawn(drawer, mosaic=mosaic):
        red = is_red(canvas.rgb)
        for label, x1, y1, x2, y2 in canvas.boxes:
            inside = red[int(y1) : int(np.ceil(y2)), int(x1) : int(np.ceil(x2))]
            assert label == CAR
            assert inside.mean() > 0.4  # a turned rectangle fills its box in part
            seen += 1
        if mosaic == 0 and len(canvas.boxes) == 1:
            _, x1, y1, x2, y2 = canvas.boxes[0]
            ys, xs = np.nonzero(red)
            assert (xs.min(), ys.min()) == pytest.approx((x1, y1), abs=3)
            assert (xs.max() + 1, ys.max() + 1) == pytest.approx((x2, y2), abs=3)
    assert seen > 10


def test_of_a_class_that_the_picture_does_not_know_nothing_is_taught(drawer):
    for canvas in drawn(drawer, mosaic=0.0):
        assert not canvas.mask[GUN].any()
        assert canvas.mask[CAR].sum() >= canvas.mask[PERSON].sum()
    assert any(0 < canvas.mask[PERSON].mean() < 1 for canvas in drawn(drawer, mosaic=0.0))


def test_the_same_step_and_place_draw_the_same(drawer):
    first, again = drawer.batch(7, SIDE), drawer.batch(7, SIDE)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], drawer.batch(8, SIDE)[0])


def test_the_last_pictures_are_whole(drawer):
    drawer.rule = {**data.RECIPE["draw"], "mosaic": 0.0}
    single = drawer.draw(np.random.default_rng(3), SIDE)
    drawer.rule = {**data.RECIPE["draw"], "mosaic": 1.0}
    whole = drawer.draw(np.random.default_rng(3), SIDE, whole=True)
    assert np.array_equal(single.rgb, whole.rgb)
    assert not np.array_equal(single.rgb, drawer.draw(np.random.default_rng(3), SIDE).rgb)


def test_the_shipped_row_has_the_classes_and_scores_of_the_recipe():
    (row,) = (row for row in load_manifest() if row.name == "screening")
    told = yaml.safe_load((ROOT / "scripts" / "train" / "screening_scores.yaml").read_text(encoding="utf-8"))
    assert row.labels == data.SHIPPED
    assert row.looks_px == tuple(data.RECIPE["row"]["looks_px"])
    assert {name: row.score_of(name) for name in data.SHIPPED} == {name: told[name]["score"] for name in data.SHIPPED}


def wearer(cloth):
    """A figure in one cloth with a fold in it, a head above, before a green ground; and its box."""
    rgb = np.full((200, 120, 3), (40, 160, 60), np.uint8)
    rgb[20:50, 45:75] = (200, 150, 120)
    rgb[50:190, 35:85] = cloth
    rgb[100:110, 35:85] = np.clip(np.array(cloth) + 25, 0, 255)
    return rgb, np.array([[35.0, 20, 85, 190]])


KHAKI = [[[140, 140], [132, 132], [150, 150]]]


@pytest.mark.parametrize("cloth", [(25, 30, 60), (20, 20, 22), (210, 205, 200)])
def test_cloth_is_dyed_with_its_folds_and_nothing_else(cloth):
    rgb, boxes = wearer(cloth)
    dyed = data.reclothed(rgb, boxes, KHAKI, np.random.default_rng(1))
    assert np.abs(dyed[:45].astype(int) - rgb[:45]).max() <= 3  # the head
    assert np.abs(dyed[:, :30].astype(int) - rgb[:, :30]).max() <= 3  # the ground
    red, green, blue = dyed[140, 60].astype(int)
    assert red > green > blue + 20
    assert dyed[105, 60].sum() > dyed[140, 60].sum() + 20  # the fold
    assert np.array_equal(rgb, wearer(cloth)[0])  # the picture itself is kept for the next time


def test_only_who_the_recipe_names_is_dyed(tmp_path):
    rgb, boxes = wearer((25, 30, 60))
    cv2.imwrite(str(tmp_path / "a.png"), rgb[:, :, ::-1])
    rule = {**data.RECIPE["draw"], "reclothe": {"police_officer": 1.0, "person": 0.0}, "cloths": KHAKI}
    told = {}
    for label in (OFFICER, PERSON):
        index = [picture(boxes=np.column_stack([[label], boxes]))]
        drawer = data.Drawer(tmp_path, index)
        drawer.rule = rule
        told[label] = drawer._reclothed(index[0], np.random.default_rng(1))
    assert told[OFFICER].tolist() == boxes.tolist()
    assert len(told[PERSON]) == 0


# ------------------------------------------------------------------------------------------------- measuring


def rows(*told):
    return np.array(told, np.float64).reshape(-1, 6)


def test_each_object_is_found_once_and_the_rest_are_false_alarms():
    car = picture(boxes=np.array([[CAR, 0, 0, 100, 100.0]]))
    judged = evaluate.judge(
        rows([CAR, 0.9, 0, 0, 100, 100], [CAR, 0.8, 0, 0, 100, 95], [GUN, 0.7, 0, 0, 100, 100]), car, 0, ("vehicle",)
    )
    assert judged.hits.tolist() == [1, -1]
    assert judged.objects == 1


def test_in_an_incomplete_crowd_and_over_a_doubt_what_matches_nothing_counts_neither_way():
    told = rows([PERSON, 0.9, 0, 0, 50, 50])
    assert evaluate.judge(told, picture(), 0, ("person",)).hits.tolist() == [-1]
    crowd = picture(flags="crowd_incomplete")
    assert evaluate.judge(told, crowd, 0, ("person",)).hits.tolist() == [0]
    doubted = picture(doubts=np.array([[PERSON, 0, 0, 50, 50.0]]))
    assert evaluate.judge(told, doubted, 0, ("person",)).hits.tolist() == [0]
    other = picture(doubts=np.array([[CAR, 0, 0, 50, 50.0]]))
    assert evaluate.judge(told, other, 0, ("person",)).hits.tolist() == [-1]


def test_indian_camouflage_told_for_the_other_counts_neither_way_and_an_officer_told_for_nobody_does():
    soldier = np.array([[data.CLASSES.index("military_person"), 0, 0, 50, 100.0]])
    told = rows([OFFICER, 0.9, 0, 0, 50, 100])
    gold = picture(source="police/in_forces_himanshu", boxes=soldier)
    army = picture(source="police/in_military_srimadhav", boxes=soldier)
    assert evaluate.judge(told, gold, 0, ("police_officer",)).hits.tolist() == [0]
    assert evaluate.judge(told, army, 0, ("police_officer",)).hits.tolist() == [-1]


def test_average_precision_is_the_area_under_the_curve():
    def one(scores, hits, objects):
        return evaluate.Judged(picture=0, scores=np.array(scores), hits=np.array(hits), objects=objects, best=0.0)

    assert evaluate.average_precision([one([0.9, 0.8], [1, 1], 2)]) == 1.0
    assert evaluate.average_precision([one([0.9, 0.8, 0.7], [1, -1, 1], 4)]) == pytest.approx((1 + 2 / 3) / 4)
    assert np.isnan(evaluate.average_precision([one([0.9], [-1], 0)]))


def test_a_picture_drawn_twice_counts_twice():
    def one(number, scores, hits, objects):
        return evaluate.Judged(picture=number, scores=np.array(scores), hits=np.array(hits), objects=objects, best=0.0)

    good, bad, empty = one(0, [0.9], [1], 1), one(1, [0.95, 0.3], [-1, 1], 2), one(2, [], [], 0)
    drawn = np.array([[1, 1, 1], [2, 1, 0], [0, 0, 3]])
    told = evaluate.precisions([good, bad, empty], drawn)
    assert told[0] == pytest.approx(evaluate.average_precision([good, bad, empty]))
    assert told[1] == pytest.approx(evaluate.average_precision([good, good, bad]))
    assert np.isnan(told[2])
    low, high = evaluate.interval([good, bad, empty])
    assert 0 <= low < told[0] < high <= 1


def test_calibrated_scores_are_right_about_half_the_time_at_a_half():
    rng = np.random.default_rng(3)
    raw = rng.uniform(0.02, 0.98, 4000)
    chance = 1 / (1 + np.exp(-(1.5 * evaluate.logit(raw) - 1)))  # what is told is too sure of itself
    judged = evaluate.Judged(
        picture=0, scores=raw, hits=np.where(rng.random(4000) < chance, 1, -1), objects=1, best=0.0
    )
    a, b = evaluate.calibration([judged])
    assert (a, b) == pytest.approx((1.5, -1.0), abs=0.15)


def test_the_operating_score_is_as_low_as_the_ordinary_pictures_allow():
    quiet, noisy, hopeless = np.zeros(100), np.linspace(0.0, 0.4, 101), np.linspace(0.0, 1.0, 101)
    low, high = evaluate.BETWEEN
    assert evaluate.chosen_score(quiet, 1.0, 0.0) == low
    score = evaluate.chosen_score(noisy, 1.0, 0.0)
    assert low < score < high
    assert np.mean(noisy >= score) <= evaluate.MOST_ALARMS < np.mean(noisy >= score - 0.01)
    assert evaluate.chosen_score(hopeless, 1.0, 0.0) == high
    assert evaluate.chosen_score(noisy, 1.0, -0.5) < score  # told in calibrated scores


def test_an_index_read_again_says_the_same(tmp_path):
    row = {
        "name": "a", "source": "s", "fold": "val", "gold": True, "flags": "f", "boxes": [[1, 2, 3, 4, 5]],
        "doubts": [], "unknown": [2],
    }  # fmt: skip
    (tmp_path / "index.json").write_text(json.dumps([row]), encoding="utf-8")
    (told,) = data.read_index(tmp_path / "index.json")
    assert told.boxes.tolist() == row["boxes"]
    assert told.doubts.shape == (0, 5)
    assert (told.fold, told.gold, told.unknown) == ("val", True, (2,))


def test_a_second_calibration_is_put_behind_the_first(capsys):
    rng = np.random.default_rng(4)
    pictures = [
        picture(source="police/police_cars_roboflow_test6", boxes=np.array([[CAR, 0, 0, 50, 50.0]])) for _ in range(400)
    ]
    told = [
        rows([CAR, score, *((0, 0, 50, 50) if rng.random() < score**2 else (60, 60, 90, 90))])
        for score in rng.uniform(0.02, 0.98, len(pictures))
    ]
    said = []
    for before in ({}, {"vehicle": {"a": 2.0, "b": 0.5}}):
        evaluate.choose(told, pictures, before)
        said.append(yaml.safe_load(capsys.readouterr().out)["vehicle"])
    assert said[1]["a"] == pytest.approx(2 * said[0]["a"], abs=0.01)
    assert said[1]["b"] == pytest.approx(0.5 * said[0]["a"] + said[0]["b"], abs=0.01)
    assert said[1]["score"] == said[0]["score"]
