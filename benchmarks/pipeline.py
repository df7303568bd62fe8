"""Time and memory of a whole `dvc repro`, from the archive to the summary, beside the usual script.

    SER_DATA_DIR=<folder with TESS> python -m benchmarks.pipeline

Runs the pipeline in a fresh clone, with an empty cache. The usual script reads every clip with librosa and averages
40 MFCCs over time; it stops there, before any training. Both run one after the other: compare the ratio, since the
seconds depend on the machine.
"""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

from ser import errors

USUAL = """
import sys, warnings, librosa, numpy
warnings.simplefilter("ignore")
from pathlib import Path
clips = sorted(Path(sys.argv[1]).rglob("*.wav"))
features = [numpy.mean(librosa.feature.mfcc(y=y, sr=sr, n_mfcc=40), axis=1)
            for y, sr in (librosa.load(clip, duration=3, offset=0.5) for clip in clips)]
"""


def measure(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds, and the peak memory in MB of the process and all it starts (resident, shared pages counted twice)."""
    begin = time.perf_counter()
    process = psutil.Popen(command, cwd=folder)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _memory(process))
        time.sleep(0.2)
    if process.returncode:
        raise errors.UserError(f"{' '.join(command)} failed with status {process.returncode}")
    return time.perf_counter() - begin, peak / 1e6


def _memory(process: psutil.Process) -> int:
    """Bytes of a process and all it has started; one that ends meanwhile counts nothing."""
    total = 0
    with suppress(psutil.Error):
        for one in [process, *process.children(recursive=True)]:
            with suppress(psutil.Error):
                total += one.memory_info().rss
    return total


def main() -> None:
    """Measure both and print a Markdown table."""
    if not os.environ.get("SER_DATA_DIR"):
        raise errors.UserError("expected SER_DATA_DIR to name the folder with TESS, received nothing")
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", ".", str(clone)], check=True)
        seconds, memory = measure(["dvc", "repro", "--force"], clone)
        usual_seconds, usual_memory = measure([sys.executable, "-c", USUAL, str(clone / "data/raw")], clone)
    print("\n| what | seconds | peak MB |\n|---|---|---|")
    print(f"| `dvc repro`: all protocols, archive to summary | {seconds:.0f} | {memory:.0f} |")
    print(f"| the usual script's features alone | {usual_seconds:.0f} | {usual_memory:.0f} |")
    print(f"| ratio | {seconds / usual_seconds:.2f} | {memory / usual_memory:.2f} |")


if __name__ == "__main__":
    errors.run(main, __doc__)
