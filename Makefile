# Everything runs from .venv, which is created if it is missing and updated when the requirements have changed.

PY := .venv/bin/python
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test deep contract check bench bench-large faults soak sabotage lock

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .venv/installed ## Start Cartlink with a practice shop on this machine (PORT, PRACTICE_PORT); Ctrl-C stops it
	@exec $(PY) -m local_run

test: .venv/installed-dev ## Check and run the tests (ARGS="tests/services -k money" for some)
	@$(if $(ARGS),,$(MAKE) --no-print-directory check)
	@$(PY) -m pytest -n 3 --dist worksteal --durations 15 $(ARGS)

deep: .venv/installed-dev ## Run all tests, with the long suites whole
	@DEEP=1 $(PY) -m pytest -n 2 --dist worksteal --durations 15 --timeout 1800 $(ARGS)

contract: .venv/installed-dev ## Check a real shop against the channel contract, reading only (SHOP_URL, SHOP_KEY_FILE; WRITE=1 writes and restores; ALLOW_PRIVATE=host:port for a shop at a private address)
	@test -n "$(SHOP_URL)" -a -n "$(SHOP_KEY_FILE)" || { echo "Say which shop: make contract SHOP_URL=https://shop.example SHOP_KEY_FILE=key.txt (for a shop at a private address also ALLOW_PRIVATE=host:port)"; exit 2; }
	@SHOP_URL="$(SHOP_URL)" SHOP_KEY_FILE="$(SHOP_KEY_FILE)" WRITE="$(WRITE)" ALLOW_PRIVATE="$(ALLOW_PRIVATE)" \
	  $(PY) -m pytest tests/contract -p no:xdist -q --timeout 1800

check: .venv/installed-dev ## Check style, types, and which package imports which
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@.venv/bin/lint-imports
	@$(PY) -m mypy

bench: .venv/installed-dev ## Measure the budgets (BENCH_JSON=file writes them as JSON too)
	@$(PY) -m bench

bench-large: .venv/installed-dev ## Time every page at 1,000 orders and at a million, on both databases (ORDERS=1000000; the databases are made once and kept in .bench)
	@$(PY) -m bench.large --orders "$(or $(ORDERS),1000000)"

faults: .venv/installed-dev ## Run fault schedules (N=60, SEED=1, DB=sqlite|postgresql, KIND=mixed|days|processes, ONLY=number, JOBS=2)
	@$(PY) -m tests.faults --n "$(or $(N),60)" --seed "$(or $(SEED),1)" --db "$(or $(DB),sqlite)" --kind "$(or $(KIND),mixed)" \
	  --jobs "$(or $(JOBS),2)" $(if $(ONLY),--only "$(ONLY)")

soak: .venv/installed-dev ## Keep a fleet under faults for a while (MINUTES=30, SHOPS=25, SEED=1, DB=sqlite|postgresql)
	@$(PY) -m tests.faults.soak --minutes "$(or $(MINUTES),30)" --shops "$(or $(SHOPS),25)" --seed "$(or $(SEED),1)" \
	  --db "$(or $(DB),sqlite)"

sabotage: .venv/installed-dev ## Break copies of the code on purpose and see which suite finds it (JOBS=2, DAYS=40, ONLY=name, ARGS=--write)
	@$(PY) -m tests.sabotage --jobs "$(or $(JOBS),2)" --days "$(or $(DAYS),40)" $(if $(ONLY),--only "$(ONLY)") $(ARGS)

lock: .venv/installed-dev ## Write requirements*.txt from requirements*.in (needs the program uv)
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links requirements.in -o requirements.txt
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links requirements-dev.in -o requirements-dev.txt

.venv/installed-dev: requirements-dev.txt .venv/installed
	@echo "Installing the packages for the tests into .venv …"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

.venv/installed: requirements.txt | .venv/bin/python
	@echo "Installing Cartlink into .venv (once; about a minute) …"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/bin/python:
	@sh tools/make-venv.sh
