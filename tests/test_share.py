"""Sharing: remotes (a folder, S3), a fresh clone that has everything, and the model in another repository."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from tests.project import TINY, Project, ran

pytestmark = pytest.mark.slow

MODEL = "models/word/model.onnx"
# Everything that DVC keeps out of git.
RESULTS = (
    "data/raw",
    "data/manifest.csv",
    "data/features",
    "data/splits.csv",
    "data/predictions/word/clips.csv",
    MODEL,
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that was run and pushed to a folder, with its results committed."""
    folder = tmp_path_factory.mktemp("share")
    project = Project(folder)
    project.set(corpora=["synthetic"], **TINY)
    project.dvc("repro")
    project.dvc("remote", "add", "--default", "store", str(folder / "store"))
    project.commit("Run the synthetic corpus")
    project.dvc("push")
    return project


@pytest.fixture
def colleague(project: Project, tmp_path: Path) -> Project:
    """A clone of it by somebody else, who has no cache yet."""
    return project.clone(tmp_path / "colleague")


def test_a_fresh_clone_with_the_remote_runs_nothing(colleague: Project) -> None:
    output = colleague.dvc("repro", "--pull", "--allow-missing")
    assert not ran(output) and "up to date" in output
    assert not any((colleague.folder / path).exists() for path in RESULTS)  # what nothing needs is not fetched


def test_a_fresh_clone_has_everything_after_pull(project: Project, colleague: Project) -> None:
    colleague.dvc("fetch")
    assert not (colleague.folder / MODEL).exists()  # fetched into the cache, not checked out
    colleague.dvc("pull")
    assert all((colleague.folder / path).exists() for path in RESULTS)
    assert (colleague.folder / MODEL).read_bytes() == (project.folder / MODEL).read_bytes()
    assert not ran(colleague.dvc("repro"))
    assert "up to date" in colleague.dvc("status")
    assert not colleague.run("git", "status", "--porcelain").stdout


def test_training_pulls_what_it_needs(colleague: Project) -> None:
    colleague.set(train={"units": 4})
    output = colleague.dvc("repro", "--pull", "--allow-missing", "train@word")
    assert ran(output) == ["train@word"]
    assert (colleague.folder / "data/features").exists() and not (colleague.folder / "data/raw").exists()


@pytest.fixture
def s3() -> Iterator[str]:
    """Address of an S3 server on this machine, with one bucket."""
    import boto3

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    client = boto3.client(
        "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    client.create_bucket(Bucket="emotions")
    yield address
    server.stop()


def test_s3(project: Project, s3: str, tmp_path: Path) -> None:
    # The block of the network would take this server, too.
    access = {"PYTHONPATH": "", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "NO_PROXY": "*"}
    colleague = project.clone(tmp_path / "colleague")
    for one in (project, colleague):
        one.dvc("remote", "add", "s3", "s3://emotions/dvc", "--local")
        one.dvc("remote", "modify", "s3", "endpointurl", s3, "--local")
        one.dvc("remote", "modify", "s3", "region", "us-east-1", "--local")
    assert "files pushed" in project.dvc("push", "--remote", "s3", **access)
    assert "Everything is up to date" in project.dvc("push", "--remote", "s3", **access)
    colleague.dvc("fetch", "--remote", "s3", "data/manifest.csv", **access)
    colleague.dvc("pull", "--remote", "s3", **access)
    assert all((colleague.folder / path).exists() for path in RESULTS)
    assert not ran(colleague.dvc("repro"))


def test_the_model_in_another_repository(project: Project, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()

    def run(*command: str) -> str:
        result = subprocess.run(command, cwd=other, env=project.environment, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    run("git", "init", "--quiet")
    run("dvc", "init", "--quiet")
    content = (project.folder / MODEL).read_bytes()

    run("dvc", "get", str(project.folder), MODEL, "--out", "got.onnx")
    assert (other / "got.onnx").read_bytes() == content

    run("dvc", "import", str(project.folder), MODEL, "--out", "imported.onnx")
    assert (other / "imported.onnx").read_bytes() == content
    assert "rev_lock" in (other / "imported.onnx.dvc").read_text(encoding="utf-8")
    run("dvc", "update", "imported.onnx.dvc")

    program = (
        "import sys, dvc.api\n"
        "with dvc.api.open(sys.argv[1], repo=sys.argv[2], mode='rb') as model:\n"
        "    open('opened.onnx', 'wb').write(model.read())"
    )
    run(sys.executable, "-c", program, MODEL, str(project.folder))
    assert (other / "opened.onnx").read_bytes() == content
