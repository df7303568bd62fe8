"""Obtain the corpora: ``data/raw/<speaker>/<emotion>/`` and ``data/manifest.csv``."""

from ser import errors, params
from ser.data import corpora, manifest
from ser.files import replacing
from stages.paths import MANIFEST, RAW


def main() -> None:
    settings = params.load()
    with replacing(RAW) as folder:
        table = manifest.describe(folder, corpora.obtain(settings, folder))
    table.to_csv(MANIFEST, index=False)
    hours = table.duration.sum() / 3600
    print(f"{' + '.join(settings.corpora)}: {len(table)} clips, {table.speaker.nunique()} speakers, {hours:.2f} h")


if __name__ == "__main__":
    errors.run(main, __doc__)
