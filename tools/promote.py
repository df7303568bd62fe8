"""Release the model of protocol `word`: ``release/model.onnx``, ``model.json`` and the card ``README.md``, for git.

Only results that `dvc repro` would leave as they are can be released. A model trained on another corpus than TESS, one
trained by code that is no commit, and one whose test figures got worse are refused unless ``--force`` is given. What is
left to do by hand, the commit and the tag, is printed.
"""

import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from ser import errors, params
from ser.learn.modelfile import ModelFile
from stages.paths import METRICS, MODELS
from tools.card import card

NAME = "speech-emotion"  # of the artifact in dvc.yaml, and so of the tags
PROTOCOL = "word"
MODEL, DATA, CARD = Path("release/model.onnx"), Path("release/model.json"), Path("release/README.md")
JUDGED = ("accuracy", "uar", "macro_f1")


def main() -> None:
    parser = errors.parser(__doc__)
    parser.add_argument("--force", action="store_true", help="release it in spite of the objections")
    force = parser.parse_args().force

    check_that_results_are_current()
    source = MODELS / PROTOCOL / "model.onnx"
    results = {name: read(METRICS / f"{name}.json") for name in params.load().protocols}
    content = with_test_metrics(source, results[PROTOCOL])
    description = ModelFile(source).description
    new = {
        "name": NAME,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "revision": description.revision,
        "corpus": description.corpus,
        "protocol": PROTOCOL,
        "labels": description.labels,
        "metrics": results,
        "params": yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8")),
    }
    found = objections(new, read(DATA) if DATA.exists() else None)
    for objection in found:
        print(f"objection: {objection}")
    if found and not force:
        raise errors.UserError(f"{MODEL}: left as it was; `make promote FORCE=1` releases the new model all the same")

    MODEL.parent.mkdir(exist_ok=True)
    MODEL.write_bytes(content)
    DATA.write_text(json.dumps(new, indent=2) + "\n", encoding="utf-8")
    CARD.write_text(card(new), encoding="utf-8")
    print(what_is_left(next_version(git_tags()), len(content), results[PROTOCOL]))


def check_that_results_are_current() -> None:
    """Figures may only travel with the model that earned them: nothing may have changed since `dvc repro`."""
    from dvc.repo import Repo

    if PROTOCOL not in params.load().protocols:
        raise errors.UserError(f"params.yaml: expected {PROTOCOL} among protocols: it is the one that is released")
    with Repo() as repo:
        if changed := repo.status():
            raise errors.UserError(f"expected results that are up to date, received changes to {', '.join(changed)}; "
                                   "run `dvc repro`")  # fmt: skip


def read(path: Path) -> dict[str, Any]:
    """Content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def objections(new: dict[str, Any], released: dict[str, Any] | None) -> list[str]:
    """Why a model should not be released.

    Args:
        new: what is to become ``release/model.json``.
        released: what stands there, if anything.
    """
    found = []
    if new["corpus"] != "tess":
        found.append(f"expected a model trained on tess, received one trained on {new['corpus']}")
    if not re.fullmatch("[0-9a-f]{12}", new["revision"]):  # nobody could check it out and make the model again
        found.append(
            f"expected a model of committed code, received revision {new['revision']}; commit, then `dvc repro --force`"
        )
    if released:
        found += worse(new["metrics"], released["metrics"])
        if new["params"]["split"] != released["params"]["split"]:
            found.append("split changed since the released model: the figures are not of the same test clips")
    return found


def worse(new: dict[str, dict], released: dict[str, dict]) -> list[str]:
    """What got worse on the test parts, or is no longer measured."""
    found = []
    for protocol, figures in released.items():
        if protocol not in new:
            found.append(f"{protocol}: the released model has figures, this one has none")
            continue
        for name in JUDGED:
            if new[protocol][name] < figures[name]:
                found.append(f"{protocol}: {name} fell from {figures[name]:.4f} to {new[protocol][name]:.4f}")
    return found


def with_test_metrics(path: Path, figures: dict[str, Any]) -> bytes:
    """The model file with its test figures beside the validation ones: ``test_accuracy`` and so on."""
    import onnx

    network = onnx.load(path)
    entry = next(entry for entry in network.metadata_props if entry.key == "description")
    description = json.loads(entry.value)
    description["metrics"] |= {f"test_{name}": value for name, value in figures.items() if isinstance(value, float)}
    entry.value = json.dumps(description)
    return network.SerializeToString(deterministic=True)


def git_tags() -> list[str]:
    """Tags of this artifact."""
    command = ["git", "tag", "--list", f"{NAME}@v*"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def next_version(tags: list[str]) -> str:
    """The version after the highest one; a new model raises the middle number.

    >>> next_version([]), next_version(["speech-emotion@v1.9.0", "speech-emotion@v1.10.2", "speech-emotion@v2.0.0#1"])
    ('v1.0.0', 'v1.11.0')
    """
    found = [re.fullmatch(rf"{NAME}@v(\d+)\.(\d+)\.(\d+)", tag) for tag in tags]
    versions = [tuple(map(int, match.groups())) for match in found if match]
    if not versions:
        return "v1.0.0"
    major, minor, _ = max(versions)
    return f"v{major}.{minor + 1}.0"


def what_is_left(version: str, size: int, figures: dict[str, Any]) -> str:
    """The commands that make the release known; tags are GTO's, which `dvc artifacts get` understands."""
    result = f"{figures['corpus']}, accuracy {figures['accuracy']:.4f} under {PROTOCOL}"
    return f"""{MODEL} ({size / 1e6:.2f} MB), {DATA} and {CARD} are written: {result}. To release them
(the package has a version of its own: `version` in pyproject.toml, {version.removeprefix("v")} for this one):
  git add {MODEL.parent} pyproject.toml && git commit -m "Release {NAME} {version}"
  git tag -a {NAME}@{version} -m "{result}"
  git push --follow-tags"""


if __name__ == "__main__":
    errors.run(main)
