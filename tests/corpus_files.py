"""Stand-ins for corpora: short clips of noise in the layouts and archives that people keep them in."""

import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import soundfile

from ser import params
from ser.data import corpora, manifest

FOLDERS = {
    "OAF": "OAF_Fear OAF_Pleasant_surprise OAF_Sad OAF_angry OAF_disgust OAF_happy OAF_neutral".split(),
    "YAF": "YAF_fear YAF_pleasant_surprised YAF_sad YAF_angry YAF_disgust YAF_happy YAF_neutral".split(),
}


SUFFIXES = "fear ps sad angry disgust happy neutral".split()


SEED_EMOTIONS = dict(zip(SUFFIXES, "Fear Surprise Sad Anger Disgust Happy Neutral".split(), strict=True))


def wav(seed: int) -> bytes:
    """A short clip that no other seed gives."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.random.default_rng(seed).uniform(-0.5, 0.5, 2000), 24_414, format="WAV")
    return buffer.getvalue()


def stand_in() -> dict[str, bytes]:
    """A stand-in for TESS: its names, its quirks, three words, other sounds. Published path -> content."""
    files: dict[str, bytes] = {}
    for speaker, folders in FOLDERS.items():
        for folder, suffix in zip(folders, SUFFIXES, strict=True):
            for word in ("back", "bite", "mob"):
                name = f"{speaker}_{word}_{suffix}.wav"
                if name == "OAF_bite_neutral.wav":
                    name = "OA_bite_neutral.wav"
                files[f"{folder}/{name}"] = wav(len(files))
    return files


def lay_out(files: dict[str, bytes], root: Path) -> Path:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


def zipped(files: dict[str, bytes], path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(files: dict[str, bytes], path: Path, mode: str) -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def seed_layout(files: dict[str, bytes]) -> dict[str, bytes]:
    result = {}
    for path, content in files.items():
        name = path.split("/")[1]
        actor = "Actor_01" if name.startswith("OA") else "Actor_02"
        result[f"{actor}/{SEED_EMOTIONS[name[:-4].split('_')[2]]}/{name}"] = content
    return result


LAYOUTS = {
    "mirror": lambda files: {f"TESS Toronto emotional speech set data/{p}": c for p, c in files.items()},
    "kaggle, nested double": lambda files: {
        f"{prefix}TESS Toronto emotional speech set data/{p}": c
        for prefix in ("", "tess toronto emotional speech set data/")
        for p, c in files.items()
    },
    "seed": seed_layout,
    "flat": lambda files: {p.split("/")[1]: c for p, c in files.items()},
    "shouting": lambda files: {p.upper(): c for p, c in files.items()},
    "renamed": lambda files: {f"clips/{i}.wav": c for i, c in enumerate(files.values())},
}


def obtain(target: Path, *names: str, folder: str = "recordings") -> list[manifest.Clip]:
    target.mkdir(parents=True, exist_ok=True)
    settings = replace(params.load(), corpora=list(names) or ["tess"], folder=folder, synthetic_words=5)
    return corpora.obtain(settings, target)


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def own(tmp_path: Path, *paths: str) -> Path:
    for number, path in enumerate(paths):
        lay_out({path: wav(number)}, tmp_path / "mine")
    return tmp_path / "mine"


@contextmanager
def served(answer: Callable[[str], bytes | None]) -> Iterator[str]:
    """A server on the loopback: the content for a path, None for "503, try again later"; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if (body := answer(self.path)) is None:
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
