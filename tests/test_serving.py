"""Starting and ending ``python -m demo``: what it is given, the port it takes, Ctrl-C."""

import re
import signal
import socket
from pathlib import Path

import pytest
import requests

from tests.served import address, start


def test_a_taken_port_is_one_line(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = start("--port", str(port), "--model", str(folder / "model.onnx"))
        output, errors = server.communicate()
    assert server.returncode == 1 and not output
    assert re.fullmatch(rf"error: expected a free address, received 127\.0\.0\.1 port {port}: .*--port\n", errors)


@pytest.mark.parametrize(
    "given", [["--port", "70000"], ["--host", "no such host"], ["--host", ""], ["--model", "missing.onnx"]]
)
def test_a_wrong_option_is_one_line(given: list[str]) -> None:
    server = start("--port", "0", *given)
    output, errors = server.communicate()
    assert server.returncode in (1, 2) and not output
    assert "error: " in errors.splitlines()[-1] and "Traceback" not in errors


def test_ctrl_c_is_the_end_and_no_error(folder: Path, clip: Path) -> None:
    server = start("--port", "0", "--model", str(folder / "model.onnx"))
    assert requests.post(f"{address(server)}/predict", data=clip.read_bytes()).status_code == 200
    server.send_signal(signal.SIGINT)
    _, errors = server.communicate()
    assert server.returncode == 0 and not errors
