"""Draw where the network puts the clips of both voices: docs/unseen-speakers.png.

    python -m research.embedding

Needs data/ and models/ as `dvc repro` leaves them. Each panel is one direction: what the last layers get (the pooled
LSTM states) of every clip, projected by t-SNE (L. van der Maaten and G. Hinton, JMLR 9, 2008).
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.manifold import TSNE

from research.table import DIRECTIONS
from ser import EMOTIONS, errors, manifest, model, pictures, shards
from stages.paths import FEATURES, MANIFEST, MODELS, SPLITS

PICTURE = Path("docs/unseen-speakers.png")
COLOURS = (
    "#e45756",
    "#7a9a4b",
    "#a17bd1",
    "#e0ae1c",
    "#f28e5b",
    "#5b9bd5",
    "#7f7f7f",
)  # the page's, grey darker


def pooled(protocol: str, clips: pd.Series) -> np.ndarray:
    """What the last layers of the trained network get: (clips, values)."""
    if not (path := MODELS / protocol / "model.keras").exists():
        raise errors.UserError(f"{path}: expected a network of a run, found none; run `dvc repro`")
    network = model.keras.models.load_model(path)
    inner = model.keras.Model(network.input, [head.input for head in model.heads(network)])
    members = inner.predict(model.pad(shards.read(FEATURES, clips)), batch_size=64, verbose=0)
    return np.concatenate(members, axis=1)


def main() -> None:
    """Draw both directions."""
    with plt.rc_context(pictures.STYLE | {"axes.grid": False}):
        figure, axes = plt.subplots(1, 2, figsize=(13, 6.4))
        for axis, (protocol, title) in zip(axes, DIRECTIONS.items(), strict=True):
            table = manifest.with_part(MANIFEST, SPLITS, protocol)
            places = TSNE(random_state=0).fit_transform(pooled(protocol, table["clip"]))
            unheard = (table.part == "test").to_numpy()
            for emotion, colour in zip(EMOTIONS, COLOURS, strict=True):
                rows = (table.emotion == emotion).to_numpy()
                x, y = places[rows & ~unheard].T
                axis.scatter(x, y, s=9, color=colour, alpha=0.35, linewidth=0)
                x, y = places[rows & unheard].T
                axis.scatter(x, y, s=22, color=colour, marker="x", linewidth=1, label=emotion)
            axis.set(title=f"{title}: dots are trained on, crosses are not", xticks=[], yticks=[])
            axis.set(xlabel="t-SNE 1 (no unit)", ylabel="t-SNE 2 (no unit)")
        axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5), title="crosses")
        figure.savefig(PICTURE)


if __name__ == "__main__":
    errors.run(main, __doc__)
