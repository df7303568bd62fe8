# make demo    the whole pipeline on a small synthetic corpus, in .demo/
# make test    the tests (MARKED=: the slow ones as well)
# make test-slow  those of the cookbook, sharing, releasing and the workflow
# make serve   the web page and its API, on http://127.0.0.1:7860/ (PORT=8000: another port)
# make promote release the trained model (FORCE=1: in spite of objections)
# make check   style and types
# make setup   what the pipeline and the page need, in .venv/; the others call it
# make lock    renew constraints.txt after a change of the requirements
# Another interpreter, before there is a .venv: make test PYTHON=python3.13

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
READY := $(VENV)/.ready
DEVELOP := $(VENV)/.ready-develop
SETS := requirements/predict.txt requirements.txt requirements/develop.txt

# dvc runs `python -m stages...`: the virtual environment has to come first on the PATH.
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"

.PHONY: setup demo serve test test-slow promote check lock

setup: $(READY)

# The project itself is not installed: stages would import the installed copy, and with an editable one, an experiment
# that runs elsewhere (dvc exp run --temp, --queue) would run the code of this folder.
$(READY): requirements.txt requirements/predict.txt constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "expected Python 3.11 to 3.13, received " + sys.version.split()[0] + "; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements.txt
	$(RUN) $(BIN)/python tools/plots_page.py
	touch $@

$(DEVELOP): $(READY) requirements/develop.txt
	$(PIP) -r requirements/develop.txt
	touch $@

demo: $(READY)
	$(RUN) sh tools/demo.sh

serve: $(READY)
	@$(BIN)/python -m demo $(if $(PORT),--port $(PORT))

MARKED := not slow
# In the order of tests/conftest.py, the longest ones first; loadfile's own would begin with the fullest file.
PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --durations=12

test: $(DEVELOP)
	$(RUN) $(PYTEST) -m "$(MARKED)"

test-slow: $(DEVELOP)
	$(RUN) $(PYTEST) -m slow

promote: $(READY)
	$(RUN) $(BIN)/python -m tools.promote $(if $(filter 1,$(FORCE)),--force)

check: $(DEVELOP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: $(READY)
	$(PIP) uv
	cat $(SETS) | grep -v '^-' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
		--no-annotate --no-header --output-file constraints.txt --upgrade -
