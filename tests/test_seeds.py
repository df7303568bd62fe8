"""The table over seeds: what is grouped, and that mean and deviation are those that a person works out."""

from typing import Any

import pytest

from tools import seeds


def experiment(seed: int, accuracy: float, lr: float = 0.1, code: str | None = "c", state: str = "success") -> dict:
    """An experiment as `dvc exp show --json` prints it."""
    summary = {"corpus": "emodb", "word_accuracy": accuracy, "word_uar": accuracy / 2}
    data = {
        "params": {"params.yaml": {"data": {"corpora": ["emodb"], "train": {"seed": seed, "lr": lr}}}},
        "metrics": {"metrics/summary.json": {"data": summary}, "metrics/word.json": {"data": {"accuracy": accuracy}}},
        # What follows from the seed differs between runs, and is no reason to keep them apart.
        "deps": {"ser/learn": {"hash": code}, "models/word/model.onnx": {"hash": f"{seed} {lr}"}},
    }
    return {"revs": [{"rev": f"{seed}", "data": data}], "executor": {"state": state}, "name": "x"}


def shown(*experiments: dict, origin: str = "0123456789") -> list[dict[str, Any]]:
    return [{"rev": "workspace", "experiments": None}, {"rev": origin, "experiments": list(experiments)}]


def test_mean_and_sample_deviation() -> None:
    (group,) = seeds.grouped(seeds.runs(shown(*(experiment(seed, 0.5 + seed / 10) for seed in (1, 2, 3)))))
    assert sorted(group.summaries) == [1, 2, 3]
    # 0.6, 0.7, 0.8: mean 0.7, deviation of the sample 0.1; half of that for UAR.
    (accuracy, uar) = seeds.rows(group)["word"]
    assert accuracy == pytest.approx((0.7, 0.1)) and uar == pytest.approx((0.35, 0.05))
    assert "| `word` | 0.7000 ± 0.1000 | 0.3500 ± 0.0500 |" in seeds.markdown(group).splitlines()


@pytest.mark.parametrize("other", [{"lr": 0.2}, {"code": "d"}])
def test_other_parameters_and_other_code_are_not_mixed_in(other: dict[str, Any]) -> None:
    groups = seeds.grouped(seeds.runs(shown(experiment(1, 0.5), experiment(2, 0.7), experiment(3, 0.1, **other))))
    assert [sorted(group.summaries) for group in groups] == [[1, 2], [3]]


def test_without_hashes_the_commit_tells_the_code() -> None:
    both = shown(experiment(1, 0.5, code=None)), shown(experiment(2, 0.7, code=None), origin="9876543210")
    found = [run for one in both for run in seeds.runs(one)]
    for run in found:
        run.code.clear()
    assert len(seeds.grouped(found)) == 2


def test_what_is_not_finished_does_not_count_and_of_two_runs_the_latest_does() -> None:
    entries = [
        experiment(1, 0.5),
        experiment(1, 0.9),
        *(experiment(7, 0.1, state=state) for state in ("queued", "failed")),
    ]
    (group,) = seeds.grouped(seeds.runs(shown(*entries)))
    assert {seed: one["word_accuracy"] for seed, one in group.summaries.items()} == {1: 0.5}


def test_latex() -> None:
    entries = [experiment(seed, 0.5) for seed in (1, 2)]
    for one in entries:
        summary = one["revs"][0]["data"]["metrics"]["metrics/summary.json"]["data"]
        summary |= {"speaker_oaf_accuracy": 0.25, "speaker_oaf_uar": 0.25}
    (group,) = seeds.grouped(seeds.runs(shown(*entries)))
    lines = seeds.latex(group).splitlines()
    assert r"speaker\_oaf & $0.2500 \pm 0.0000$ & $0.2500 \pm 0.0000$ \\" in lines
    assert lines[1] == r"\begin{tabular}{lcc}" and lines[-1] == r"\end{tabular}"


def test_the_results_of_a_commit_count_as_one_more() -> None:
    entries = shown(experiment(1, 0.6), experiment(2, 0.7))
    entries[1] |= {"data": experiment(42, 0.8)["revs"][0]["data"]}
    entries[0] |= {"data": experiment(7, 0.1)["revs"][0]["data"]}  # of the workspace, which may be anything
    (group,) = seeds.grouped(seeds.runs(entries))
    assert sorted(group.summaries) == [1, 2, 42]
