# Everything runs from .venv, which is made when it is missing and filled anew when the requirements have changed.

PY := .venv/bin/python
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test deep contract check bench faults soak lock

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .venv/installed ## Start Cartlink with a practice shop on this machine (PORT, PRACTICE_PORT); Ctrl-C stops it
	@exec $(PY) -m local_run

test: .venv/installed-dev ## Run the tests (ARGS="tests/services -k money" for some)
	@$(PY) -m pytest -n 3 --dist worksteal --durations 15 $(ARGS)

deep: .venv/installed-dev ## Run the tests with the long suites whole
	@DEEP=1 $(PY) -m pytest -n 2 --dist worksteal --durations 15 --timeout 1800 $(ARGS)

contract: .venv/installed-dev ## Hold a real shop to the channel contract, reading only (SHOP_URL, SHOP_KEY_FILE; WRITE=1 writes and restores)
	@test -n "$(SHOP_URL)" -a -n "$(SHOP_KEY_FILE)" || { echo "Say which shop: make contract SHOP_URL=https://shop.example SHOP_KEY_FILE=key.txt"; exit 2; }
	@SHOP_URL="$(SHOP_URL)" SHOP_KEY_FILE="$(SHOP_KEY_FILE)" WRITE="$(WRITE)" ALLOW_PRIVATE="$(ALLOW_PRIVATE)" \
	  $(PY) -m pytest tests/contract -p no:xdist -q --timeout 1800

check: .venv/installed-dev ## Look at style and at who imports whom
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@.venv/bin/lint-imports

bench: .venv/installed-dev ## Measure the budgets (BENCH_JSON=file writes them as JSON too)
	@$(PY) -m bench

faults: .venv/installed-dev ## Run fault schedules (N=60, SEED=1, DB=sqlite|postgresql, KIND=mixed|days|processes, ONLY=number, JOBS=2)
	@$(PY) -m tests.faults --n "$(or $(N),60)" --seed "$(or $(SEED),1)" --db "$(or $(DB),sqlite)" --kind "$(or $(KIND),mixed)" \
	  --jobs "$(or $(JOBS),2)" $(if $(ONLY),--only "$(ONLY)")

soak: .venv/installed-dev ## Keep a fleet under faults for a while (MINUTES=30, SHOPS=25, SEED=1, DB=sqlite|postgresql)
	@$(PY) -m tests.faults.soak --minutes "$(or $(MINUTES),30)" --shops "$(or $(SHOPS),25)" --seed "$(or $(SEED),1)" \
	  --db "$(or $(DB),sqlite)"

lock: .venv/installed-dev ## Write requirements*.txt anew from requirements*.in (wants the program uv)
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links requirements.in -o requirements.txt
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links requirements-dev.in -o requirements-dev.txt

.venv/installed-dev: requirements-dev.txt .venv/installed
	@echo "Installing what the tests need into .venv …"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

.venv/installed: requirements.txt | .venv/bin/python
	@echo "Installing Cartlink into .venv (once; about a minute) …"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/bin/python:
	@sh tools/make-venv.sh
