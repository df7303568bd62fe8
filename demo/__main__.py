"""Serve the page: ``python -m demo``. See docs/serve.md."""

import argparse
import os
import socket
from contextlib import suppress
from pathlib import Path

from demo.guard import loopback
from ser import errors
from ser.answer.command import quiet_decoders


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = errors.parser("Serve the web page and its API.")
    parser.add_argument(
        "--host", type=_host, default="127.0.0.1", help="address to listen on (default: this machine alone)"
    )
    parser.add_argument("--port", type=_port, default=7860, help="default: 7860; 0 takes a free one")
    parser.add_argument("--model", type=Path, help="model file (default: the released one)")
    return parser.parse_args()


def main() -> None:
    """Open the model, bind the address, say where, serve until Ctrl-C."""
    given = arguments()
    # Requests are answered at once, in threads: linear algebra with threads of its own would fight them for the cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")  # the examples are made behind the scenes
    import uvicorn

    from demo.app import make
    from ser.answer.recogniser import load

    recogniser = load(given.model)
    listener = listen(given.host, given.port)
    app = make(recogniser, local=loopback(given.host))
    # No access log: who sent what is not kept.
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=5
    )
    name = f"[{given.host}]" if ":" in given.host else given.host

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            print(f"http://{name}:{listener.getsockname()[1]}/ (Ctrl-C ends it)", flush=True)

    with suppress(KeyboardInterrupt):  # the way to end it, so no error
        Server(config).run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """Bind before anything is served, so that a taken port is one line."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise errors.UserError(f"expected a free address, received {host} port {port}: {error.strerror}; "
                               "choose another with --port") from error  # fmt: skip


def _host(text: str) -> str:
    if not text:  # which would mean every address
        raise argparse.ArgumentTypeError("expected an address, received an empty one")
    return text


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"expected 0 to 65535, received {text}")
    return int(text)


if __name__ == "__main__":
    quiet_decoders()
    errors.run(main)
