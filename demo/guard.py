"""What every request has to pass, and every response carries."""

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FORM_BYTES = 10_000  # what a form may add to a file
HEADERS = {
    # The page is made of its own files alone; the browser itself refuses anything else.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; media-src blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Guard:
    """Refuse foreign pages and large bodies before the application sees them.

    Args:
        app: the application.
        local: listening on the loopback, whose names alone are then accepted: a foreign site that makes its own
            name point here (DNS rebinding) still sends that name.
        limit: bytes of a recording.
    """

    def __init__(self, app: ASGIApp, local: bool, limit: int) -> None:
        self.app, self.local, self.limit = app, local, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(Headers(scope=scope))
        if refusal:
            return await refusal(scope, receive, dressed)
        await self.app(scope, self._limited(receive), dressed)

    def _refusal(self, headers: Headers) -> JSONResponse | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if self.local and not loopback(_part(f"//{host}", "hostname") or ""):
            return error(421, "expected this machine's own name (localhost, 127.0.0.1, ::1), received another host")
        # Browsers say which page a request comes from; programs say nothing.
        if origin is not None and _part(origin, "netloc") != host:
            return error(403, "expected a request of this page or of a program, received one of another page")
        length = headers.get("content-length", "")
        return (
            error(413, too_large(self.limit)) if length.isdecimal() and int(length) > self.limit + FORM_BYTES else None
        )

    def _limited(self, receive: Receive) -> Receive:
        """Count what comes in: a chunked body does not say its length, and none has to be true."""
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.limit + FORM_BYTES:
                raise HTTPException(413, too_large(self.limit))
            return message

        return limited


def error(status: int, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """The one form of every error."""
    return JSONResponse({"error": sentence}, status, headers)


def too_large(limit: int) -> str:
    """The sentence for what is too large."""
    return f"expected at most {limit / 1e6:g} MB, received more"


def loopback(host: str) -> bool:
    """Whether it names this machine, and cannot be made to name another one."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _part(url: str, name: str) -> str | None:
    """A part of a URL, by its name in ``SplitResult``; None where there is none or the URL is malformed."""
    try:
        return getattr(urlsplit(url), name) or None
    except ValueError:
        return None
