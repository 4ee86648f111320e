# Fruitlake's commands. Needs Python 3.11 or 3.12 and a JDK 17 or 21; everything else goes into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || echo python3)
BIN := .venv/bin
# made last, so that a broken installation is not taken for a complete one
READY := .venv/installed

.DEFAULT_GOAL := help
.PHONY: help install demo test test-exhaustive torture bench bench-peers lint format lock clean

help: ## show these commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

install: $(READY) ## install everything into .venv

demo: $(READY) ## run the whole pipeline on sample photos and show the result
	$(BIN)/fruitlake demo

test: $(READY) ## run the tests (real Spark, real dbt); python -m pytest -m "not slow" runs those without Spark
	$(BIN)/python -m pytest -m "not exhaustive"

test-exhaustive: $(READY) ## run the tests that take a minute each: kills, full disks, a cluster, Trino, training
	$(BIN)/python -m pytest -m exhaustive

torture: $(READY) ## kill runs at random and feed 20,000 damaged photos; prints figures
	$(BIN)/python -m tests.torture

bench: $(READY) ## measure speed against the machine's limit and against others (some minutes)
	$(BIN)/python -m tests.bench

bench-peers: $(READY) ## measure whole runs against Daft, which this installs
	$(BIN)/uv pip install --quiet --python $(BIN)/python --group peers
	$(BIN)/python -m tests.bench.peers

lint: $(READY) ## check style, docstrings, complexity, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(READY) ## rewrite the code in the project's style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(READY) ## resolve the dependencies anew into requirements.lock
	$(BIN)/uv pip compile pyproject.toml --group dev --extra serve --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command "make lock" --quiet --upgrade -o requirements.lock

clean: ## remove .venv and what the tools left
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache build *.egg-info fruitlake-demo

# Fails with one line if there is no suitable Java, before minutes of installation; then installs exactly what is locked.
$(READY): requirements.lock pyproject.toml bootstrap/jars.py
	@$(PYTHON) bootstrap/java.py
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || \
		{ echo "Fruitlake needs Python 3.11 or 3.12, $(PYTHON) is another: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@# where PYTHONDONTWRITEBYTECODE is set, as in many images, every process would compile its imports again, for seconds;
	@# files that do not compile are templates
	$(BIN)/python -m compileall -q -j 0 -x '/tests?/' .venv/lib || true
	@# Iceberg, SQLite's driver and S3 for Spark, checked by SHA-256: later runs need no network
	$(BIN)/python -m bootstrap.jars
	$(BIN)/python -m bootstrap.class_archive
	@touch $(READY)
