"""Write the results as one page, ``report.html``: it opens offline, loads nothing, and prints.

It shows what stands in the work tree; what is not there (the corpus, the audio) is left out and named.
"""

import base64
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
import soundfile
import yaml

from ser import EMOTIONS, audio, errors, manifest, params, pictures
from stages.paths import MANIFEST, METRICS, PLOTS, RAW, SPLITS

REPORT = Path("report.html")
CONFUSIONS = 5  # the commonest ones, per protocol
PLAYERS = 3  # of them, with a clip to listen to
COMPARED = {"accuracy": "accuracy", "uar": "UAR", "macro_f1": "macro-F1", "log_loss": "log loss", "ece": "ECE"}
LOWER_IS_BETTER = ("log_loss", "ece")


def main() -> None:
    names = params.load("protocols")
    try:
        results = {name: json.loads((METRICS / f"{name}.json").read_text(encoding="utf-8")) for name in names}
    except FileNotFoundError as error:
        raise errors.UserError(f"{error.filename}: expected the results of a run; run `dvc repro`") from error
    template = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    ).get_template("report.html")  # fmt: skip
    page = template.render(
        corpus=results[names[0]]["corpus"],
        corpus_name=pictures.corpus_title(results[names[0]]["corpus"]),
        results=results,
        speaker=speaker_mean(results),
        chance=1 / len(EMOTIONS),
        summary=picture(PLOTS / "summary.png"),
        details=[detail(name) for name in names],
        data=data_summary(names),
        params=Path("params.yaml").read_text(encoding="utf-8"),
        stale=changed_since_the_run(names),
        code=code(),
        previous=previous(results),
    )
    REPORT.write_text(page, encoding="utf-8")
    print(f"{REPORT}: {len(page) / 1e6:.1f} MB, one file, opens in any browser")


def speaker_mean(results: dict[str, dict]) -> float | None:
    """Mean accuracy over the speaker protocols; one direction alone is not the headline."""
    found = [result["accuracy"] for name, result in results.items() if name.startswith("speaker_")]
    return sum(found) / len(found) if len(found) > 1 else None


def detail(protocol: str) -> dict[str, Any]:
    """Pictures, figures per emotion and commonest confusions of one protocol."""
    folder = PLOTS / protocol
    first = ["confusion.png", "reliability.png", "history.png"]
    others = sorted(path.name for path in folder.glob("*.png") if path.name not in first)
    return {
        "name": protocol,
        "pictures": [(name.removesuffix(".png"), picture(folder / name)) for name in first + others],
        "emotions": pd.read_csv(folder / "per_class.csv").to_dict("records"),
        "confusions": confusions(
            pd.read_csv(folder / "misheard.csv", dtype={"text": str, "speaker": str}, keep_default_na=False)
        ),
    }


def picture(path: Path) -> str | None:
    """A PNG as a data URI."""
    return data_uri("image/png", path.read_bytes()) if path.exists() else None


def confusions(misheard: pd.DataFrame) -> list[dict[str, Any]]:
    """The commonest (actual, predicted) pairs; of the first few, the surest mistake and its audio.

    Args:
        misheard: ``plots/<protocol>/misheard.csv``, the surest mistake first.
    """
    found: list[dict[str, Any]] = []
    groups = sorted(misheard.groupby(["actual", "predicted"], sort=True), key=lambda group: -len(group[1]))
    for (actual, predicted), clips in groups[:CONFUSIONS]:
        example = clips.iloc[0].to_dict()
        example["audio"] = sound(RAW / example["clip"]) if len(found) < PLAYERS else None
        found.append({"actual": actual, "predicted": predicted, "clips": len(clips), "example": example})
    return found


def sound(path: Path) -> str | None:
    """A clip as a data URI, whatever its format and rate, in one that every browser plays."""
    if not path.exists():
        return None
    samples, rate = audio.read(path)
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(samples, -1, 1), rate, format="FLAC", subtype="PCM_16")
    return data_uri("audio/flac", buffer.getvalue())


def data_uri(kind: str, content: bytes) -> str:
    """Content as a URI that needs no other file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def data_summary(protocols: list[str]) -> dict[str, Any] | None:
    """What the corpus holds and how the protocols deal it out; None where it is not at hand."""
    if not (MANIFEST.exists() and SPLITS.exists()):
        return None
    clips, splits = manifest.read(MANIFEST), pd.read_csv(SPLITS)
    counts = pd.crosstab(clips.speaker, clips.emotion).reindex(columns=EMOTIONS, fill_value=0)
    return {
        "clips": len(clips),
        "hours": clips.duration.sum() / 3600,
        "shortest": clips.duration.min(),
        "longest": clips.duration.max(),
        "texts": clips.text.nunique(),
        "rates": sorted(clips.sample_rate.unique()),
        "speakers": [(speaker, row.tolist(), int(row.sum())) for speaker, row in counts.iterrows()],
        "emotions": EMOTIONS,
        "parts": [(name, splits[name].value_counts()) for name in protocols if name in splits],
    }


def changed_since_the_run(protocols: list[str]) -> list[str]:
    """Params that no longer have the value that the results were made with, as dvc.lock has it."""
    if not (written := Path("dvc.lock")).exists():
        raise errors.UserError(f"{written}: expected the record of a run, found none; run `dvc repro`")
    lock = yaml.safe_load(written.read_text(encoding="utf-8"))
    ran: dict[str, Any] = {}
    for stage in ("download", "features", "split", *(f"train@{name}" for name in protocols)):
        ran |= lock["stages"].get(stage, {}).get("params", {}).get("params.yaml", {})
    now = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    return list(differences(ran, {key: now.get(key) for key in ran}))


def differences(old: Any, new: Any) -> dict[str, tuple[Any, Any]]:
    """Keys, dotted, whose values differ, with both."""
    was, now = flat(old), flat(new)
    return {key: (was.get(key), now.get(key)) for key in was | now if was.get(key) != now.get(key)}


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, keys dotted."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def code() -> dict[str, Any]:
    """The commit that the work tree stands on."""
    return {
        "revision": git("rev-parse", "--short=12", "HEAD"),
        "title": git("log", "-1", "--format=%s"),
        "date": git("log", "-1", "--format=%cs"),
        "changed": git("status", "--porcelain").splitlines(),
    }


def previous(results: dict[str, dict]) -> dict[str, Any] | None:
    """The last commit with other figures on the same corpus, and how they compare; None where there is none."""
    for revision in git("log", "--format=%h", "--", METRICS.as_posix()).split():
        texts = {name: git("show", f"{revision}:{METRICS.as_posix()}/{name}.json") for name in results}
        old = {name: json.loads(text) for name, text in texts.items() if text}
        old = {name: figures for name, figures in old.items() if figures["corpus"] == results[name]["corpus"]}
        if old == {name: results[name] for name in old}:
            continue
        rows = [
            {"protocol": name, "figure": title, "was": figures[key], "now": results[name][key],
             "better": (results[name][key] < figures[key]) == (key in LOWER_IS_BETTER)}
            for name, figures in old.items() for key, title in COMPARED.items()
        ]  # fmt: skip
        return {
            "revision": revision,
            "title": git("log", "-1", "--format=%s", revision),
            "date": git("log", "-1", "--format=%cs", revision),
            "rows": [row for row in rows if row["was"] != row["now"]],
            "params": differences(
                yaml.safe_load(git("show", f"{revision}:params.yaml")),
                yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8")),
            ),
        }
    return None


def git(*arguments: str) -> str:
    """Output of a git command; empty where git, the repository or the object is missing."""
    try:
        result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return result.stdout.rstrip()


if __name__ == "__main__":
    errors.run(main, __doc__)
