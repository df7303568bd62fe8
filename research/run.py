"""Train recipes and test them on unseen speakers; append the results to research/results.csv.

    python -m research.run default                                        # TESS, both directions, five seeds
    python -m research.run default --emodb FOLDER --ravdess FOLDER        # proxies too
    python -m research.run default --alone --emodb FOLDER --ravdess FOLDER --protocols    # harder proxies, no TESS
    python -m research.run default --kept-back --ravdess FOLDER --emodb FOLDER    # once, when the recipe is settled
    python -m research.run default --kept-back --folder FOLDER    # likewise: FOLDER/<speaker>/<emotion>/<clips>

Needs data/ as `dvc repro` leaves it. Recipes are chosen on the proxies, which come first: speaker-disjoint halves of
other corpora, each of their speakers alone, and pseudo-speakers, the validation clips of the training actress played
slower and faster. TESS is reported, never chosen on. Each row names the revision of the code that made it (those of
before, the commit that brought them). `python -m research.table` prints what was found.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import permutations
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import soxr
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.metrics import recall_score
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from research.recipes import DEFAULT, RECIPES
from ser import EMOTIONS, artifact, audio, corpora, errors, expert, manifest, metrics, model, params, shards, voice
from ser.features import extract, filters
from ser.tess import parse as parse_tess
from stages.paths import FEATURES, MANIFEST, RAW, SPLITS

RESULTS = Path("research/results.csv")
# Pitch and formants together, as a larger and a smaller person would have them; set by hand.
SPEEDS = (0.85, 1.18)
COPIES = (1.0, *SPEEDS)  # of each clip that an expert is fitted to
CLIPS_PER_EPOCH = 1200  # about as many as one actress has: a proxy's are repeated, for as many steps as TESS has
CLIPS_PER_EPOCH_ALONE = 300  # where one speaker of a proxy is trained on alone, with some 50 clips
# Of a proxy's training clips, one in this many is for val, as split.val_folds has it. Of RAVDESS, that is one take of
# one sentence, whose other take is trained on: it says little where it chooses the epoch (`average: 0`).
VAL_EVERY = 8
LONGEST = 3.0  # seconds that are kept of a clip of another corpus, as long as the longest one of TESS
# Speakers that no recipe was chosen on, for one check by `--kept-back`. (An early trial, of another network, had them
# among its training clips: docs/unseen-speakers-trials.md.)
KEPT_BACK = {"ravdess": [f"ravdess{actor}" for actor in range(13, 25)]}
Clips = list[np.ndarray]


@dataclass(frozen=True)
class Part:
    """Clips of one part.

    Attributes:
        clips: (frames, columns) each.
        labels: (clips,) indices into ``EMOTIONS``.
        seconds: (clips,) lengths.
        speakers: (clips,) names.
    """

    clips: Clips
    labels: np.ndarray
    seconds: np.ndarray
    speakers: np.ndarray

    def only(self, those: np.ndarray) -> "Part":
        """The clips at (positions,) or where (clips,) is true."""
        chosen = np.arange(len(self.clips))[those]
        clips = [self.clips[i] for i in chosen]
        return Part(clips, self.labels[chosen], self.seconds[chosen], self.speakers[chosen])


@dataclass(frozen=True)
class Others:
    """Corpora that are neither trained on nor tested, and the expert that is fitted to them.

    Attributes:
        parts: by name, all clips at one of ``COPIES`` after the other; without any, ``data/expert.json`` is asked.
        features: section ``features`` of ``params.yaml``.
    """

    parts: dict[str, Part]
    features: params.Features

    @cached_property
    def expert(self) -> expert.Expert:
        """Fitted when it is first asked for, and once for all tasks that share these corpora."""
        if not self.parts:
            return expert.load(self.features, tested=["tess"])
        parts = {name: (part.clips, part.labels, part.speakers) for name, part in self.parts.items()}
        return expert.fit(parts, self.features)


@dataclass(frozen=True)
class Task:
    """What a recipe is trained on, and the unseen speakers that it is tested on, by name.

    Attributes:
        train: as every part, clips of the corpus in question.
        val: likewise.
        tests: by name.
        others: what the expert is fitted to.
    """

    train: Part
    val: Part
    tests: dict[str, Part]
    others: Others


def corpus(name: str, folder: Path, settings: params.Features, speeds: tuple[float, ...] = (1.0,)) -> Part:
    """All clips of a declared corpus, no more than ``LONGEST`` of each.

    Args:
        name: of ``corpora.CORPORA``.
        folder: where it lies.
        settings: section ``features`` of ``params.yaml``.
        speeds: all clips are played at one after the other.

    Raises:
        UserError: no clip of the corpus is there.
    """
    clips = corpora.clips_in(name, folder)
    rows = [(path, clip.speaker, clip.emotion) for path, clip in clips]
    table = pd.DataFrame(rows, columns=["path", "speaker", "emotion"])
    if table.empty:
        raise errors.UserError(f"{folder}: expected clips of {name}, found none")
    return _played(table, list(table.path), settings, speeds)


def another_corpus(folder: Path, settings: params.Features) -> Part:
    """All clips of any other corpus, no more than ``LONGEST`` of each.

    Args:
        folder: laid out as ``<speaker>/<emotion>/<clips>``.
        settings: section ``features`` of ``params.yaml``.

    Raises:
        UserError: there is no clip, a folder names no emotion, a clip cannot be decoded or is too short, or is named
            like one of a speaker that the network or the expert knows.
    """
    clips = corpora.clips_in_folder(folder)
    for path in (clip.source_path for clip in clips):
        declared = (clip for name in corpora.CORPORA if (clip := corpora.parse(name, path)))
        if parse_tess(path) or any(clip.speaker not in KEPT_BACK.get(clip.corpus, []) for clip in declared):
            raise errors.UserError(
                f"--folder: expected unseen speakers, received {folder / path}, which is named like a "
                "clip of TESS, of EMO-DB, or of RAVDESS's actors 01 to 12"
            )
    table = pd.DataFrame([(clip.speaker, clip.emotion) for clip in clips], columns=["speaker", "emotion"])
    return _played(table, [folder / clip.source_path for clip in clips], settings, (1.0,))


def without_kept_back(name: str, whole: Part) -> Part:
    """A corpus without the speakers that were kept back."""
    return whole.only(~np.isin(whole.speakers, KEPT_BACK.get(name, [])))


def proxy(name: str, whole: Part, others: Others, how: str = "halves") -> Iterator[Task]:
    """Train on speakers of a corpus, test on others of it; every eighth clip that is trained on is ``val``.

    Args:
        name: of ``corpora.CORPORA``.
        whole: from ``corpus``.
        others: what the expert is fitted to.
        how: ``halves``: each half of the speakers is tested, trained on the other one. ``alone``: all but one speaker
            are tested, trained on that one. ``kept back``: the speakers that were kept back are tested, trained on all
            others; without it, nothing is known of them.

    Raises:
        UserError: there is no clip of a speaker that was kept back, a single speaker, or one alone with too few clips.
    """
    if how == "kept back" and len(without_kept_back(name, whole).clips) == len(whole.clips):
        raise errors.UserError(f"expected clips of speakers of {name} that were kept back, found none")
    part = whole if how == "kept back" else without_kept_back(name, whole)
    names, counts = np.unique(part.speakers, return_counts=True)
    speakers: list[str] = names.tolist()
    if len(speakers) < 2 or (how == "alone" and counts.min() < VAL_EVERY):
        raise errors.UserError(
            f"{name}: expected at least 2 speakers{f' of {VAL_EVERY} clips each' if how == 'alone' else ''}, received "
            + ", ".join(f"{speaker} ({count})" for speaker, count in zip(speakers, counts, strict=True))
        )
    trained_on_by_test = {
        "halves": {f"{name}_{half + 1}": speakers[1 - half :: 2] for half in (0, 1)},
        "alone": {f"alone_{speaker}": [speaker] for speaker in speakers},
        "kept back": {f"kept_back_{name}": [speaker for speaker in speakers if speaker not in KEPT_BACK.get(name, [])]},
    }[how]
    for test_name, those in trained_on_by_test.items():
        heard = np.isin(part.speakers, those)
        held_out = heard & (heard.cumsum() % VAL_EVERY == 0)
        once = np.flatnonzero(heard & ~held_out)
        again = max(1, round((CLIPS_PER_EPOCH_ALONE if how == "alone" else CLIPS_PER_EPOCH) / len(once)))
        yield Task(part.only(np.tile(once, again)), part.only(held_out), {test_name: part.only(~heard)}, others)


def tess(protocol: str, others: Others) -> Task:
    """TESS under one protocol; in a speaker protocol, the pseudo-speakers that are made of its validation clips too."""
    settings, table = others.features, manifest.with_part(MANIFEST, SPLITS, protocol)
    only_tess(table)
    rows = {part: table[table.part == part].reset_index(drop=True) for part in ("train", "val", "test")}
    parts = {name: _part(part, shards.read(FEATURES, part["clip"]), settings) for name, part in rows.items()}
    paths = [RAW / clip for clip in rows["val"]["clip"]]
    pseudo = {
        f"pseudo_{speed}_{protocol}": _part(rows["val"], frames([(path, speed) for path in paths], settings), settings)
        for speed in SPEEDS
        if protocol.startswith("speaker_")
    }
    return Task(parts["train"], parts["val"], pseudo | {protocol: parts["test"]}, others)


def only_tess(table: pd.DataFrame) -> None:
    """Refuse clips of any other corpus: the expert knows some, and results are kept under the speakers' names."""
    if (corpus := manifest.title(table)) != "tess":
        raise errors.UserError(f"{MANIFEST}: expected TESS alone, received {corpus}; change `corpora`, run `dvc repro`")


def frames(clips: list[tuple[Path, float]], settings: params.Features) -> Clips:
    """Frames of audio files, each played at a speed.

    Args:
        clips: where each one lies, and how many times as fast as it is.
        settings: section ``features`` of ``params.yaml``.

    Returns:
        (frames, columns) float32 of each.

    Raises:
        UserError: a file cannot be decoded, or is too short.
    """
    constants = filters(settings)

    def one(path: Path, speed: float) -> np.ndarray:
        samples, rate = audio.read(path)
        samples = audio.resample(samples, rate, settings.sample_rate)
        if speed != 1:
            samples = soxr.resample(samples, settings.sample_rate * speed, settings.sample_rate)
        try:
            return extract(samples, settings, constants)
        except errors.UserError as error:
            raise errors.UserError(f"{path}: {error}") from error

    with threadpool_limits(1):
        return list(joblib.Parallel(n_jobs=-1, prefer="threads")(joblib.delayed(one)(*clip) for clip in clips))


def _played(table: pd.DataFrame, paths: list[Path], settings: params.Features, speeds: tuple[float, ...]) -> Part:
    longest = int(LONGEST * settings.sample_rate / settings.hop_length)
    clips = frames([(path, speed) for speed in speeds for path in paths], settings)
    return _part(pd.concat([table] * len(speeds)), [clip[:longest] for clip in clips], settings)


def _part(table: pd.DataFrame, clips: Clips, settings: params.Features) -> Part:
    seconds = np.array([len(clip) for clip in clips]) * settings.hop_length / settings.sample_rate
    return Part(clips, table.emotion.map(EMOTIONS.index).to_numpy(), seconds, table.speaker.to_numpy())


def shuffle(task: Task, seed: int) -> Task:
    """Shuffle the labels of all clips but the tested ones: of ``val``, which may choose the epoch, and of others."""
    random = np.random.default_rng(seed)

    def shuffled(part: Part, copies: int = 1) -> Part:
        once = part.labels[: len(part.labels) // copies]
        return replace(part, labels=np.tile(random.permutation(once), copies))  # a clip keeps one label in all copies

    train, val = shuffled(task.train), shuffled(task.val)
    others = {name: shuffled(part, len(COPIES)) for name, part in task.others.parts.items()}
    return replace(task, train=train, val=val, others=replace(task.others, parts=others))


def train(task: Task, settings: params.Train, features: params.Features) -> tuple[Any, int]:
    """Train on ``task.train``, ``val`` is ``task.val``; returns the network and the last epoch that was kept."""
    layer = task.others.expert.layer(task.train.clips) if settings.expert else None
    val = model.pad(task.val.clips), task.val.labels
    network, history = model.train(task.train.clips, task.train.labels, val, features, settings, layer)
    return network, model.selected_epochs(history, settings)[1]


def adapted(part: Part, heard: Clips) -> Clips:
    """Give the clips of each unseen speaker the mean and standard deviation of the columns that were trained on.

    This uses unlabelled audio of the test speakers: a result of its own, never mixed with the others.
    """
    trained = voice.fit(heard)
    own = {
        speaker: voice.fit([clip for clip, its in zip(part.clips, part.speakers, strict=True) if its == speaker])
        for speaker in np.unique(part.speakers)
    }
    return [own[speaker].as_if(trained, clip) for clip, speaker in zip(part.clips, part.speakers, strict=True)]


def equal_length(part: Part, probabilities: np.ndarray) -> float:
    """How often a clip's emotion is rated above another one that has clips of the same length; by length alone, 0.5.

    Clips are compared within ``metrics.MATCHED`` seconds. There, both emotions of a pair count the same.

    Args:
        part: the clips.
        probabilities: (clips, emotions)
    """
    bins = (part.seconds / metrics.MATCHED).astype(int)
    right = total = 0.0
    for place in np.unique(bins):
        labels, answers = part.labels[bins == place], probabilities[bins == place]
        for own, other in permutations(np.unique(labels), 2):
            mine = answers[labels == own]
            weight = min(len(mine), (labels == other).sum())
            right += weight * (mine[:, own] > mine[:, other]).mean()
            total += weight
    return right / total if total else float("nan")


def grouped(probabilities: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Sort all clips of a speaker into groups, and give each emotion to one of them.

    K-means over the pooled states finds as many groups as there are emotions; of all ways to deal the emotions out, the
    one is taken that the groups' mean probabilities like best (H. Kuhn, Naval Research Logistics 2, 1955). It needs
    unlabelled audio in which every emotion occurs: adaptation, as ``adapted`` is.

    Args:
        probabilities: (clips, emotions)
        states: (clips, values), what the last layers get.

    Returns:
        (clips, emotions), 1 for the emotion of the clip's group, else 0.
    """
    emotions = probabilities.shape[1]
    groups = KMeans(emotions, n_init=20, random_state=0).fit_predict(StandardScaler().fit_transform(states))
    liking = np.array([probabilities[groups == group].mean(axis=0) for group in range(emotions)])
    return np.eye(emotions)[linear_sum_assignment(-liking)[1][groups]]


def answers(network: Any, task: Task, name: str) -> dict[str, np.ndarray]:
    """What the network says of one test part, (clips, emotions), per setting."""
    part = task.tests[name]
    said = {"inductive": network.predict(model.pad(part.clips), batch_size=64, verbose=0)}
    if name in ("random", "word") or name.startswith("pseudo_"):
        return said  # no speaker is unseen
    moved = model.pad(adapted(part, task.train.clips))
    inner = model.keras.Model(network.inputs, [network.outputs[0], *(head.input for head in model.heads(network))])
    said["adapted"], *states = inner.predict(moved, batch_size=64, verbose=0)
    if name.startswith("speaker_"):
        said["grouped"] = grouped(said["adapted"], np.concatenate(states, axis=1))
    return said


def figures(part: Part, said: np.ndarray) -> dict[str, float]:
    """Figures of one test part, of which (clips, emotions) was said."""
    heard = said.argmax(axis=1)
    present = np.unique(part.labels)
    recalls = recall_score(part.labels, heard, labels=present, average=None)
    overall = {"accuracy": float((heard == part.labels).mean()), "uar": float(recalls.mean())}
    overall["equal_length"] = equal_length(part, said)
    matched = metrics.length_matched(part.labels, heard, part.seconds)
    overall |= {f"matched_{name}": value for name, value in matched.items()}
    return overall | {f"recall_{EMOTIONS[i]}": float(recall) for i, recall in zip(present, recalls, strict=True)}


def run(
    name: str, seed: int, tasks: list[Task], features: params.Features, shuffled: bool, revision: str
) -> list[dict[str, Any]]:
    """Train one recipe with one seed on every task: a row per test."""
    changes = RECIPES[name] | {"seed": seed}
    settings = params.check(params.Train, asdict(params.load("train")) | changes, f"recipe {name}")
    rows = []
    for task in tasks:
        begin = time.perf_counter()
        if shuffled:
            task = shuffle(task, seed)
        network, epoch = train(task, settings, features)
        shared = {"recipe": name, "labels": "shuffled" if shuffled else "right", "seed": seed, "epoch": epoch,
                  "parameters": network.count_params(), "seconds": round(time.perf_counter() - begin),
                  "revision": revision}  # fmt: skip
        for test_name, part in task.tests.items():
            for setting, said in answers(network, task, test_name).items():
                rows.append(shared | {"test": test_name, "setting": setting} | figures(part, said))
                print(f"{name}, seed {seed}, {test_name}, {setting}: UAR {rows[-1]['uar']:.4f}", flush=True)
    return rows


def save(rows: list[dict[str, Any]]) -> None:
    """Append rows to ``RESULTS``; those of a run that is repeated replace the ones before."""
    earlier = [pd.read_csv(RESULTS)] if RESULTS.exists() else []
    table = pd.concat([*earlier, pd.DataFrame(rows).round(4)])
    table = table.drop_duplicates(["recipe", "labels", "seed", "test", "setting"], keep="last")
    table.to_csv(RESULTS, index=False)


def gather(arguments: argparse.Namespace, features: params.Features) -> list[Task]:
    """Read what the command line asks for: every task that the recipes are trained on.

    Raises:
        UserError: a folder is missing that is needed, or has none of the clips that it should, or such as the model
            knows; or ``data/`` is not of TESS.
    """
    kept_back = arguments.how == "kept back"
    if kept_back and not (arguments.ravdess or arguments.folder):
        raise errors.UserError("--kept-back: expected --ravdess FOLDER or --folder FOLDER, received neither")
    if arguments.folder and not kept_back:
        raise errors.UserError("--folder: expected --kept-back with it, received none")
    folders = {name: folder for name in corpora.CORPORA if (folder := getattr(arguments, name))}
    expert_asked = any(replace(params.load("train"), **RECIPES[recipe]).expert for recipe in arguments.recipes)
    if arguments.how == "alone" and not folders:
        raise errors.UserError("--alone: expected --emodb FOLDER or --ravdess FOLDER, received none")
    if expert_asked and (folders or arguments.shuffled) and len(folders) < len(corpora.CORPORA):
        raise errors.UserError(
            "expected --emodb and --ravdess: an expert is fitted to all corpora that are not tested, received "
            + (f"--{next(iter(folders))} alone" if folders else "neither")
        )
    table = manifest.read(MANIFEST)
    only_tess(table)
    unheard = another_corpus(arguments.folder, features) if arguments.folder else None
    copies = COPIES if expert_asked else (1.0,)
    played = {name: corpus(name, folder, features, copies) for name, folder in folders.items()}
    others = {name: without_kept_back(name, part) for name, part in played.items()} if expert_asked else {}
    tested = [name for name in played if name in KEPT_BACK] if kept_back else list(played)
    if arguments.shuffled:
        tested = []
    if tested and expert_asked:
        others["tess"] = _played(table, [RAW / clip for clip in table["clip"]], features, COPIES)
    tasks: list[Task] = []
    for name in tested:
        whole = played[name].only(np.arange(len(played[name].clips) // len(copies)))  # at their own speed
        elsewhere = {other: part for other, part in others.items() if other != name}
        tasks += proxy(name, whole, Others(elsewhere, features), arguments.how)
    if unheard:  # trained as the released model is: on both actresses, with the committed expert
        tests = {f"kept_back_folder_{arguments.folder.resolve().name}": unheard}
        tasks.append(replace(tess("word", Others({}, features)), tests=tests))
    if not kept_back:
        # The committed expert is theirs, and does for TESS, unless its labels have to be shuffled.
        elsewhere = others if arguments.shuffled else {}
        tasks += [tess(protocol, Others(elsewhere, features)) for protocol in arguments.protocols]
    return tasks


def main() -> None:
    """Train, test, write."""
    parser = errors.parser(__doc__)
    parser.add_argument(
        "recipes", nargs="*", default=list(RECIPES), metavar="RECIPE",
        help="of research/recipes.py, or `default`, the one of params.yaml (without any: all of them)",
    )  # fmt: skip
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(5)), help="default: 0 1 2 3 4")
    parser.add_argument(
        "--protocols", nargs="*", default=["speaker_yaf", "speaker_oaf"], help="of TESS (default: both directions)"
    )
    parser.add_argument("--emodb", type=Path, help="folder with EMO-DB, for the proxies")
    parser.add_argument("--ravdess", type=Path, help="folder with RAVDESS, likewise")
    parser.add_argument("--folder", type=Path, help="another corpus, as <speaker>/<emotion>/<clips>; with --kept-back")
    exclusive = parser.add_mutually_exclusive_group()
    exclusive.add_argument(
        "--alone", action="store_const", const="alone", dest="how", default="halves",
        help="proxies: train on each speaker alone, instead of each half of them",
    )  # fmt: skip
    exclusive.add_argument(
        "--kept-back", action="store_const", const="kept back", dest="how",
        help="nothing but the check on RAVDESS's actors 13 to 24 (with --ravdess) or another corpus (with --folder)",
    )  # fmt: skip
    exclusive.add_argument(
        "--shuffled", action="store_true",
        help="shuffle the labels of train, of val and of what an expert is fitted to: right by chance; TESS alone",
    )  # fmt: skip
    arguments = parser.parse_args()
    arguments.recipes = [DEFAULT if name == "default" else name for name in arguments.recipes]
    if unknown := set(arguments.recipes) - set(RECIPES):
        raise errors.UserError(
            f"expected default, or one of {', '.join(map(repr, RECIPES))}; received {min(unknown)!r}"
        )
    features = params.load("features")
    revision = artifact.revision("research/*.py")  # of what runs, whatever is edited meanwhile
    tasks = gather(arguments, features)
    for seed in arguments.seeds:
        for recipe in arguments.recipes:
            save(run(recipe, seed, tasks, features, arguments.shuffled, revision))  # Ctrl-C loses one


if __name__ == "__main__":
    errors.run(main)
