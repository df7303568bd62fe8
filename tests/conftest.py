"""What the tests share: an environment of their own, the project's settings and a small manifest."""

import hashlib
import os
import signal
import subprocess
import sys
import types
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from ser import EMOTIONS, params
from ser.answer.recogniser import Recogniser
from ser.data import corpora, sources
from tests import corpus_files

ROOT = Path(__file__).parents[1]

# Workers and threads share the cores: linear algebra with threads of its own would fight them (28 s instead of 1 s).
threadpool_limits(1)

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
    """Of the committed file, but for what the expected values were worked out for."""
    return replace(params.load().features, sample_rate=16_000, n_fft=1024, hop_length=512, window="hann", trim_db=40.0,
                   use=list(params.BLOCKS), n_mfcc=40, n_chroma=12, n_mels=64)  # fmt: skip


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


@pytest.fixture(scope="session")
def tess() -> dict[str, bytes]:
    """The stand-in for TESS: published path -> content."""
    return corpus_files.stand_in()


@pytest.fixture
def published(tess: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in is what is published, no copy is at hand, and no source answers."""
    listing = "".join(f"{hashlib.sha256(content).hexdigest()}  {path}\n" for path, content in tess.items())
    (tmp_path / "tess.sha256").write_text(listing, encoding="utf-8")
    corpus = corpora.CORPORA["tess"]
    # Nothing listens there: a test that reaches for the network fails at once.
    publishers = corpus.sources | {
        "Borealis": partial(sources.dataverse, "http://127.0.0.1:9", "doi:10.5683/x", "tess")
    }
    other = replace(corpus, checksums=tmp_path / "tess.sha256", clips=len(tess), sources=publishers)
    monkeypatch.setitem(corpora.CORPORA, "tess", other)
    monkeypatch.delenv("SER_DATA_DIR", raising=False)
    kaggle = types.SimpleNamespace(dataset_download=lambda handle: (_ for _ in ()).throw(OSError(f"offline: {handle}")))
    monkeypatch.setitem(sys.modules, "kagglehub", kaggle)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model of its own, ``model.onnx``, and the clips it was made of, ``clips/``."""
    from tests import listener

    place = tmp_path_factory.mktemp("listener")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        listener.make(place)
    return place


@pytest.fixture(scope="session")
def model(folder: Path) -> Recogniser:
    """That model, opened."""
    return Recogniser(folder / "model.onnx")


@pytest.fixture(scope="session")
def clip(folder: Path, model: Recogniser) -> Path:
    """The clip that it recognises best."""

    def certainty(path: Path) -> float:
        result = model.predict(path)
        return result.probability if result.emotion == path.parent.name else 0.0

    return max(sorted((folder / "clips").rglob("*.wav")), key=certainty)
