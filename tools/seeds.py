"""Mean and standard deviation of each protocol over experiments that differ in ``train.seed`` alone.

    dvc exp run --queue -S 'train.seed=1,2,3,4' && dvc queue start
    python -m tools.seeds            # a Markdown table; --latex: a tabular, for booktabs

The last commit's own results count as one more. Experiments of other parameters, other code or other data make a table
of their own. The last commit's are shown, as in `dvc exp show`; --num 3 takes in those of the two commits before.
"""

import json
import subprocess
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ser import errors

SEED = "train.seed"
FIGURES = {"accuracy": "accuracy", "uar": "UAR"}
SUMMARY = "metrics/summary.json"
# What follows from the seed; all else that a stage depends on is code or data.
RESULTS = ("models/", "plots/", "metrics/", "data/predictions")


@dataclass(frozen=True)
class Run:
    """One experiment.

    Attributes:
        seed: ``train.seed``.
        params: the other parameters, by their dotted names.
        origin: commit that it was derived from.
        code: hash of every file and folder of code and data that its stages read.
        summary: ``metrics/summary.json``.
    """

    seed: int
    params: dict[str, Any]
    origin: str
    code: dict[str, str]
    summary: dict[str, Any]


@dataclass
class Group:
    """Runs that differ in the seed alone: their summaries by seed."""

    first: Run
    summaries: dict[int, dict[str, Any]] = field(default_factory=dict)


def main() -> None:
    parser = errors.parser(__doc__)
    parser.add_argument("--latex", action="store_true", help="a tabular for LaTeX, with booktabs")
    parser.add_argument("--num", type=int, default=1, metavar="N", help="experiments of the last N commits (1)")
    given = parser.parse_args()
    command = ["dvc", "exp", "show", "--json", "--num", str(given.num)]
    shown = subprocess.run(command, capture_output=True, text=True)
    if shown.returncode:
        raise errors.UserError(f"expected experiments, received: {' '.join(shown.stderr.split())}")
    found = runs(json.loads(shown.stdout))
    groups = [group for group in grouped(found) if len(group.summaries) > 1]
    if not groups:
        raise errors.UserError(f"expected experiments that differ in {SEED} alone, received {len(found)} finished: "
                               f"dvc exp run --queue -S '{SEED}=1,2,3,4' && dvc queue start")  # fmt: skip
    print("\n\n".join((latex if given.latex else markdown)(group) for group in groups))


def runs(shown: list[dict[str, Any]]) -> list[Run]:
    """The finished experiments in what ``dvc exp show --json`` prints, the latest first, and the commits' own results.

    Args:
        shown: an entry for the workspace and for each commit.
    """
    found = []
    for commit in shown:
        if commit["rev"] == "workspace":
            continue
        for experiment in [*(commit.get("experiments") or []), {"revs": [commit]}]:
            data = experiment["revs"][0].get("data") or {}
            summary = data.get("metrics", {}).get(SUMMARY, {}).get("data")
            if not summary or (experiment.get("executor") or {}).get("state") in ("queued", "running", "failed"):
                continue
            params = flat({name: one.get("data") for name, one in data["params"].items()})
            seed = next(params.pop(name) for name in list(params) if name.endswith(f".{SEED}"))
            deps = {path: dep["hash"] for path, dep in data.get("deps", {}).items() if dep["hash"]}
            code = {path: hash for path, hash in deps.items() if not path.startswith(RESULTS)}
            found.append(Run(seed, params, commit["rev"], code, summary))
    return found


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted names.

    >>> flat({"train": {"lr": 0.1, "filters": [8]}})
    {'train.lr': 0.1, 'train.filters': [8]}
    """
    pairs: dict[str, Any] = {}
    for key, value in tree.items():
        pairs |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return pairs


def grouped(found: list[Run]) -> list[Group]:
    """Runs of the same parameters, code and data together; of two with one seed, the latest counts."""
    groups: dict[str, Group] = {}
    for run in found:
        # Where no hash is known, the commit stands for the code.
        key = json.dumps([run.params, run.code or run.origin, sorted(run.summary)], sort_keys=True)
        groups.setdefault(key, Group(run)).summaries.setdefault(run.seed, run.summary)
    return list(groups.values())


def rows(group: Group) -> dict[str, list[tuple[float, float]]]:
    """Mean and standard deviation (of the sample) of accuracy and UAR, for each protocol of the summary."""
    names = [key.removesuffix("_accuracy") for key in group.first.summary if key.endswith("_accuracy")]
    table = {}
    for name in names:
        values = [[one[f"{name}_{figure}"] for figure in FIGURES] for one in group.summaries.values()]
        table[name] = list(zip(np.mean(values, axis=0), np.std(values, axis=0, ddof=1), strict=True))
    return table


def caption(group: Group) -> str:
    """Which runs these are."""
    seeds = ", ".join(map(str, sorted(group.summaries)))
    return f"{group.first.summary['corpus']}, {len(group.summaries)} seeds ({seeds}), from {group.first.origin[:7]}"


def markdown(group: Group) -> str:
    """The table in Markdown."""
    lines = [
        f"{caption(group)}:",
        "",
        f"| protocol | {' | '.join(FIGURES.values())} |",
        "|---" * (len(FIGURES) + 1) + "|",
    ]
    for name, figures in rows(group).items():
        cells = [f"{mean:.4f} ± {deviation:.4f}" for mean, deviation in figures]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def latex(group: Group) -> str:
    """The table for LaTeX."""
    lines = [
        f"% {caption(group)}; mean and standard deviation",
        rf"\begin{{tabular}}{{l{'c' * len(FIGURES)}}}",
        r"\toprule",
        rf"protocol & {' & '.join(FIGURES.values())} \\",
        r"\midrule",
    ]
    for name, figures in rows(group).items():
        cells = [rf"${mean:.4f} \pm {deviation:.4f}$" for mean, deviation in figures]
        escaped = name.replace("_", r"\_")
        lines.append(rf"{escaped} & {' & '.join(cells)} \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


if __name__ == "__main__":
    errors.run(main)
