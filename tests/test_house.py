"""The house: which room may import which, and that dvc.yaml names the rooms that a stage is made of."""

import ast
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.serialize import modify_yaml

from tests.conftest import ROOT

# A room imports rooms above it in this list, never below. What lies in ser/ itself is "base".
ORDER = ("base", "sound", "data", "learn", "judge", "answer", "stages", "demo", "tools")
STRANGERS = {("learn", "data"), ("judge", "learn"), ("demo", "stages"), ("tools", "demo")}  # nor these
NETWORK = {"tensorflow", "keras"}
# The base decides no result, nor does the list of paths that dvc.yaml repeats.
NO_DEPS = {"base", "stages.paths", "stages"}


def sources() -> list[Path]:
    folders = ("ser", "stages", "demo", "tools")
    return sorted(path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*.py"))


def module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


MODULES = {module(path): path for path in sources()}


def room(name: str) -> str:
    parts = name.split(".")
    if parts[0] != "ser":
        return parts[0]
    return parts[1] if (ROOT / "ser" / "/".join(parts[1:2])).is_dir() and len(parts) > 1 else "base"


def walk(node: ast.AST, types: bool) -> Iterator[ast.AST]:
    """All nodes, those inside functions as well; of ``if TYPE_CHECKING``, only if ``types``."""
    for child in ast.iter_child_nodes(node):
        if not types and isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield child
        yield from walk(child, types)


@cache
def imports(name: str, types: bool = False) -> frozenset[str]:
    """What a module imports: modules of ours by their names, of others the first part of theirs."""
    found = set()
    for node in walk(ast.parse((ROOT / MODULES[name]).read_text(encoding="utf-8")), types):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{name}: expected absolute imports"
            within = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {one if one in MODULES else node.module for one in within}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            assert name == "ser", f"{name}: expected an import that can be followed"
    return frozenset(one if one in MODULES else one.split(".")[0] for one in found)


@cache
def closure(name: str) -> frozenset[str]:
    """What a module imports, directly or through others."""
    found, waiting = set(), [name]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += imports(one) if one in MODULES else []
    return frozenset(found)


def stages() -> dict[str, dict[str, Any]]:
    """Stages of dvc.yaml by name, those under ``foreach`` once."""
    content = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    return {name: stage.get("do", stage) for name, stage in content["stages"].items()}


def programs(stage: dict[str, Any]) -> list[str]:
    """Modules of ours that a stage runs."""
    return [name for name in re.findall(r"python -m ([\w.]+)", str(stage["cmd"])) if name in MODULES]


def depend_on(path: Path) -> set[str]:
    """Stages that DVC runs again when a file has changed."""
    places = {path.as_posix(), *(parent.as_posix() for parent in path.parents)}
    return {name for name, stage in stages().items() if places & set(stage.get("deps", []))}


@pytest.mark.parametrize("name", MODULES)
def test_imports_run_one_way(name: str) -> None:
    here = room(name)
    for there in {room(other) for other in imports(name, types=True) if other in MODULES} - {here}:
        # ser/predict.py is the command line under the name that it always had.
        if name == "ser.predict" and there == "answer":
            continue
        assert ORDER.index(there) < ORDER.index(here), f"{name} imports {there}"
        assert (here, there) not in STRANGERS, f"{name} imports {there}"


def test_the_parser_sees_imports_of_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "probe.py").write_text(
        "from typing import TYPE_CHECKING\nimport ser.sound.audio as a\nif TYPE_CHECKING:\n    import keras\n"
        "def f():\n    from ser.data import splits, nothing\n    import tensorflow.keras\n"
    )
    monkeypatch.setitem(MODULES, "probe", tmp_path / "probe.py")
    ours = {"typing", "ser.sound.audio", "ser.data.splits", "ser.data", "tensorflow"}
    assert imports("probe") == ours and imports("probe", types=True) == ours | {"keras"}


@pytest.mark.parametrize("stage", stages())
def test_a_stage_depends_on_the_rooms_that_it_imports(stage: str) -> None:
    deps, run = stages()[stage].get("deps", []), programs(stages()[stage])
    if not run:
        pytest.skip("runs no program of this repository")
    names = frozenset().union(*map(closure, run)) & MODULES.keys()
    rooms = {f"ser/{room(name)}" for name in names if name.startswith("ser.") and room(name) != "base"}
    files = {MODULES[name].as_posix() for name in names if not name.startswith("ser") and name not in NO_DEPS}
    assert {dep for dep in deps if dep.split("/")[0] in ("ser", "stages", "demo", "tools")} == rooms | files


@pytest.mark.parametrize("stage", stages())
def test_only_what_makes_a_model_imports_the_network_library(stage: str) -> None:
    for program in programs(stages()[stage]):
        if not any(str(out).startswith("models") for out in stages()[stage].get("outs", [])):
            assert not closure(program) & NETWORK, program


def test_two_modules_import_the_network_library_and_no_prediction_does() -> None:
    users = {name for name in MODULES if imports(name) & NETWORK}
    assert users == {"ser.learn.network", "ser.learn.fitting"}
    for name in ("ser.predict", "demo.__main__"):
        assert "ser.answer.recogniser" in closure(name) and not closure(name) & NETWORK


@pytest.mark.parametrize("path", [path for path in sources() if path.parts[0] == "ser"], ids=str)
def test_what_alters_no_result_reruns_nothing(path: Path) -> None:
    """Such as a docstring of the command line, or an error's wording."""
    users = {name for name, stage in stages().items() if any(module(path) in closure(run) for run in programs(stage))}
    if room(module(path)) == "base":
        assert not depend_on(path)
    elif room(module(path)) == "answer":
        assert depend_on(path) <= users
    else:
        assert depend_on(path) >= users


def test_an_answer_is_no_part_of_the_pipeline() -> None:
    reruns = set().union(*(depend_on(path) for path in sources() if path.is_relative_to("ser/answer")))
    assert not reruns & {"download", "features", "split", "train", "evaluate", "summarise"}


@pytest.mark.parametrize("name", ["dvc.yaml", "params.yaml"])
def test_the_files_are_written_as_dvc_writes_them(name: str, tmp_path: Path) -> None:
    """Else `dvc stage add` and `dvc exp run -S` would change lines that they do not mean."""
    copy = Path(shutil.copy(ROOT / name, tmp_path))
    with modify_yaml(copy):
        pass
    assert copy.read_text(encoding="utf-8") == (ROOT / name).read_text(encoding="utf-8")


def lines(path: Path) -> int:
    return len((ROOT / path).read_text(encoding="utf-8").splitlines())


def test_the_house_stays_small() -> None:
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert sum(len(value) if isinstance(value, dict) else 1 for value in content.values()) <= 45
    # Two screens for the six stages from download to summary; more for whoever adds his own.
    assert lines(Path("dvc.yaml")) <= 130 + 20 * max(0, len(stages()) - 6)


@pytest.mark.parametrize("path", [path for path in sources() if path.parts[0] == "ser"], ids=str)
def test_no_file_is_long(path: Path) -> None:
    assert lines(path) <= 300


def test_the_whole_can_be_read() -> None:
    """In an afternoon: lines with something on them, as blank ones are the formatter's."""
    written = [line for path in sources() if path.parts[0] == "ser" for line in (ROOT / path).read_text().splitlines()]
    assert sum(bool(line.strip()) for line in written) <= 3000
