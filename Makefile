# Pilotage. `make demo` runs the main job, `make demo-fraud` the data and features one, `make demo-review` the
# one of people's judgements, `make test` passes all tests; each sets up what it needs on a
# machine that has Python 3.11+ and make.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
TARGET ?= practice
CHECK  ?=
PORT   ?= 8321
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo demo-fraud demo-review test lint types contracts docs web bench lock clean check

demo: $(VENV)/.base web $(if $(filter local,$(TARGET)),$(VENV)/.local)
	$(BIN)/pilotage demo --target $(TARGET) --port $(PORT) $(if $(CHECK),--check)

demo-fraud: $(VENV)/.tables web
	$(BIN)/python examples/fraud-features/run.py --port $(PORT) $(if $(CHECK),--check)

demo-review: $(VENV)/.base web
	$(BIN)/python examples/reply-review/run.py --port $(PORT) $(if $(CHECK),--check)

test: $(VENV)/.dev web
	$(BIN)/python tools/build_web.py --tests
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

check: lint types contracts test docs

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

contracts: $(VENV)/.dev
	$(BIN)/lint-imports

docs: $(VENV)/.dev
	$(BIN)/mkdocs build --strict --quiet

# The browser's libraries, from npm into a folder that git ignores. Where there is no Node, a wheel brings it.
web: $(VENV)/.base
	command -v npm >/dev/null || $(PIP) install --require-hashes -r requirements/node.lock
	$(BIN)/python tools/build_web.py

# The virtual environment, with exactly the locked packages. Hashes are checked; the addresses are your pip's own.
$(VENV)/.base: requirements/base.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Pilotage needs Python 3.11 or newer; name it with: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r requirements/base.lock
	$(PIP) install --no-deps --editable .
	touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.base
	$(PIP) install --require-hashes -r requirements/dev.lock
	touch $@

$(VENV)/.tables: requirements/tables.lock $(VENV)/.base
	$(PIP) install --require-hashes -r requirements/tables.lock
	touch $@

$(VENV)/.local: requirements/local.lock $(VENV)/.base
	$(PIP) install --require-hashes -r requirements/local.lock
	touch $@

# Peers are never dependencies: each benchmark has an environment of its own.
bench: $(VENV)/.base
	@test -n "$(NAME)" || { echo "name a benchmark: make bench NAME=engine (see benchmarks/)"; exit 2; }
	test -x .bench/$(NAME)/bin/python || $(PYTHON) -m venv .bench/$(NAME)
	.bench/$(NAME)/bin/python -m pip --disable-pip-version-check --quiet install --editable . $(if $(wildcard benchmarks/$(NAME)-requirements.txt),-r benchmarks/$(NAME)-requirements.txt)
	.bench/$(NAME)/bin/python benchmarks/$(NAME).py

# Lock files hold versions and hashes, and no addresses.
lock: $(VENV)/.base
	$(PIP) install uv
	for each in "base:pyproject.toml" "dev:pyproject.toml --group dev" "local:pyproject.toml --extra local" "tables:pyproject.toml --extra tables" "node:requirements/node.in"; do \
	  $(BIN)/uv pip compile $${each#*:} --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-header --quiet --output-file requirements/$${each%%:*}.lock || exit 1; \
	done

clean:
	rm -rf $(VENV) .bench .demo .demo-fraud .demo-review site node_modules src/pilotage/server/static/vendor
