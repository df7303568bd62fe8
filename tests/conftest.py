"""What the tests share: an environment of their own, the project's settings and a small manifest."""

import os
import signal
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from ser import EMOTIONS, params

ROOT = Path(__file__).parents[1]

# A shell that runs the tests in the background has Ctrl-C ignored, by what they start too; some of it they interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A hook or a rebase that runs the tests says where its repository is; clones of the tests would commit into that one.
for name in subprocess.run(
    ["git", "rev-parse", "--local-env-vars"], capture_output=True, text=True, check=True
).stdout.split():
    if not name.startswith("GIT_CONFIG"):
        os.environ.pop(name, None)
# Their commits ask for no signature, and run nobody's hooks.
for key, value in (("commit.gpgsign", "false"), ("tag.gpgsign", "false"), ("core.hooksPath", os.devnull)):
    place = int(os.environ.get("GIT_CONFIG_COUNT", 0))
    os.environ |= {
        f"GIT_CONFIG_KEY_{place}": key,
        f"GIT_CONFIG_VALUE_{place}": value,
        "GIT_CONFIG_COUNT": str(place + 1),
    }
# No proxy knows the servers that the tests start.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what takes longest begin first: no worker is left with it alone at the end."""
    items.sort(key=lambda item: [item.get_closest_marker(mark) is None for mark in ("tess", "slow")])


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture
def settings() -> params.Features:
    return params.load("features")


@pytest.fixture
def clips() -> pd.DataFrame:
    """A manifest in TESS's shape: two speakers, seven emotions, twenty words."""
    rows = [
        {"clip": f"{speaker}/{emotion}/{speaker}_{word}.wav", "speaker": speaker, "emotion": emotion, "text": word}
        for speaker in ("OAF", "YAF")
        for emotion in EMOTIONS
        for word in (f"word{i:02}" for i in range(20))
    ]
    return pd.DataFrame(rows).assign(corpus="tess", recording=lambda table: table["clip"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model of its own, ``model.onnx``, and the clips it was made of, ``clips/``."""
    from tests import listener

    place = tmp_path_factory.mktemp("listener")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        listener.make(place)
    return place
