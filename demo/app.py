"""The page and its API: both ask ``Recogniser.predict``, and answer what ``python -m ser.predict --json`` prints."""

import hashlib
import io
import json
import os
from http import HTTPStatus
from pathlib import Path
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from demo import drawing
from demo.examples import Example, Examples
from demo.guard import HEADERS, Guard, error
from ser.answer import output
from ser.answer.recogniser import Recogniser
from ser.errors import UserError

PAGE = Path(__file__).parent / "page"
MAX_BYTES = 25_000_000  # five minutes of mono in CD quality, ten at 20 kHz, hours of MP3
MAX_SECONDS = 600.0
MAX_WAITING = 8  # uploads held in memory at once
MAX_PARTS = 10  # of a form; those but `file` are not looked at


class Upload(io.BytesIO):
    """A recording in memory, with the name that its sender gave it: never the name of a file here."""

    def __init__(self, content: bytes, name: str | None) -> None:
        super().__init__(content)
        self.name = output.printable(name or "recording")


class Service:
    """The routes that need a model.

    Args:
        recogniser: the model.
    """

    def __init__(self, recogniser: Recogniser) -> None:
        self.recogniser = recogniser
        self.examples = Examples(recogniser)
        self.about = about(recogniser)
        # More threads than cores would only take turns.
        self.threads = CapacityLimiter(os.cpu_count() or 1)
        # Whoever waits for the examples to be made must not keep a recording waiting.
        self.making = CapacityLimiter(1)
        self.waiting = 0

    async def health(self, request: Request) -> Response:
        """Say which model answers, and within which limits."""
        return JSONResponse(self.about)

    async def predict(self, request: Request) -> Response:
        """Answer one recording."""
        if self.waiting >= MAX_WAITING:
            return error(503, "expected fewer recordings at once; try again in a moment", {"Retry-After": "2"})
        self.waiting += 1
        try:
            upload = await received(request)
            pictured = request.query_params.get("pictures") == "1"
            answer = await to_thread.run_sync(self.answer, upload, pictured, limiter=self.threads)
        finally:
            self.waiting -= 1
        return JSONResponse(answer)

    def answer(self, upload: Upload, pictured: bool) -> dict[str, Any]:
        """The answer of ``python -m ser.predict --json``, and the page's pictures if asked for."""
        outline = drawing.outline(upload, MAX_SECONDS)
        upload.seek(0)
        if not pictured:
            return output.record(upload.name, self.recogniser.predict(upload))
        spectrogram = drawing.Spectrogram(self.recogniser)
        answer = output.record(upload.name, self.recogniser.predict(upload, watch=spectrogram.watch))
        return answer | {"pictures": {"waveform": outline, "spectrogram": spectrogram.drawn(answer["duration"])}}

    async def list_examples(self, request: Request) -> Response:
        """Name the recordings to try."""
        made = await self._examples()
        return JSONResponse([{"file": name, "title": one.title, "note": one.note} for name, one in made.items()])

    async def example(self, request: Request) -> Response:
        """Send one of them."""
        made, name = await self._examples(), request.path_params["name"]
        if name not in made:
            raise HTTPException(404, "expected one of /examples, received another name")
        return Response(made[name].content, media_type="audio/wav")

    async def _examples(self) -> dict[str, Example]:
        try:
            return await to_thread.run_sync(self.examples.made, limiter=self.making)
        except UserError as raised:  # no fault of the request's
            raise HTTPException(503, str(raised)) from raised


def make(recogniser: Recogniser, local: bool = True) -> Starlette:
    """Put the application together.

    Args:
        recogniser: the model.
        local: listening on the loopback, so that only its names are accepted.
    """
    service = Service(recogniser)
    routes = [
        Route("/health", service.health),
        Route("/predict", service.predict, methods=["POST"]),
        Route("/examples", service.list_examples),
        Route("/examples/{name}", service.example),
    ]
    # A handler for Exception answers the client in a sentence; the trace goes to the server's standard error alone.
    handlers: dict[Any, Any] = {HTTPException: _http, UserError: _user, ClientDisconnect: _gone, Exception: _bug}
    guard = Middleware(Guard, local=local, limit=MAX_BYTES)
    app = Starlette(routes=routes, middleware=[guard], exception_handlers=handlers)
    app.router.default = StaticFiles(directory=PAGE, html=True)  # a Mount would hide that /predict has no GET
    return app


async def received(request: Request) -> Upload:
    """The recording of a request: field ``file`` of a form, or the body itself."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return Upload(await request.body(), request.query_params.get("file"))
    async with request.form(max_files=MAX_PARTS, max_fields=MAX_PARTS) as form:
        parts = form.getlist("file")
        if len(parts) != 1:
            raise HTTPException(400, f"expected one recording in the form's field `file`, received {len(parts)}")
        if not isinstance(part := parts[0], UploadFile):
            raise HTTPException(400, "expected a recording in the form's field `file`, received text: file=@clip.wav")
        return Upload(await part.read(), part.filename)


def about(recogniser: Recogniser) -> dict[str, Any]:
    """What stands behind the answers: from the model file, and from the card beside it if it is this model's."""
    description, content = recogniser.model.description, recogniser.path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    released = _card(recogniser.path.with_suffix(".json"), digest)
    return {
        "status": "ok",
        "model": released.get("name", recogniser.path.name),
        "sha256": digest,
        "revision": description.revision,
        "corpus": description.corpus,
        "protocol": description.protocol,
        "labels": description.labels,
        "sample_rate": description.sample_rate,
        "accuracy": {protocol: figures["accuracy"] for protocol, figures in released.get("metrics", {}).items()},
        "limits": {"bytes": MAX_BYTES, "seconds": MAX_SECONDS},
    }


def _card(path: Path, digest: str) -> dict[str, Any]:
    """What `make promote` wrote of a model; empty where the file is not there, or of something else."""
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return card if isinstance(card, dict) and card.get("sha256") == digest else {}


def _http(request: Request, raised: HTTPException) -> Response:
    # Starlette's own sentences are the names of the status codes.
    own = raised.detail == HTTPStatus(raised.status_code).phrase
    sentence = f"no {request.method} of this path: docs/serve.md lists what there is" if own else raised.detail
    return error(raised.status_code, sentence, dict(raised.headers or {}))


def _user(request: Request, raised: UserError) -> Response:
    return error(413 if isinstance(raised, drawing.TooLong) else 422, str(raised))


def _gone(request: Request, raised: ClientDisconnect) -> Response:
    return error(400, "expected a whole request, received a part of one")  # nobody is there to read it


def _bug(request: Request, raised: Exception) -> Response:
    # Starlette answers these outside the middleware, so the headers are put on here.
    return error(500, "this is a fault of the server, not of the recording; its log says more", HEADERS)
