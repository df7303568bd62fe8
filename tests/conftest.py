"""What the tests share: the project's own settings and a small manifest."""

import signal
from pathlib import Path

import pandas as pd
import pytest

from ser import EMOTIONS, params

ROOT = Path(__file__).parents[1]

# A shell that runs the tests in the background has Ctrl-C ignored, by what they start too; some of it they interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


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
    pytest.importorskip("espeakng_loader")
    from tests import listener

    place = tmp_path_factory.mktemp("listener")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        listener.make(place)
    return place
