#!/bin/sh
# The whole pipeline on a small synthetic corpus, in a clone of its own (.demo/): what is committed here, the results
# on TESS among it, stays as it is. Needs no network. Called by `make demo`.
set -eu

if ! git rev-parse --git-dir > /dev/null 2>&1; then
    echo "expected a git clone, received a folder without .git: clone the repository instead of downloading an archive" >&2
    exit 1
fi
[ ! -e .demo ] || echo "removing .demo, the demo of before"
rm -rf .demo
git clone --quiet --no-local . .demo
cd .demo
python tools/plots_page.py
# More epochs: a small corpus has few steps to each. (The tests take fewer: DEMO_EPOCHS.)
python -c "
from dvc.utils.serialize import modify_yaml  # keeps the comments
with modify_yaml('params.yaml') as params:
    params['corpora'] = ['synthetic']
    params['train']['epochs'] = ${DEMO_EPOCHS:-25}
"

dvc repro
# An experiment begins and ends at a commit.
git add --all
git -c user.name=Demo -c user.email=demo@example.org -c commit.gpgsign=false commit --quiet --message "Run the demo"
echo
python -c "import dvc.api, yaml; print(yaml.safe_dump(dvc.api.metrics_show('metrics/summary.json'), sort_keys=False))"
echo
clip=$(ls data/raw/OAF/fear/*.wav | head -n 1)
echo "A prediction: python -m ser.predict --model models/word/model.onnx $clip"
python -m ser.predict --model models/word/model.onnx "$clip"
cat <<END

Done, on synthesised speech: these figures say that the pipeline works, and nothing of human emotion.
  pictures   .demo/plots/summary.png, .demo/plots/word/confusion.png, ...
  play       cd .demo && dvc exp run -S train.units=32
  and back   git restore --staged --worktree . && dvc checkout
END
