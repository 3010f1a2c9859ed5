"""Uploads over HTTP -> reports and cleared copies. FastAPI tells it as OpenAPI; the workers are those of a batch."""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import shutil
import time
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import FileResponse, JSONResponse
from starlette.background import BackgroundTask
from starlette.middleware.trustedhost import TrustedHostMiddleware

from media_screen import __version__
from media_screen.batch import Item, Job, Outcome, Workers, worker
from media_screen.config import declared, sidecar_of
from media_screen.errors import SettingsError
from media_screen.hook import Answer, failed, settle
from media_screen.signing import SUFFIX
from media_screen.write.files import writing

if TYPE_CHECKING:
    from media_screen.signing import Key

LOOPBACK = ("127.0.0.1", "localhost", "::1")
LONGEST_NAME = 200  # bytes: file systems have 255, and temporary names and those of sidecars are longer
_FACT = Annotated[
    list[str] | None,
    Query(description="NAME=VALUE: what no picture can tell, such as account=official; and by=NAME (may be repeated)"),
]
_NAME = Annotated[str, Query(description="the file's name, with its extension", max_length=1000)]
OK, BAD, UNFIT, TOO_LARGE, BUSY = 200, 400, 422, 413, 503
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the service allows."""

    token: str | None = None
    max_bytes: int = 2 << 30
    keep_s: float = 3600.0  # a cleared copy is fetched by then, or gone
    queue: int = 32  # files that wait or are screened; more are asked to come again
    tusd_dir: Path | None = None
    only_loopback: bool = True


def application(job: Job, workers: Workers, rules: Rules, *, key: Key | None = None, record: Path | None = None) -> Any:
    """The ASGI application.

    Args:
        job: its `out` is where uploads and copies lie, a folder of each.
        workers: screen the files.
        rules: what is allowed.
        key: signs verdicts.
        record: the ledger.
    """
    desk = Desk(job, workers, rules, key, record)

    def known(request: Request) -> None:
        given = request.headers.get("authorization", "")
        if rules.token and not hmac.compare_digest(given.encode(), f"Bearer {rules.token}".encode()):
            raise HTTPException(401, "a token is required", {"WWW-Authenticate": "Bearer"})

    app = FastAPI(
        title="media-screen",
        version=__version__,
        description="POST a photo or a video; only what is answered with 200 may be uploaded.",
        docs_url=None,  # both pages would fetch scripts from the network
        redoc_url=None,
        dependencies=[Depends(known)],
    )
    if rules.only_loopback:  # a page in a browser must not reach this machine by a name of its own
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, "[::1]"])

    _screening(app, desk)
    _fetching(app, desk)
    if rules.tusd_dir is not None:

        @app.post("/tusd")
        async def tusd(event: dict[str, Any]) -> dict[str, Any]:
            """What tusd asks before it ends an upload (hook pre-finish)."""
            return await desk.tusd(event)

    return app


def _screening(app: FastAPI, desk: Desk) -> None:
    @app.post("/screen", openapi_extra=_BODY, responses={UNFIT: {"description": "it may not go out, and why"}})
    async def screen(request: Request, name: _NAME, fact: _FACT = None) -> JSONResponse:
        """Screen a file; the answer has the report, and where the cleared copy is to be fetched."""
        ident, answer = await desk.take(request, name, fact or [])
        return JSONResponse(_told(ident, answer), UNFIT if answer.code else OK)

    @app.post("/cleared", openapi_extra=_BODY, responses={UNFIT: {"description": "it may not go out, and why"}})
    async def cleared(request: Request, name: _NAME, fact: _FACT = None) -> Any:
        """Screen a file; the answer is the cleared copy itself."""
        ident, answer = await desk.take(request, name, fact or [])
        if answer.file is None:
            return JSONResponse(_told(ident, answer), UNFIT)
        return FileResponse(answer.file, background=BackgroundTask(desk.forget, ident))


def _fetching(app: FastAPI, desk: Desk) -> None:
    @app.get("/files/{ident}")
    def fetch(ident: str) -> FileResponse:
        """The cleared copy of an earlier answer."""
        return FileResponse(desk.find(ident))

    @app.get("/files/{ident}/verdict")
    def verdict(ident: str) -> FileResponse:
        """Its signed verdict."""
        return FileResponse(desk.find(ident, SUFFIX))

    @app.delete("/files/{ident}", status_code=204)
    def forget(ident: str) -> None:
        """It was fetched."""
        desk.forget(ident)

    @app.get("/health")
    def health() -> dict[str, str]:
        """Ready to screen."""
        return {"status": "ok", "version": __version__}


class Desk:
    """Takes files in, has them screened, hands copies out."""

    def __init__(self, job: Job, workers: Workers, rules: Rules, key: Key | None, record: Path | None) -> None:
        self.job, self.workers, self.rules, self.key, self.record = job, workers, rules, key, record
        self.waiting = 0
        self.issued: dict[str, tuple[float, Path | None]] = {}  # id -> until when, and the copy

    async def take(self, request: Request, name: str, facts: list[str]) -> tuple[str, Answer]:
        """Stream the body to the disk, beside it what is declared of it, and screen it."""
        safe, told = _name(name), self._facts(facts)
        self._limit(int(request.headers.get("content-length") or 0))
        ident, size = self._place(), 0
        path = self.job.out / ident / "incoming" / safe
        try:
            with writing():
                path.parent.mkdir(parents=True)
                with path.open("wb") as file:
                    async for chunk in request.stream():
                        size += len(chunk)
                        self._limit(size)
                        file.write(chunk)
                if told:
                    sidecar_of(path).write_text(json.dumps(told), encoding="utf-8")
            return ident, await self.screened(ident, Item(path=path, name=safe))
        except BaseException:
            self.forget(ident)
            raise
        finally:
            shutil.rmtree(path.parent, ignore_errors=True)

    def _facts(self, given: list[str]) -> dict[str, str]:
        """What a client declares of its file. What the service was told it may not declare otherwise."""
        told = dict(each.split("=", 1) for each in given if "=" in each)
        if len(told) < len(given):
            raise HTTPException(BAD, "fact: write NAME=VALUE, each name once")
        try:
            facts = declared(told, "fact")
        except SettingsError as error:
            raise HTTPException(BAD, str(error)) from error
        known = {fact.name: fact for fact in self.job.settings.facts}
        for fact in facts:
            if fact.name in known and known[fact.name].value != fact.value:
                raise HTTPException(BAD, f"fact {fact.name}: this service was started with another")
        return told

    def _limit(self, size: int) -> None:
        if size > self.rules.max_bytes:
            raise HTTPException(TOO_LARGE, f"larger than {self.rules.max_bytes} bytes (--max-bytes)")

    def _place(self) -> str:
        now = time.monotonic()
        for old in [ident for ident, (until, _) in self.issued.items() if until < now]:
            self.forget(old)
        if self.waiting >= self.rules.queue:
            raise HTTPException(BUSY, "too many files at once: come again", {"Retry-After": "10"})
        return uuid4().hex

    async def screened(self, ident: str, item: Item) -> Answer:
        """By a worker; one that dies or hangs makes an error of this file alone."""
        own = replace(self.job, out=self.job.out / ident)
        self.waiting += 1
        try:
            outcome = await asyncio.wrap_future(self.workers.executor.submit(worker.work, item, own))
        except TimeoutError as error:
            return failed(item, own, error, "took longer than is allowed (--timeout)")
        except (BrokenExecutor, RuntimeError) as error:
            return failed(item, own, error, "the worker that screened this file died")
        finally:
            self.waiting -= 1
        if not isinstance(outcome, Outcome):
            return failed(item, own, TypeError(), "no outcome")
        answer = await asyncio.to_thread(settle, item, outcome, own, self.key, self.record)
        self.issued[ident] = (time.monotonic() + self.rules.keep_s, answer.file)
        return answer

    def find(self, ident: str, suffix: str = "") -> Path:
        """What was issued under this number and has not run out."""
        until, file = self.issued.get(ident, (0.0, None))
        path = file.with_name(f"{file.name}{suffix}") if file else None
        if path is None or until < time.monotonic() or not path.is_file():
            raise HTTPException(404, "there is no such file, or no longer")
        return path

    def forget(self, ident: str) -> None:
        """Take away what lies there; only numbers that were issued here are folders of ours."""
        self.issued.pop(ident, None)
        if len(ident) == 32 and ident.isalnum():
            shutil.rmtree(self.job.out / ident, ignore_errors=True)

    async def tusd(self, event: dict[str, Any]) -> dict[str, Any]:
        """The answer that tusd hands on to its client."""
        if event.get("Type") != "pre-finish":
            return {}
        try:
            upload = event["Event"]["Upload"]
            name = _name(str(upload.get("MetaData", {}).get("filename") or upload["ID"]))
            path = Path(await asyncio.to_thread(os.path.realpath, upload["Storage"]["Path"]))
        except (KeyError, TypeError, AttributeError, ValueError, OSError) as error:
            raise HTTPException(400, "this is no pre-finish event of tusd's file store") from error
        if self.rules.tusd_dir is None or not path.is_relative_to(self.rules.tusd_dir.resolve()):
            raise HTTPException(403, "not in --tusd-dir")
        ident = self._place()
        told = _told(ident, answer := await self.screened(ident, Item(path=path, name=name)))
        body = json.dumps(told)
        headers = {"Content-Type": "application/json"}
        return {"HTTPResponse": {"StatusCode": UNFIT if answer.code else OK, "Header": headers, "Body": body}}


def _told(ident: str, answer: Answer) -> dict[str, Any]:
    """Addresses instead of paths."""
    line = answer.line()
    return line | {
        "file": f"/files/{ident}" if answer.file else None,
        "verdict_file": f"/files/{ident}/verdict" if answer.verdict else None,
    }


def _name(given: str) -> str:
    """The last part of whatever was given, if it can be a file's name."""
    name = PurePosixPath(given.replace("\\", "/")).name
    if not name or name.startswith(".") or not name.isprintable() or len(name.encode()) > LONGEST_NAME:
        raise HTTPException(400, "name: give the file's name, with its extension")
    return name
