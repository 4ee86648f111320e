"""The HTTP interface: POST /identify, GET /labels/{label}, GET /health, and a page for a phone's browser.

    request ──upload.py──▶ bytes, limited in size and time ──thread pool──▶ Identification ──▶ JSON

Nothing of a request is stored or logged here.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from importlib.resources import files
from typing import Annotated, Any, TypeVar

import anyio
from anyio import to_thread
from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import Response
from jinja2 import Environment

from bootstrap.serve.gold import CurrentGold, Gold, Variety
from bootstrap.serve.upload import receive_photo
from ingestion.photo import Rejected
from transforms.identify import Identification

Facts = Mapping[str, Mapping[str, str]]  # label → row of the user's CSV
T = TypeVar("T")
_STATUS = {"too large": 413, "not an image": 415, "unsupported format": 415}  # by reason of a Rejected; others are 422
_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "a form without a file"},
    408: {"description": "it came too slowly"},
    413: {"description": "too large"},
    415: {"description": "no photo, or of a format that is not read"},
    503: {"description": "too many photos at once, or no vectors in the lake"},
}
_FILE = {"type": "string", "format": "binary"}
_FORM = {"type": "object", "properties": {"photo": _FILE}}
_BODY = {"required": True, "content": {"image/*": {"schema": _FILE}, "multipart/form-data": {"schema": _FORM}}}
_HERE = files("bootstrap.serve")
_FILES = {
    "/": ("page.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
}
_DOCS = Environment(autoescape=True).from_string((_HERE / "docs.html.j2").read_text())
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src blob: data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_log = logging.getLogger("fruitlake.serve")


@dataclass(frozen=True)
class Limits:
    """Limits. max_bytes: per photo; seconds: to send it, and to wait for a thread; threads: photos at once."""

    max_bytes: int
    seconds: float
    threads: int


@dataclass(frozen=True)
class Health:
    """The server's state. snapshot: of gold.fruit_vectors. problem: why a newer one could not be loaded."""

    status: str
    snapshot: int
    photos: int
    labels: int
    loaded_at: datetime
    problem: str | None


@dataclass(frozen=True)
class LabelPage(Variety):
    """A variety, as returned by GET /labels. facts: its row in the user's CSV."""

    facts: dict[str, str] = field(default_factory=dict)


def make_app(current: CurrentGold, limits: Limits, facts: Facts, refresh: float) -> FastAPI:
    """Make the application; it checks for a new snapshot of gold every `refresh` seconds."""
    threads = anyio.CapacityLimiter(limits.threads)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with anyio.create_task_group() as background:
            background.start_soon(_keep_current, current, refresh)
            yield
            background.cancel_scope.cancel()

    app = FastAPI(title="Fruitlake", version=version("fruitlake"), lifespan=lifespan, docs_url=None, redoc_url=None)

    @app.post("/identify", openapi_extra={"requestBody": _BODY}, responses=_REFUSALS)
    async def identify(request: Request, neighbours: Annotated[int, Query(ge=1, le=100)] = 5) -> Identification:
        """Identify the fruit on a photo, sent as the request's body or as a file in a form."""
        gold = _gold(current)
        photo = await _within(
            limits.seconds, receive_photo(request, limits.max_bytes), 408, "the photo came too slowly"
        )
        work = to_thread.run_sync(gold.identifier.identify, photo, neighbours, limiter=threads)
        try:
            return await _within(limits.seconds, work, 503, "too many photos at once: try again")
        except Rejected as error:
            raise HTTPException(_STATUS.get(error.reason, 422), str(error)) from error

    @app.get("/labels/{label}", responses={404: {"description": "the lake has no such variety"}})
    def label(label: str) -> LabelPage:
        """A variety's photos, spread and lookalikes in the lake, and its row in the operator's CSV."""
        found = _gold(current).varieties.get(label)
        if found is None:
            raise HTTPException(404, f"the lake has no variety '{label}'")
        return LabelPage(**vars(found), facts=dict(facts.get(label, {})))

    @app.get("/health", responses={503: {"description": "the lake has no vectors"}})
    def health() -> Health:
        """The snapshot in use, and why a newer one could not be loaded."""
        gold = _gold(current)
        photos = sum(variety.photos for variety in gold.varieties.values())
        snapshot, loaded_at = gold.identifier.basis.snapshot, gold.loaded_at
        return Health("ok", snapshot, photos, len(gold.varieties), loaded_at, current.problem)

    app.get("/docs", include_in_schema=False)(_fixed(_DOCS.render(api=app.openapi()), "text/html"))
    for path, (name, kind) in _FILES.items():
        app.get(path, include_in_schema=False)(_fixed((_HERE / name).read_bytes(), kind))
    return app


def _fixed(content: bytes | str, kind: str) -> Callable[[], Response]:
    def answer() -> Response:
        return Response(content, media_type=kind, headers=_HEADERS)

    return answer


def _gold(current: CurrentGold) -> Gold:
    if current.gold is None:
        raise HTTPException(503, "the lake has no vectors")
    return current.gold


async def _within(seconds: float, work: Awaitable[T], status: int, said: str) -> T:
    """Await the work. Raises HTTPException on timeout, though work already started in a thread is waited for."""
    try:
        with anyio.fail_after(seconds):
            return await work
    except TimeoutError as error:
        raise HTTPException(status, said) from error


async def _keep_current(current: CurrentGold, every: float) -> None:
    while True:
        await anyio.sleep(every)
        try:
            await to_thread.run_sync(current.refresh)
        except Exception as error:  # noqa: BLE001  # the loaded snapshot stays in use, and /health reports the problem
            current.problem = f"{type(error).__name__}: {error}"
            _log.warning("the lake's newest version was not loaded: %s", current.problem)
