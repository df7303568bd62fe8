#!/bin/sh
# The whole pipeline on a small synthetic corpus, in a clone of its own (.demo/): what is committed here, the results
# on TESS among it, stays as it is. Needs no network. Called by `make demo`.
set -eu

rm -rf .demo
git clone --quiet --no-local . .demo
cd .demo
python tools/plots_page.py
# One network instead of several, to be quick; more epochs, since a small corpus has few steps to each.
sed -e 's/^corpora: \[[^]]*\]/corpora: [synthetic]/' -e 's/^  members: [0-9]*/  members: 1/' \
    -e 's/^  epochs: [0-9]*/  epochs: 150/' params.yaml > params.new && mv params.new params.yaml

dvc repro
echo
python -c "import dvc.api, yaml; print(yaml.safe_dump(dvc.api.metrics_show('metrics/summary.json'), sort_keys=False))"
echo
clip=$(ls data/raw/OAF/happiness/*.wav | head -n 1)
echo "A prediction: python -m ser.predict --model models/word/model.onnx $clip"
python -m ser.predict --model models/word/model.onnx "$clip"
cat <<END

Done, on synthesised speech: these figures say that the pipeline works, and nothing of human emotion.
  pictures   .demo/plots/summary.png, .demo/plots/word/confusion.png, ...
  play       cd .demo && dvc exp run -S train.units=32
END
