# make setup   all that the others need, in .venv/
# make demo    the whole pipeline on a small synthetic corpus, in .demo/
# make serve   the web page and its API, on http://127.0.0.1:7860/ (PORT=8000: another port)
# make test    the tests
# make test-slow  those of the cookbook, sharing, searching, releasing and the workflow
# make test MARKED=  all of them, side by side
# make report  the results as one page, report.html
# make pull-request BASE=main  what the commits since BASE do to the results, on a synthetic corpus
# make promote release the trained model (FORCE=1: in spite of objections)
# make check   style and types
# make lock    renew constraints.txt after a change of requirements.txt
# Another interpreter, before there is a .venv: make test PYTHON=python3.13

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo serve test test-slow report promote pull-request check lock

setup: $(READY)

$(READY): requirements.txt constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "expected Python 3.11 to 3.13, received " + sys.version.split()[0] + "; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tools/plots_page.py
	touch $@

# dvc runs `python -m stages...`: the virtual environment has to come first on the PATH.
demo: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" sh tools/demo.sh

serve: $(READY)
	@$(BIN)/python -m demo $(if $(PORT),--port $(PORT))

MARKED := not slow
# In the order of tests/conftest.py, the longest ones first; loadfile's own would begin with the fullest file.
PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --durations=12

test: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(PYTEST) -m "$(MARKED)"

test-slow: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(PYTEST) -m slow

report: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tools.report

pull-request: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" sh tools/pull_request.sh "$(BASE)"

promote: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tools.promote $(if $(filter 1,$(FORCE)),--force)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: $(READY)
	$(BIN)/python -m pip install --quiet uv
	grep -v '^-c' requirements.txt | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
		--no-annotate --no-header --output-file constraints.txt --upgrade -
