"""A path and a few names -> a Report: the library's front door. Prints nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from media_screen.config import DEFAULT_POLICY, Settings, build_screener, declared
from media_screen.write import require

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from media_screen.redact import Style
    from media_screen.types import EncoderName, Report


def check(
    path: str | os.PathLike[str],
    *,
    policy: str = DEFAULT_POLICY,
    facts: Mapping[str, str] | None = None,
    gallery: str | os.PathLike[str] | None = None,
) -> Report:
    """Examine one file and rule on it as it stands; writes nothing.

    Args:
        path: the file.
        policy: a pack's name or the path of a policy file.
        facts: what no picture can tell, such as {"account": "official", "by": "Insp. Rao"}; `media-screen policy
            facts` lists them. What is not declared counts as the stricter.
        gallery: folder of those who are enrolled (`media-screen gallery`); None: everybody is unknown.

    Returns:
        The report. Only `report.verdict == Verdict.PASS` means "upload it as it is"; a file that could not be
        examined has `Verdict.ERROR`.

    Raises:
        SettingsError: the policy, a fact, the gallery or a model is wrong; nothing was examined.
    """
    settings = Settings(policy=policy, facts=declared(dict(facts or {}), "facts"), gallery=_text(gallery))
    return build_screener(settings).check(Path(path))


def screen(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    policy: str = DEFAULT_POLICY,
    style: Style = "blur",
    encoder: EncoderName = "software",
    facts: Mapping[str, str] | None = None,
    gallery: str | os.PathLike[str] | None = None,
) -> Report:
    """Examine one file and write the copy that may go out.

    Args:
        path: the file; never changed.
        out: folder; the verified copy goes to its `cleared/`, or `held/` where a human must release it.
        policy: a pack's name or the path of a policy file.
        style: how faces are destroyed: "blur", "mosaic" or "fill".
        encoder: of videos: "software", or a family of hardware: "nvenc", "qsv", "videotoolbox", "amf".
        facts: what no picture can tell, as for `check`.
        gallery: folder of those who are enrolled, as for `check`.

    Returns:
        The report. Only `report.disposition == "cleared"` means that `report.output` may be uploaded.

    Raises:
        SettingsError: the policy, a fact, the gallery or a model is wrong, or the hardware does not encode; nothing was
            examined.
    """
    told = declared(dict(facts or {}), "facts")
    settings = Settings(policy=policy, style=style, encoder=encoder, facts=told, gallery=_text(gallery))
    screener = build_screener(settings)
    require(encoder)
    return screener.screen(Path(path), Path(out))


def _text(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else str(Path(path))
