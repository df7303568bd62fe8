"""The model card ``release/README.md``: for people, with the metadata that Hugging Face reads on top.

All of it comes from ``release/model.json``; the words are in ``card.md`` beside this file.
"""

from pathlib import Path
from string import Template
from typing import Any

import yaml

TEMPLATE = Path(__file__).with_name("card.md")
TITLES = {"tess": "TESS", "ravdess": "RAVDESS", "emodb": "EMO-DB", "folder": "own recordings", "synthetic": "espeak-ng"}
# What a reader has to know of the training clips; what their licence says.
ABOUT = {
    "tess": "two actresses, 26 and 64 years old, who say \"Say the word _\" in a studio, in English",
    "ravdess": "24 actors who say two English sentences in a studio",
    "emodb": "10 actors who say ten German sentences in a studio",
    "synthetic": "speech from a synthesiser, so that its figures say nothing of human emotion",
    "folder": "recordings of whoever trained it",
}  # fmt: skip
LICENCES = {
    "tess": "TESS is CC BY-NC-ND 4.0 ([doi:10.5683/SP2/E8H2MF](https://doi.org/10.5683/SP2/E8H2MF))",
    "ravdess": "RAVDESS is CC BY-NC-SA 4.0 ([doi:10.5281/zenodo.1188976](https://doi.org/10.5281/zenodo.1188976))",
}
LANGUAGES = {"tess": "en", "ravdess": "en", "emodb": "de", "synthetic": "en"}


def card(model: dict[str, Any]) -> str:
    """The model card in Markdown.

    Args:
        model: content of ``release/model.json``.
    """
    corpora = model["corpus"].split(" + ")
    results = model["metrics"]
    terms = "; ".join(LICENCES[name] for name in corpora if name in LICENCES)
    words = {
        **{name: model[name] for name in ("protocol", "revision", "sha256")},
        "corpus": " and ".join(TITLES.get(name, name) for name in corpora),
        "about": "; ".join(ABOUT.get(name, "see docs/data.md") for name in corpora),
        "labels": ", ".join(model["labels"]),
        "megabytes": f"{model['bytes'] / 1e6:.1f}",
        "strangers": "\n".join(_stranger(one) for name, one in results.items() if name.startswith("speaker_"))
        or "- This was not measured.",
        "rows": "\n".join(_row(name, figures) for name, figures in results.items()),
        "chance": f"{1 / len(model['labels']):.4f}",
        "features": ", ".join(model["params"]["features"]["use"]),
        "sample_rate": model["params"]["features"]["sample_rate"],
        "licence": f"{terms}: whoever uses it commercially has to find out whether that binds the model."
        if terms
        else "",
    }
    metadata = yaml.safe_dump(_metadata(model, corpora), sort_keys=False, allow_unicode=True, width=120)
    return f"---\n{metadata}---\n\n{Template(TEMPLATE.read_text(encoding='utf-8')).substitute(words).rstrip()}\n"


def _stranger(figures: dict[str, Any]) -> str:
    speaker = figures["protocol"].removeprefix("speaker_").upper()
    if "right_if_answered" not in figures:
        return f"- {speaker}: it answered none of {figures['n_test']} clips"
    return (f"- {speaker}: it answered {figures['answered']:.1%} of {figures['n_test']} clips, and "
            f"{figures['right_if_answered']:.1%} of these answers were right")  # fmt: skip


def _row(protocol: str, figures: dict[str, Any]) -> str:
    right = figures.get("right_if_answered")
    cells = [
        f"`{protocol}`",
        f"{figures['accuracy']:.4f}",
        f"{figures['accuracy_low']:.4f} to {figures['accuracy_high']:.4f}",
        f"{figures['uar']:.4f}",
        f"{figures['answered']:.4f}",
        "" if right is None else f"{right:.4f}",
        f"{figures['control']['duration_only']:.4f}",
        str(figures["n_test"]),
    ]
    return f"| {' | '.join(cells)} |"


def _metadata(model: dict[str, Any], corpora: list[str]) -> dict[str, Any]:
    """Metadata as huggingface.co/docs/hub/model-cards has it; a result for each protocol."""
    results = [
        {
            "task": {"type": "audio-classification", "name": "Speech emotion recognition"},
            "dataset": {
                "name": f"{TITLES.get(corpora[0], corpora[0])}, {name}",
                "type": corpora[0],
                "config": name,
                "split": "test",
            },
            "metrics": [
                {"type": "accuracy", "value": figures["accuracy"], "name": "Accuracy"},
                {"type": "recall", "value": figures["uar"], "name": "UAR", "args": {"average": "macro"}},
                {"type": "f1", "value": figures["macro_f1"], "name": "Macro F1", "args": {"average": "macro"}},
            ],
        }
        for name, figures in model["metrics"].items()
    ]
    return {
        "license": "mit",
        "language": sorted({LANGUAGES[name] for name in corpora if name in LANGUAGES}),
        "library_name": "onnx",
        "pipeline_tag": "audio-classification",
        "tags": ["audio", "speech", "speech-emotion-recognition", "lstm", "onnx"],
        "datasets": corpora,
        "metrics": ["accuracy", "recall", "f1"],
        "model-index": [{"name": model["name"], "results": results}],
    }
