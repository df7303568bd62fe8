"""The page and its API as their users have them: a process of its own, with a model made here."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.conftest import ROOT


def start(*given: str, errors: int | IO[str] = subprocess.PIPE) -> subprocess.Popen[str]:
    """Start ``python -m demo``."""
    line = [sys.executable, "-m", "demo", *given]
    return subprocess.Popen(line, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=errors)


def address(server: subprocess.Popen[str]) -> str:
    """Wait until it listens: where, without a slash at the end."""
    assert server.stdout is not None
    line = server.stdout.readline()
    assert line.startswith("http://"), line
    return line.split("/ ")[0]


@contextmanager
def served(model: Path, log: Path) -> Iterator[str]:
    """Serve on a free port and yield the address; what it prints to standard error goes to ``log``."""
    with log.open("w") as errors:
        server = start("--port", "0", "--model", str(model), errors=errors)
        try:
            yield address(server)
        finally:
            server.terminate()
            server.wait()
