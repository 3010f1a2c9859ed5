"""Names and numbers -> objects. The only module that reads YAML and looks up names."""

from __future__ import annotations

import errno
import hashlib
import importlib
import json
import os
import stat
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from media_screen import __version__, metadata
from media_screen import policy as policy_room
from media_screen.detect import RUNTIMES, Detector, ModelSpec
from media_screen.errors import SettingsError, SidecarInvalid
from media_screen.identify import BOX, EMBEDDINGS, EmbeddingSpec, gallery
from media_screen.identify import build as build_embedding
from media_screen.pipeline import Limits, Screener
from media_screen.recognise import Identifier
from media_screen.redact import STYLES, Style
from media_screen.types import ENCODER_NAMES, Blur

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from media_screen.identify import Embedder
    from media_screen.types import EncoderName, Fact, Lang

DEFAULT_POLICY = "minimal"
OWN_MODELS = "MEDIA_SCREEN_MODELS"  # environment: the path of a manifest of one's own
SIDECAR = ".media-screen.yaml"  # after a file's whole name: what is declared of it
DEFAULT_EMBEDDING = "face_recognition"
# a variable of the environment reaches workers, and stands in no list of processes
PASSPHRASE = "MEDIA_SCREEN_PASSPHRASE"  # noqa: S105 - its name
MAX_FACTS_BYTES = 65_536
_PACKAGE = Path(__file__).parent
# installed from a wheel, models/ and configs/ lie inside the package; in a checkout they lie beside it
RESOURCES = _PACKAGE / "resources" if (_PACKAGE / "resources").is_dir() else _PACKAGE.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Plain data, picklable: each worker builds its own Screener from it."""

    policy: str = DEFAULT_POLICY
    style: Style = "blur"
    threads: int = 0
    limits: Limits = field(default_factory=Limits)
    keep: tuple[str, ...] | None = None  # metadata to keep, instead of what the policy says
    facts: tuple[Fact, ...] = ()  # declared of every file; one beside a file says more of it, or otherwise
    lang: Lang = "en"  # of the pages
    gallery: str | None = None  # folder of those who are known
    embedding: str = DEFAULT_EMBEDDING  # that it was made with
    blur: Blur = field(default_factory=Blur)
    encoder: EncoderName = "software"  # of videos; a family of hardware, if asked for


def build_screener(settings: Settings, on_frame: Callable[[], None] = lambda: None) -> Screener:
    """A Screener with the policy read and the models it needs loaded and verified.

    Raises:
        SettingsError: the policy, a model or a setting is wrong.
    """
    if settings.style not in STYLES:
        raise SettingsError(f"style {settings.style!r}: choose one of {', '.join(STYLES)}")
    if settings.blur.mode == "nobody" and not settings.blur.by:
        raise SettingsError("nobody is blurred only where a named person answers for it: --by NAME --reason TEXT")
    if settings.blur.by and not settings.blur.reason:
        raise SettingsError("whoever signs for what is blurred says why: --reason TEXT")
    if settings.encoder not in ENCODER_NAMES:
        raise SettingsError(f"encoder {settings.encoder!r}: choose one of {', '.join(ENCODER_NAMES)}")
    policy = load_policy(settings.policy)
    keep = frozenset(policy.keep if settings.keep is None else settings.keep)
    if unknown := keep.difference(metadata.WORDS):
        raise SettingsError(f"cannot keep {', '.join(sorted(unknown))}: choose from {', '.join(metadata.WORDS)}")
    return Screener(
        policy=policy,
        detectors=load_detectors(_labels(policy, settings), threads=settings.threads),
        style=settings.style,
        limits=settings.limits,
        keep=keep,
        threads=settings.threads,
        on_frame=on_frame,
        declared=partial(facts_of, facts=settings.facts),
        lang=settings.lang,
        identifier=load_identifier(settings) if settings.gallery is not None else None,
        blur=settings.blur,
        encoder=settings.encoder,
    )


def _labels(policy: policy_room.Policy, settings: Settings) -> frozenset[str]:
    """What has to be looked for: what rules speak of, and with a gallery figures, for the protected go as a whole."""
    wanted = policy_room.required_labels(policy)
    return wanted.union(policy_room.labels.GROUPS["people"]) if settings.gallery is not None else wanted


def load_identifier(settings: Settings) -> Identifier:
    """The gallery that is named, and the embedding that it was made with.

    Where the embedding is not installed, everyone is unknown and so blurred; but not where somebody is enrolled whom
    only recognising keeps from going out.

    Raises:
        SettingsError: the gallery cannot be read, or is of another embedding.
    """
    read = partial(read_gallery, Path(settings.gallery or ""))
    known = read()
    try:
        embedder = load_embedder(settings.embedding, threads=settings.threads)
    except ImportError as error:
        absent = f"the embedding {settings.embedding} is not installed ({error})"
        if any(person.role != "officer" for person in known.people):
            raise SettingsError(
                f"gallery {settings.gallery}: accused or protected people are enrolled, and {absent};"
                " pip install 'media-screen[identify]'"
            ) from error
        return Identifier(gallery=known, embedder=None, absent=absent, read=read)
    made_with = (known.embedding, known.embedding_sha256)
    if made_with != (embedder.spec.name, embedder.spec.sha256):
        raise SettingsError(f"gallery {settings.gallery} was made with the embedding {known.embedding}, not this one")
    return Identifier(gallery=known, embedder=embedder, read=read)


def read_gallery(folder: Path) -> gallery.Gallery:
    """With the passphrase of the environment, if there is one.

    Raises:
        SettingsError: it cannot be read.
    """
    return gallery.read(folder, os.environ.get(PASSPHRASE) or None)


def load_embedder(name: str, *, threads: int = 0) -> Embedder:
    """One embedding.

    Raises:
        ImportError: what it needs is not installed.
        SettingsError: it is not known, or its weights are absent or other ones.
    """
    spec, folder = _embedding(name)
    return build_embedding(spec, path=folder / spec.file if spec.file else None, threads=threads)


def embedding_spec(name: str) -> EmbeddingSpec:
    """What is known of one embedding, without loading it."""
    return _embedding(name)[0]


def _embedding(name: str) -> tuple[EmbeddingSpec, Path]:
    """By name, or a file with one row; and the folder in which its weights lie."""
    is_file = name.endswith((".yaml", ".yml"))
    path = Path(name) if is_file else RESOURCES / "models" / "embeddings.yaml"
    if not path.is_file():
        raise SettingsError(f"no embedding at {path}")
    try:
        specs = [
            EmbeddingSpec(**{**row, "box": tuple(row.get("box", BOX))})
            for row in _yaml(path.read_bytes(), path)["embeddings"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"{path.name}: a row is wrong: {error}") from error
    chosen = [spec for spec in specs if is_file or spec.name == name]
    if len(chosen) != 1 or chosen[0].runtime not in EMBEDDINGS:
        raise SettingsError(f"no embedding {name!r}: {', '.join(spec.name for spec in specs)}, or a file with one row")
    return chosen[0], path.parent


def identity(settings: Settings) -> str:
    """A digest of all that a verdict rests on but the file itself: policy, models, settings, and the tool's own code.

    Threads change the time it takes, and nothing else.
    """
    policy = load_policy(settings.policy)
    labels = _labels(policy, settings)
    rests_on = {
        "settings": {**asdict(settings), "policy": policy.name, "threads": 0},
        "policy": policy.sha256,
        "models": [asdict(spec) for spec in load_manifest() if labels.intersection(spec.labels)],
        "tool": [__version__, _code()],
        # who is enrolled, and whose enrolment holds today
        "known": asdict(load_identifier(settings).told()) if settings.gallery is not None else None,
        "embedding": asdict(embedding_spec(settings.embedding)) if settings.gallery is not None else None,
    }
    return hashlib.sha256(json.dumps(rests_on, sort_keys=True, default=str).encode()).hexdigest()


def _code() -> str:
    """In a checkout the version stays while the code changes."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def load_policy(name: str) -> policy_room.Policy:
    """A pack by name, or a policy file by path; with the packs that it includes.

    Raises:
        SettingsError: there is none, it cannot be read, or its rules contradict.
    """
    policy = _load_policy(name, ())
    if faults := policy_room.contradictions(policy):
        raise SettingsError(f"{name}: rules contradict: {'; '.join(faults)}")
    return policy


def _load_policy(name: str, within: tuple[str, ...]) -> policy_room.Policy:
    raw, path = _policy_file(name)
    document, at = _yaml(raw, path), policy_room.Place(path.name)
    others = policy_room.includes(document, at)
    if circle := set(others).intersection((*within, name)):
        at.key("include").fault(f"goes in a circle, by {', '.join(sorted(circle))}")
    included = {other: _load_policy(other, (*within, name)) for other in others}
    digest = hashlib.sha256(raw)
    for part in included.values():
        digest.update(bytes.fromhex(part.sha256))
    return policy_room.parse(document, sha256=digest.hexdigest(), origin=path.name, included=included)


def _policy_file(name: str) -> tuple[bytes, Path]:
    path = Path(name) if name.endswith((".yaml", ".yml")) else RESOURCES / "configs" / f"{name}.yaml"
    if not path.is_file():
        raise SettingsError(
            f"no policy {name!r}; packs here: {', '.join(policy_names())} (or give a .yaml file's path)"
        )
    return path.read_bytes(), path


def read_facts(path: Path) -> tuple[Fact, ...]:
    """What a file declares.

    Raises:
        SettingsError: it cannot be read, or a word in it is unknown.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FACTS_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{path.name}: {error.strerror or error}") from error
    if len(raw) > MAX_FACTS_BYTES:
        raise SettingsError(f"{path.name}: larger than {MAX_FACTS_BYTES} bytes: these are no declared facts")
    return declared(_yaml(raw, path, loader=_Plain), path.name)


def declared(document: object, origin: str) -> tuple[Fact, ...]:
    """Facts from plain values by name.

    Raises:
        SettingsError: a word is unknown.
    """
    return policy_room.read_facts(document, policy_room.Place(origin))


def facts_of(path: Path, facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """What is declared of one file: of the whole batch, and beside it, which counts where the two differ.

    Raises:
        SidecarInvalid: what lies beside it cannot be read.
    """
    beside = sidecar_of(path)
    if not _is_there(beside):
        return tuple(facts)
    try:
        own = read_facts(beside)
    except SettingsError as error:
        raise SidecarInvalid(str(error)) from error
    told = {fact.name: fact for fact in (*facts, *own)}
    return tuple(told[name] for name in policy_room.FACTS if name in told)


def _is_there(beside: Path) -> bool:
    """Whether anything is declared beside a file. What cannot be told is no silence: it may declare the stricter.

    Raises:
        SidecarInvalid: something is there that is no file, or nobody can look.
    """
    try:
        mode = beside.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # no system can hold such a file
            return False
        raise SidecarInvalid(f"{beside.name}: {error.strerror or error}") from error
    if not stat.S_ISREG(mode):
        raise SidecarInvalid(f"{beside.name}: is no regular file; facts are declared in one")
    return True


def sidecar_of(path: Path) -> Path:
    """Where facts about a file are declared: patrol.mp4.media-screen.yaml lies beside patrol.mp4."""
    return path.with_name(path.name + SIDECAR)


def is_sidecar(path: Path) -> bool:
    """Such a file declares facts about another, and is never screened itself."""
    return path.name.endswith(SIDECAR)


def policy_names() -> list[str]:
    """The packs that are shipped."""
    return sorted(p.stem for p in (RESOURCES / "configs").glob("*.yaml"))


def load_manifest() -> list[ModelSpec]:
    """Every row of models/manifest.yaml, and of the file that MEDIA_SCREEN_MODELS names.

    A row of one's own stands in place of a shipped one of the same name; its file lies beside its manifest.

    Raises:
        SettingsError: a manifest cannot be read, or a row is wrong.
    """
    rows = {spec.name: spec for spec in _manifest(RESOURCES / "models" / "manifest.yaml")}
    if own := os.environ.get(OWN_MODELS):
        path = Path(own)
        if not path.is_file():
            raise SettingsError(f"{OWN_MODELS}: there is no file {own}")
        beside = path.resolve().parent
        rows |= {spec.name: replace(spec, file=str(beside / spec.file)) for spec in _manifest(path)}
    return list(rows.values())


def _manifest(path: Path) -> list[ModelSpec]:
    document = _yaml(path.read_bytes(), path)
    try:
        return [
            ModelSpec(
                **{
                    **row,
                    "labels": tuple(row["labels"]),
                    "looks_px": tuple(row.get("looks_px", ())),
                    "period_s": Fraction(str(row["period_s"])),
                }
            )
            for row in document["models"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"{path.name}: a row is wrong: {error}") from error


def model_path(spec: ModelSpec) -> Path:
    """Where the file of a row lies, or has to lie."""
    return RESOURCES / "models" / spec.file


def load_detectors(labels: Iterable[str] | None, *, threads: int = 0) -> tuple[Detector, ...]:
    """The detectors that can find any of the labels (all of them for None), each verified by its digest."""
    wanted = None if labels is None else set(labels)
    return tuple(
        build_detector(spec, threads=threads)
        for spec in load_manifest()
        if wanted is None or wanted.intersection(spec.labels)
    )


def build_detector(spec: ModelSpec, *, threads: int = 0) -> Detector:
    """One detector.

    Raises:
        SettingsError: the model file is absent or not the one of the manifest, or its runtime does not load.
    """
    path = model_path(spec)
    if not path.is_file():
        todo = f"media-screen models fetch {spec.name}" if spec.url else "install media-screen again"
        raise SettingsError(f"model {spec.name}: {path} is missing; {todo}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != spec.sha256:
        raise SettingsError(f"model {spec.name}: {path} is not the file that the manifest names (sha256 differs)")
    if spec.runtime not in RUNTIMES:
        raise SettingsError(f"model {spec.name}: unknown runtime {spec.runtime!r}")
    module, _, class_name = RUNTIMES[spec.runtime].partition(":")
    try:
        made: Detector = getattr(importlib.import_module(module), class_name)(spec, path=path, threads=threads)
    except ImportError as error:
        raise SettingsError(f"model {spec.name}: its runtime does not load: {error}") from error
    return made


class _Plain(yaml.SafeLoader):
    """Without references: a few lines of them stand for more than any memory holds."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("references (*) are not read here")
        return super().compose_node(parent, index)


# libyaml's parser takes a tenth of the time, and knows the same language; not every build of PyYAML has it
_SAFE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _yaml(raw: bytes, path: Path, loader: Any = _SAFE) -> Any:
    try:
        return yaml.load(raw, loader)  # noqa: S506 - all of these loaders are safe ones
    except RecursionError as error:
        raise SettingsError(f"{path.name}: nested too deep") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise SettingsError(f"{path.name}: not valid YAML: {error}") from error
