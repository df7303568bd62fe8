"""The API of ``python -m demo``: the answers of the command line, its limits, and nothing that looks like a trace."""

import asyncio
import json
import os
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import requests
import soundfile
from anyio import to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message

import ser
from demo import app, examples, guard
from ser import EMOTIONS
from ser.errors import UserError
from tests import odd_files
from tests.conftest import ROOT
from tests.served import address, served, start


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    log = folder / "log"
    with served(folder / "model.onnx", log) as where:
        yield where
    assert log.read_text() == "", "the server has something to say"


@pytest.fixture(scope="module")
def long(folder: Path) -> Path:
    clips = [soundfile.read(path) for path in sorted((folder / "clips").rglob("*.wav"))[::10]]
    soundfile.write(folder / "long.wav", np.concatenate([samples for samples, _ in clips]), clips[0][1])
    return folder / "long.wav"


def post(url: str, path: Path, **options) -> requests.Response:
    with path.open("rb") as file:
        return requests.post(f"{url}/predict", files={"file": (path.name, file)}, **options)


# --- Answers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["clip", "long"])
def test_the_answer_is_that_of_the_command_line(url: str, folder: Path, which: str, request) -> None:
    path: Path = request.getfixturevalue(which)
    line = [sys.executable, "-m", "ser.predict", "--json", "--model", str(folder / "model.onnx"), path.name]
    run = subprocess.run(
        line, capture_output=True, text=True, cwd=path.parent, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert run.returncode == 0, run.stderr
    expected = json.loads(run.stdout)
    assert bool(expected["timeline"]) == (which == "long")
    assert post(url, path).json() == expected
    raw = requests.post(f"{url}/predict", params={"file": path.name}, data=path.read_bytes())
    assert raw.json() == expected
    assert post(url, path, params={"pictures": "1"}).json() | {"pictures": 0} == expected | {"pictures": 0}


def test_health_says_which_model_answers(url: str, folder: Path) -> None:
    health = requests.get(f"{url}/health").json()
    description = ser.load(folder / "model.onnx").model.description
    assert health["status"] == "ok" and health["labels"] == list(EMOTIONS)
    assert (health["model"], health["revision"]) == ("model.onnx", "test")
    assert (health["corpus"], health["protocol"]) == (description.corpus, description.protocol) == ("synthetic", "word")
    assert health["limits"] == {"bytes": app.MAX_BYTES, "seconds": app.MAX_SECONDS}


def test_figures_are_those_of_the_card_of_this_very_model(folder: Path, tmp_path: Path) -> None:
    content = (folder / "model.onnx").read_bytes()
    (tmp_path / "model.onnx").write_bytes(content)
    recogniser = ser.load(tmp_path / "model.onnx")
    card = {"name": "a name", "sha256": app.about(recogniser)["sha256"], "metrics": {"word": {"accuracy": 0.25}}}
    (tmp_path / "model.json").write_text(json.dumps(card))
    assert app.about(recogniser)["accuracy"] == {"word": 0.25} and app.about(recogniser)["model"] == "a name"
    (tmp_path / "model.json").write_text(json.dumps(card | {"sha256": "another"}))
    assert app.about(recogniser)["accuracy"] == {} and app.about(recogniser)["model"] == "model.onnx"
    for foreign in ("[]", "{", '"text"'):
        (tmp_path / "model.json").write_text(foreign)
        assert app.about(recogniser)["accuracy"] == {}


def test_several_are_answered_at_once(url: str, folder: Path) -> None:
    paths = sorted((folder / "clips").rglob("*.wav"))[:24]
    with ThreadPoolExecutor(app.MAX_WAITING) as pool:
        together = [response.json() for response in pool.map(lambda path: post(url, path), paths)]
    recogniser = ser.load(folder / "model.onnx")
    expected = [{"file": path.name} | json.loads(json.dumps(asdict(recogniser.predict(path)))) for path in paths]
    for received, wanted in zip(together, expected, strict=True):
        # The last of six digits may be rounded the other way in another process.
        for name in ("probability", "probabilities"):
            assert received.pop(name) == pytest.approx(wanted.pop(name), abs=2e-6)
    assert together == expected


def test_too_many_at_once_are_told_to_come_back(url: str, clip: Path) -> None:
    host, port = url.removeprefix("http://").split(":")
    waiting = []
    for _ in range(app.MAX_WAITING):
        one = socket.create_connection((host, int(port)))
        one.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf")
        waiting.append(one)
    until = time.monotonic() + 60
    while (response := post(url, clip)).status_code == 200 and time.monotonic() < until:
        time.sleep(0.05)
    assert response.status_code == 503 and "try again" in response.json()["error"]
    assert requests.get(f"{url}/health").status_code == 200
    for one in waiting:
        one.close()
    while (response := post(url, clip)).status_code == 503 and time.monotonic() < until:
        time.sleep(0.05)
    assert response.status_code == 200


# --- Refusals ------------------------------------------------------------------------------------------------------


def test_every_odd_file_gets_an_answer_or_a_sentence(url: str, folder: Path, clip: Path, tmp_path: Path) -> None:
    odd_files.make(tmp_path, *soundfile.read(clip))
    recogniser = ser.load(folder / "model.onnx")
    for path in sorted(path for path in tmp_path.iterdir() if path.is_file()):
        response = requests.post(f"{url}/predict", data=path.read_bytes(), params={"file": path.name, "pictures": "1"})
        answer = response.json()
        try:
            expected = recogniser.predict(path).emotion
        except UserError:
            expected = None
        if expected is None:
            assert response.status_code == 422 and answer.keys() == {"error"}, path.name
            assert len(answer["error"].splitlines()) == 1 and "Traceback" not in response.text, path.name
        else:
            assert response.status_code == 200 and answer["emotion"] == expected, path.name


def test_a_body_that_says_it_is_too_large_is_not_even_read(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n")
        answer = connection.makefile().read()
    assert answer.startswith("HTTP/1.1 413 ") and "expected at most 25 MB" in answer


@pytest.mark.parametrize("form", [True, False])
def test_a_body_that_does_not_say_it_is_refused_on_the_way(url: str, form: bool) -> None:
    host, port = url.removeprefix("http://").split(":")
    head = "POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
    head += "Content-Type: multipart/form-data; boundary=b\r\n\r\n" if form else "\r\n"
    start_of_form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' if form else b"."
    sent = 0
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + b"%x\r\n%b\r\n" % (len(start_of_form), start_of_form))
        connection.setblocking(False)
        block = memoryview(b"10000\r\n" + bytes(65_536) + b"\r\n")
        answer, left = b"", block
        until = time.monotonic() + 120
        while not answer and time.monotonic() < until:  # for ever, if nobody stops it
            try:
                answer = connection.recv(10_000)
            except BlockingIOError:
                try:
                    count = connection.send(left)
                    sent, left = sent + count, left[count:] or block
                except BlockingIOError:
                    time.sleep(0.001)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert sent < 2 * app.MAX_BYTES


def test_too_long_is_noticed_whatever_the_size(url: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "hours.flac", np.zeros(8000 * 3600 * 2, np.int16), 8000)
    assert (tmp_path / "hours.flac").stat().st_size < 1_000_000
    response = post(url, tmp_path / "hours.flac")
    assert response.status_code == 413
    assert response.json() == {"error": "hours.flac: expected at most 10 minutes, received more"}


@pytest.mark.parametrize(
    ("method", "path", "status", "sentence"),
    [
        ("GET", "/nothing", 404, "docs/serve.md"),
        ("GET", "/../app.py", 404, "docs/serve.md"),
        ("GET", "/%2e%2e/app.py", 404, "docs/serve.md"),
        ("GET", "/examples/nothing.wav", 404, "/examples"),
        ("GET", "/predict", 405, "docs/serve.md"),
        ("PUT", "/predict", 405, "docs/serve.md"),
        ("POST", "/health", 405, "docs/serve.md"),
        ("POST", "/", 405, "docs/serve.md"),
        ("POST", "/predict", 422, "empty file"),
    ],
)
def test_what_is_not_there_is_a_sentence(url: str, method: str, path: str, status: int, sentence: str) -> None:
    request = requests.Request(method, url).prepare()
    request.url = url + path  # as it stands: requests would tidy it up
    with requests.Session() as session:
        response = session.send(request)
    assert response.status_code == status
    assert response.json().keys() == {"error"} and sentence in response.json()["error"]


def test_a_form_without_a_recording_is_a_sentence(url: str) -> None:
    for files, received in (
        ([("other", b"x")], "received 0"),
        ([("file", (None, b"clip.wav"))], "received text: file=@clip.wav"),
        ([("file", b"x"), ("file", b"x")], "received 2"),
    ):
        response = requests.post(f"{url}/predict", files=files)  # type: ignore[arg-type]
        assert response.status_code == 400 and response.json()["error"].endswith(received)
    for form in ("multipart/form-data", "Multipart/Form-Data"):
        broken = requests.post(f"{url}/predict", data=b"x", headers={"Content-Type": form})
        assert broken.status_code == 400 and broken.json().keys() == {"error"}


def test_other_names_of_this_machine_are_refused(url: str) -> None:
    port = url.rsplit(":", 1)[1]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "", "[", f"localhost.:{port}"):
        response = requests.get(f"{url}/health", headers={"Host": host})
        assert response.status_code in (400, 421), host
        assert "labels" not in response.text
    assert requests.get(f"{url}/health", headers={"Host": f"localhost:{port}"}).status_code == 200


def test_pages_of_others_are_refused(url: str, clip: Path) -> None:
    elsewhere = url.replace("127.0.0.1", "localhost"), "http://127.0.0.1:1"
    for origin in ("http://evil.example", "null", "http://[x", *elsewhere):
        assert post(url, clip, headers={"Origin": origin}).status_code == 403, origin
    response = post(url, clip, headers={"Origin": url})
    assert response.status_code == 200
    assert not [name for name in response.headers if name.lower().startswith("access-control")]
    assert response.headers["Content-Security-Policy"].startswith("default-src 'self';")


def test_on_the_network_any_name_will_do_but_no_foreign_page(folder: Path) -> None:
    server = start("--host", "0.0.0.0", "--port", "0", "--model", str(folder / "model.onnx"))
    try:
        url = address(server).replace("0.0.0.0", "127.0.0.1")
        named = {"Host": "emotions.example"}
        assert requests.get(f"{url}/health", headers=named).status_code == 200
        for origin, status in (("https://emotions.example", 422), ("https://evil.example", 403)):
            headers = named | {"Origin": origin}
            assert requests.post(f"{url}/predict", data=b"no sound", headers=headers).status_code == status
    finally:
        server.terminate()
        server.communicate()


def asked(application: Starlette, path: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a GET, without a network; what the application raises after its answer is dropped."""
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [(b"host", b"localhost")]}
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    with suppress(ZeroDivisionError):
        asyncio.run(application(scope, receive, send))
    headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
    return messages[0]["status"], headers, b"".join(message.get("body", b"") for message in messages[1:])


def test_a_fault_of_the_server_is_a_sentence_too(folder: Path) -> None:
    def broken(request: Request) -> Response:
        raise ZeroDivisionError("secret")

    application = app.make(ser.load(folder / "model.onnx"))
    application.router.routes.insert(0, Route("/broken", broken))
    status, headers, body = asked(application, "/broken")
    assert status == 500 and json.loads(body).keys() == {"error"} and b"secret" not in body
    assert headers.items() >= {name.lower(): value for name, value in guard.HEADERS.items()}.items()


def test_a_missing_synthesiser_is_no_fault_of_the_request(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise UserError("expected espeak-ng, found none")

    monkeypatch.setattr("ser.data.synthetic.synthesise", missing)
    application = app.make(ser.load(folder / "model.onnx"))
    for path in ("/examples", "/examples/long.wav"):
        status, _, body = asked(application, path)
        assert status == 503 and json.loads(body) == {"error": "expected espeak-ng, found none"}


def test_examples_that_are_being_made_keep_no_recording_waiting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = threading.Event()
    monkeypatch.setattr(examples.Examples, "_make", lambda _: {"one": ready.wait(60)})

    async def crowd() -> None:
        service = app.Service(ser.load(folder / "model.onnx"))
        many = 2 * int(service.threads.total_tokens)
        waiting = [asyncio.create_task(service._examples()) for _ in range(many)]
        await asyncio.sleep(0.2)
        await asyncio.wait_for(to_thread.run_sync(lambda: None, limiter=service.threads), 30)
        assert not any(task.done() for task in waiting)
        ready.set()
        assert await asyncio.gather(*waiting) == [{"one": True}] * many

    asyncio.run(crowd())


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.2", True), ("::1", True), ("0.0.0.0", False), ("localhost.evil.example", False)],
)
def test_which_addresses_are_this_machine_alone(host: str, expected: bool) -> None:
    assert guard.loopback(host) == expected


def test_examples_are_made_and_answered(url: str) -> None:
    offered = requests.get(f"{url}/examples").json()
    answers = {}
    for one in offered:
        sound = requests.get(f"{url}/examples/{one['file']}").content
        answers[one["file"]] = requests.post(f"{url}/predict", data=sound).json()
    assert len(offered) >= 5 and all(one["title"] and one["note"] for one in offered)
    assert answers["silence.wav"]["emotion"] == "silence"
    assert len({part["emotion"] for part in answers["long.wav"]["timeline"]}) > 1
    assert any(answer["emotion"] in EMOTIONS for answer in answers.values())


def test_the_commands_of_the_page_about_it_run(url: str, clip: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs/serve.md").read_text(encoding="utf-8") + (ROOT / "README.md").read_text(encoding="utf-8")
    (tmp_path / "clip.wav").write_bytes(clip.read_bytes())
    lines = [line.split("#")[0].strip() for line in page.splitlines() if line.startswith("curl ")]
    assert len(lines) >= 3
    for line in lines:
        assert "http://127.0.0.1:7860/" in line
        command = shlex.split(line.replace("http://127.0.0.1:7860", url))
        run = subprocess.run([*command, "--silent"], capture_output=True, text=True, cwd=tmp_path)
        assert run.returncode == 0 and {"emotion", "status"} & json.loads(run.stdout).keys(), line
