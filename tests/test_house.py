"""The house rules: who may import what, what start-up may cost, and that every part has its papers."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "media_screen"
MODULES = sorted(PACKAGE.rglob("*.py"))

MEDIA = {"av", "PIL", "pillow_heif"}
RUNTIMES = {"onnxruntime", "torch", "ultralytics", "dlib", "face_recognition"}
PURE = {"types", "errors", "sample", "track", "verify", "policy", "report"}
MAY_SEE_MEDIA = {"probe", "decode", "write", "metadata", "doctor", "thumbnails"}
MAY_RUN_MODELS = {"detect", "identify"}

# room -> rooms it may import from; what is not named here joins the others (pipeline and beyond)
MAY_IMPORT = {
    "types": set(),
    "errors": set(),
    "probe": {"types", "errors", "decode"},
    "coding": set(),
    "decode": {"types", "errors", "coding"},
    "sample": set(),
    "detect": {"types", "errors"},
    "track": {"types"},
    "metadata": {"types", "errors"},
    "policy": {"types", "errors"},
    "identify": {"types", "errors", "locks"},
    "recognise": {"types", "errors", "probe", "decode", "detect", "identify"},
    "redact": {"types"},
    "write": {"types", "errors", "decode", "redact"},
    "verify": {"types"},
    "report": {"types"},
    "journal": {"errors"},
    "heap": set(),
    "locks": set(),
    "ledger": {"errors", "locks"},
    "signing": {"errors", "write"},
    "thumbnails": {"types", "decode", "redact", "examine"},
    "second_look": {"types", "errors", "decode", "detect", "examine", "recognise", "redact", "verify"},
    "examine": {"types", "errors", "decode", "metadata", "sample", "track", "detect"},
}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Every module a file names, also inside functions and under TYPE_CHECKING."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rooms_of(path: Path) -> set[str]:
    names = {name.split(".")[1] for name in imports(path) if name.startswith("media_screen.") and name.count(".") >= 1}
    return {name for name in names if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_room_imports_sideways(path):
    allowed = MAY_IMPORT.get(room(path))
    if allowed is not None:
        assert rooms_of(path) - {room(path)} <= allowed


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_heavy_libraries_stay_in_their_rooms(path):
    tops = {name.split(".")[0] for name in imports(path)}
    if room(path) not in MAY_SEE_MEDIA:
        assert not tops & MEDIA
    if room(path) not in MAY_RUN_MODELS:
        assert not tops & RUNTIMES
    if room(path) in PURE:
        assert not tops & {"cv2", "os", "subprocess"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_the_commands_print_and_only_batch_catches_everything(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    if room(path) not in ("cli", "__main__"):
        assert not calls & {"print", "click.echo", "sys.exit"}
    caught = [ast.unparse(node.type) for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) if node.type]
    # a model runtime has no common base for its errors: its room turns them into one of ours
    if room(path) not in ("batch", "detect", "identify"):
        assert "Exception" not in caught


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_module_says_in_its_first_line_what_it_does(path):
    assert len(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "") > 10


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["check", "--help"], ["batch", "--help"]])
def test_asking_for_help_loads_no_heavy_library(arguments):
    code = (
        "import sys\nfrom media_screen.cli import cli\n"
        f"try: cli({arguments!r})\nexcept SystemExit: pass\n"
        "print('LOADED', *sorted({m.split('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split("LOADED")[1].split())
    assert "click" in loaded
    assert not loaded & {"av", "PIL", "numpy", "cv2", "onnxruntime", "yaml", "rich", "torch"}


def manifest() -> list[dict]:
    return yaml.safe_load((ROOT / "models" / "manifest.yaml").read_text(encoding="utf-8"))["models"]


@pytest.mark.parametrize("row", manifest(), ids=lambda row: row["name"])
def test_every_model_is_the_one_of_its_row_and_has_a_finished_card(row):
    file = ROOT / "models" / row["file"]
    assert hashlib.sha256(file.read_bytes()).hexdigest() == row["sha256"]
    card = file.with_suffix(".md").read_text(encoding="utf-8")
    assert row["licence"] in card
    assert not re.search(r"@[A-Z]+[:@]", card)  # no place left to be filled in
    assert row["low_score"] <= row["score"]


def test_every_weight_file_has_a_row():
    files = {p.name for p in (ROOT / "models").iterdir() if p.suffix == ".onnx"}
    assert files == {row["file"] for row in manifest()}


def test_the_schemas_are_json():
    for path in (PACKAGE / "report" / "schema.json", ROOT / "configs" / "policy.schema.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["$schema"]
