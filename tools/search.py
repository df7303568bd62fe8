"""Search for better hyper-parameters: Optuna chooses them, DVC runs and records each trial as an experiment.

    python -m tools.search word --trials 20

A trial is `dvc exp run --temp train@<protocol>`: it trains in a folder of its own, so that the workspace stays as it
is, and goes no further, so that the test part is never touched. What is made small is val_loss: that of the best epoch,
or with `train.average` the mean over the epochs whose weights are averaged. Each trial takes code and params.yaml as
they are when it begins: leave them alone until the search ends. It stops where a setting that is not searched changed.
Ctrl-C stops the search and the same command goes on with it: search/<protocol>.db remembers. At its end a table of
the best trials is printed and search/<protocol>.png shows which parameters mattered.
"""

import argparse
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import optuna
import pandas as pd
import yaml
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from ser import errors, params, pictures

PARAMS = Path("params.yaml")
FOLDER = Path("search")
SPACE: dict[str, BaseDistribution] = {
    "train.units": CategoricalDistribution([32, 64, 128]),
    "train.layers": CategoricalDistribution([1, 2]),
    "train.pooling": CategoricalDistribution(["statistics", "mean", "last"]),
    "train.dropout": FloatDistribution(0, 0.6),
    "train.lr": FloatDistribution(3e-4, 1e-2, log=True),
    "train.batch_size": CategoricalDistribution([32, 64, 128]),
}


def main() -> None:
    """Read the command line, run the trials that are missing, report."""
    parser = errors.parser(__doc__)
    parser.add_argument("protocol", help="one of the protocols of params.yaml")
    parser.add_argument("--trials", type=_trials, default=20, help="how many trials the study shall have (20)")
    arguments = parser.parse_args()
    protocol = arguments.protocol
    if protocol not in (known := params.load("protocols", PARAMS)):
        raise errors.UserError(f"protocol: expected one of {', '.join(known)}, received {protocol}")

    study = open_study(protocol)
    try:
        while len(completed(study)) < arguments.trials:
            run_trial(study, protocol, arguments.trials)
    except KeyboardInterrupt:
        sys.stderr.write(f"\nstopped with {len(completed(study))} trials; the same command goes on\n")
        raise
    finally:
        if completed(study):
            report(study, protocol)


def _trials(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of trials, 1 or more, received {text}")
    return int(text)


def open_study(protocol: str) -> optuna.Study:
    """The study of a protocol, new or as it was left."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    FOLDER.mkdir(exist_ok=True)
    database = f"sqlite:///{FOLDER / protocol}.db"
    study = optuna.create_study(storage=database, study_name=protocol, load_if_exists=True)
    # Not one seed for all: a search that goes on would begin with the trials that it began with before.
    study.sampler = optuna.samplers.TPESampler(seed=len(study.trials))
    check_comparable(study)
    return study


def check_comparable(study: optuna.Study) -> None:
    """Losses are only comparable while all that is not searched stays as it was when the study began.

    Raises:
        UserError: params.yaml has changed since.
    """
    settings = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    fixed = {key: settings[key] for key in ("corpora", "folder", "synthetic_words", "features", "split")}
    fixed["train"] = {key: value for key, value in settings["train"].items() if f"train.{key}" not in SPACE}
    if study.user_attrs.setdefault("fixed", fixed) != fixed:
        raise errors.UserError(
            f"{PARAMS}: changed since this search began; undo that, or remove {FOLDER / study.study_name}.db"
        )
    study.set_user_attr("fixed", fixed)


def completed(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The trials that have a result, the best first."""
    return sorted(study.get_trials(states=[TrialState.COMPLETE]), key=lambda trial: trial.value or 0.0)


def run_trial(study: optuna.Study, protocol: str, wanted: int) -> None:
    """One experiment; its result goes into the study."""
    check_comparable(study)  # a temporary experiment takes params.yaml as it is by now
    # A temporary experiment sees what git tracks, and git ignores recordings of one's own.
    sources = params.load("corpora", PARAMS)
    own = recordings(sources.folder) if "folder" in sources.corpora else []
    averaged = params.load("train").averaged()
    trial = study.ask(SPACE)
    name = free_name(protocol)
    trial.set_user_attr("experiment", name)
    command = ["dvc", "exp", "run", "--temp", "--name", name]
    command += [part for path in own for part in ("-C", path)]
    command += [part for key, value in trial.params.items() for part in ("--set-param", f"{key}={value}")]
    try:
        result = subprocess.run([*command, f"train@{protocol}"], capture_output=True, text=True)
        if result.returncode:
            raise errors.UserError(f"{name} failed:\n{(result.stdout + result.stderr)[-2000:]}")
        history = recorded_history(name, protocol)
    except BaseException:  # Ctrl-C above all: no trial is left behind as if it were still running
        study.tell(trial, state=TrialState.FAIL)
        raise
    best = int(history.val_loss.argmin())
    kept = history.tail(averaged) if averaged else history.iloc[best : best + 1]
    loss = float(kept.val_loss.mean())
    trial.set_user_attr("val_accuracy", float(kept.val_accuracy.mean()))
    study.tell(trial, loss)
    choice = "  ".join(f"{key.removeprefix('train.')} {shorten(value)}" for key, value in trial.params.items())
    print(f"{len(completed(study)):3}/{wanted}  {name}  val_loss {loss:.4f}  {choice}", flush=True)


def recordings(folder: str) -> list[str]:
    """What git does not track in a folder.

    Raises:
        UserError: git does not know the folder.
    """
    try:
        return [path for path in git("ls-files", "--others", "--directory", "-z", folder).split("\0") if path]
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip()
        raise errors.UserError(f"folder: expected a folder of this repository, received {folder}: {reason}") from error


def free_name(protocol: str) -> str:
    """Name the next experiment: a search whose study was removed may have left some."""
    names = git("for-each-ref", "--format=%(refname:lstrip=4)", f"refs/exps/*/*/search-{protocol}-*").split()
    numbers = [int(number) for name in names if (number := name.rpartition("-")[2]).isdigit()]
    return f"search-{protocol}-{max(numbers, default=-1) + 1}"


def recorded_history(name: str, protocol: str) -> pd.DataFrame:
    """The training curves that an experiment recorded.

    Raises:
        UserError: it recorded nothing.
    """
    pattern = f"refs/exps/*/*/{name}"
    revision = git("for-each-ref", "--sort=-creatordate", "--count=1", "--format=%(objectname)", pattern).strip()
    if not revision:  # git would take the name of no commit for what is staged
        raise errors.UserError(f"{name}: expected an experiment that DVC recorded, found none")
    return pd.read_csv(io.StringIO(git("show", f"{revision}:plots/{protocol}/history.csv")))


def git(*arguments: str) -> str:
    """What a git command prints."""
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout


def report(study: optuna.Study, protocol: str) -> None:
    """Print the best trials and draw which parameters mattered."""
    trials, corpus = completed(study), " + ".join(study.user_attrs["fixed"]["corpora"])
    rows = [
        {"experiment": trial.user_attrs["experiment"], "val_loss": trial.value, **trial.user_attrs}
        | {key.removeprefix("train."): shorten(value) for key, value in trial.params.items()}
        for trial in trials[:10]
    ]
    table = pd.DataFrame(rows).to_string(index=False, float_format="{:.4f}".format)
    print(f"\nThe best of {len(trials)} trials:\n{table}")
    if len(trials) > 1:
        importance = optuna.importance.get_param_importances(study)
        draw(
            importance,
            trials,
            f"Search · {pictures.corpus_title(corpus)} · {protocol} · {len(trials)} trials",
            FOLDER / f"{protocol}.png",
        )
        print(f"\n{FOLDER}/{protocol}.png: " + ", ".join(f"{k} {v:.0%}" for k, v in importance.items()))
    print(f"\nTake the best one: dvc exp apply {rows[0]['experiment']} && dvc repro")


def draw(importance: dict[str, float], trials: list[optuna.trial.FrozenTrial], title: str, path: Path) -> None:
    """Bars of how much of the loss' variation each parameter explains, beside the loss of every trial."""
    in_order = sorted(trials, key=lambda trial: trial.number)
    numbers, losses = [trial.number for trial in in_order], [trial.value or 0.0 for trial in in_order]
    with plt.rc_context(pictures.STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2))
        names = list(reversed(importance))
        left.barh(names, [importance[name] for name in names], color=pictures.BLUE)
        left.set(xlabel="importance (share of the variation of val_loss)", xlim=(0, 1))
        right.plot(numbers, losses, ".", color=pictures.BLUE, label="trial")
        right.step(numbers, np.minimum.accumulate(losses), where="post", color=pictures.ORANGE, label="best so far")
        right.set(xlabel="trial", ylabel="val_loss (nats)", yscale="log")
        right.xaxis.get_major_locator().set_params(integer=True)
        right.legend()
        figure.suptitle(title, fontweight="bold")
        figure.savefig(path)
        plt.close(figure)


def shorten(value: Any) -> str:
    """A number with three digits, anything else as it is."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    errors.run(main)
