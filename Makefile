# `make demo` and `make test` are all that a fresh machine with python3 (3.11 or newer) and make needs.
PYTHON ?= python3
VENV ?= .venv
RUN ?= runs/fashion-vae
TRAIN ?= --epochs 5

BIN := $(VENV)/bin
APT := command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test lint data clean help

help:
	@echo "make demo    install, train fashion-vae, draw its figures, say where everything lies"
	@echo "make test    install what tests need; lint, types, imports, all tests"
	@echo "make clean   remove the virtual environment and caches; runs/ stays"

demo: $(VENV)/installed data
	$(BIN)/armoire train fashion-vae $(TRAIN) --out $(RUN) --resume
	$(BIN)/armoire figures $(RUN)
	@echo
	@echo "Everything lies in $(RUN):"
	@echo "  report.html        open this first: the figures and the numbers on one page"
	@echo "  figures/           the same pictures, one PNG each"
	@echo "  recipe.toml        every setting; train it again with: armoire train $(RUN)/recipe.toml --out ANOTHER"
	@echo "  model.safetensors  the weights"
	@echo "  latents.parquet    where each of the images lies"
	@echo "  history.csv        losses by epoch; previews/ shows what they looked like"
	@if [ -t 1 ]; then echo; echo "Next, make eighteen garments that never existed:"; \
	  echo "  $(BIN)/armoire sample $(RUN) -n 18 --out samples.png"; fi

test: $(VENV)/tested data lint
	$(BIN)/python -m pytest -n auto --dist loadfile

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

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit("armoire needs Python 3.11 or newer, not " + sys.version.split()[0]) if sys.version_info < (3, 11) else 0'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { $(APT) python3-venv; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/made pyproject.toml
	$(BIN)/pip install --quiet -e .
	@touch $@

$(VENV)/tested: $(VENV)/installed pyproject.toml
	$(BIN)/pip install --quiet -e '.[test]'
	@touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis
