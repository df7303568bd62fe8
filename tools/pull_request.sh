#!/bin/sh
# What a change does to the results: the synthetic pipeline on both sides, in a clone of its own (.pull-request/).
# Leaves .pull-request/comment.md and .pull-request/report.html. Needs no network. Called by `make pull-request`.
#     sh tools/pull_request.sh BASE     BASE: the commit that HEAD is compared with
set -eu

if ! base=$(git rev-parse --quiet --verify "$1^{commit}"); then
    echo "expected a commit to compare with, as in make pull-request BASE=main; received '$1'" >&2
    exit 1
fi
head=$(git rev-parse HEAD)

rm -rf .pull-request
git clone --quiet --shared . .pull-request
cd .pull-request
git tag --force base "$base" > /dev/null
git tag --force change "$head" > /dev/null

# Run the pipeline on what is checked out and commit what it made.
run() {
    python -c "
from dvc.utils.serialize import modify_yaml  # keeps the comments
with modify_yaml('params.yaml') as params:
    params['corpora'] = ['synthetic']
" && dvc repro && git add --all && commit "$1, on synthesised speech"
}

commit() {
    git -c user.name=CI -c user.email=ci@example.org -c commit.gpgsign=false commit --quiet --allow-empty --message "$1"
}

git checkout --quiet --detach "$base"
if ! run "Base"; then
    # The comment says so: a change that mends the pipeline has no base to be compared with.
    git reset --quiet --hard "$base"
    commit "Base, not run"
fi
git tag --force base-run > /dev/null
# The change goes on top of the base's run, whose results stay: stages that the change does not touch are not run again.
git restore --source "$head" --staged --worktree -- . ':!dvc.lock' ':!metrics' ':!plots'
run "Change"
git tag --force change-run > /dev/null

python -m tools.report
python -m tools.comment > comment.md
echo "written: .pull-request/comment.md .pull-request/report.html"
