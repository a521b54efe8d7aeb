# `make demo` and `make test` are all that a fresh machine with python3 (3.11 or newer) and make needs.
PYTHON ?= python3
VENV ?= .venv
RUN ?= runs/fashion-vae
TRAIN ?= --epochs 5

BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
APT := command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Folders too: they tell of a file that is gone.
WEB := $(shell find web -mindepth 1 \( -name node_modules -o -name '.*' \) -prune -o -print 2>/dev/null)

.PHONY: demo test quick test-slow test-portable web-test lint data chromium docs bench own-folders clean help

help:
	@echo "make demo    install, train fashion-vae, draw its figures, export the explorer, say where everything lies"
	@echo "make test    install what tests need; lint, types, imports, all tests"
	@echo "make quick   lint, and the tests of model, images and training in one process: under a minute"
	@echo "make test-slow  the tests that take long, and a minute of fuzzing each of what reads strangers' bytes"
	@echo "make test-portable  the tests with other instruction sets, threads, orders and Pythons; up to 150 minutes, resumable"
	@echo "make docs    build the documentation into site/; the first time it trains what its pictures show, some ten minutes"
	@echo "make bench   install peers (Keras on TensorFlow, pythae) beside, and measure against them; about 30 minutes"
	@echo "make own-folders  train on folders as people have them, FOLDERS=\"NAME=FOLDER ..\" too, and measure; resumable"
	@echo "make clean   remove the virtual environment, the built page and caches; runs/ stays"

demo: $(VENV)/installed data
	$(BIN)/armoire train fashion-vae $(TRAIN) --out $(RUN) --resume
	$(BIN)/armoire figures $(RUN)
	@[ ! -f src/armoire/explorer/index.html ] || $(BIN)/armoire explore $(RUN) --export $(RUN)-site
	@echo
	@echo "Everything lies in $(RUN):"
	@echo "  report.html        open this first: the figures and the numbers on one page"
	@echo "  figures/           the same pictures, one PNG each"
	@echo "  recipe.toml        every setting; train it again with: armoire train $(RUN)/recipe.toml --out ANOTHER"
	@echo "  model.safetensors  the weights"
	@echo "  latents.parquet    where each of the images lies"
	@echo "  history.csv        losses by epoch; previews/ shows what they looked like"
	@if [ -f src/armoire/explorer/index.html ]; then \
	  echo; echo "$(RUN)-site is the explorer as a folder for any web host."; \
	  echo "Next, walk through it in a browser:"; echo "  $(BIN)/armoire explore $(RUN)"; fi

# The whole suite, as arguments of Python.
SUITE := -m pytest -n 3 --dist loadfile

# What the tests' many processes import is compiled once, whatever the environment says.
test: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/tested data chromium lint web-test
	$(BIN)/python $(SUITE)

# What a change to the core can break, while one works on it; starting torchrun alone takes half a minute.
quick: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/model tests/images tests/training --ignore tests/training/test_distributed.py

# The tests as on other processors, other Pythons and busy machines; typed again, it goes on with what has not passed.
test-portable: $(VENV)/tested data chromium
	$(BIN)/python tests/portable.py $(SUITE)

# What takes long.
test-slow: $(VENV)/fuzzed data
	$(BIN)/python -m pytest -m slow

web-test: $(VENV)/tested
	@if [ "$${ARMOIRE_SKIP_WEB:-0}" = 0 ] && $(BIN)/python -c 'import sys, hatch_build; sys.exit(not hatch_build.has_node())'; then \
	  cd web && { [ -d node_modules ] || npm ci --silent --ignore-scripts; } && \
	  npm run --silent check && npm test --silent -- --passWithNoTests; \
	else echo "web-test: skipped, for there is no Node 20.19 or newer with npm here, or ARMOIRE_SKIP_WEB is set"; fi

lint: $(VENV)/tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

# Debian's package where it can be had at once; armoire finds the data elsewhere, or fetches it, where not.
data: $(VENV)/installed
	@[ -d /usr/share/datasets/fashion-mnist ] || \
	  ls -d "$${ARMOIRE_CACHE:-$$HOME/.cache/armoire}"/stores/fashion-mnist-* >/dev/null 2>&1 || \
	  { $(APT) dataset-fashion-mnist >/dev/null 2>&1 || true; }
	@$(BIN)/armoire data fashion-mnist >/dev/null

# Tests look at the explorer's page in a browser; without one they are skipped.
chromium:
	@[ -n "$${CHROMIUM:-}" ] || command -v chromium >/dev/null 2>&1 || { $(APT) chromium >/dev/null 2>&1 || true; }

docs: $(VENV)/documented data
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "site/index.html; to look at it: $(BIN)/python -m http.server -b 127.0.0.1 -d site"

# Peers live in virtual environments of their own: their requirements are not ours.
BENCH ?= .bench
bench: $(VENV)/tested data $(BENCH)/keras/installed $(BENCH)/pythae/installed
	$(BIN)/python benchmarks/speed.py --peer keras=$(BENCH)/keras/bin/python --peer pythae=$(BENCH)/pythae/bin/python --write
	$(BIN)/python benchmarks/time_to_target.py --keras $(BENCH)/keras/bin/python --write

own-folders: $(VENV)/tested data
	$(BIN)/python benchmarks/own_folders.py $(FOLDERS)

$(BENCH)/%/installed: benchmarks/peers/%.txt
	$(PYTHON) -m venv $(BENCH)/$*
	$(BENCH)/$*/bin/pip install --quiet -r $<
	@touch $@

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit("armoire needs Python 3.11 or newer, not " + sys.version.split()[0]) if sys.version_info < (3, 11) else 0'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { $(APT) python3-venv; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# explore: what the demo shows. Where another torch is wanted: make CONSTRAINTS= demo
CONSTRAINTS ?= constraints.txt
PIP := $(BIN)/pip install --quiet $(CONSTRAINTS:%=-c %)

$(VENV)/installed: $(VENV)/made pyproject.toml hatch_build.py $(CONSTRAINTS) $(WEB)
	$(PIP) -e '.[explore]'
	@touch $@

$(VENV)/tested: $(VENV)/installed pyproject.toml
	$(PIP) -e '.[test]'
	@touch $@

$(VENV)/documented: $(VENV)/installed pyproject.toml
	$(PIP) -e '.[docs]'
	@touch $@

$(VENV)/fuzzed: $(VENV)/tested
	$(PIP) -e '.[fuzz]'
	@touch $@

clean:
	rm -rf $(VENV) $(BENCH) build dist site .pytest_cache .ruff_cache .import_linter_cache .hypothesis web/node_modules src/armoire/explorer
