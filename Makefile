# Everything a newcomer types.  `make setup` is part of each target; repeated it takes under a second.

VENV := .venv/bin

.PHONY: help setup demo demo-overlay test unit lint format bench bench-quick fuzz reference conformance lock clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' Makefile

setup: ## install what is missing: Debian packages, .venv from the lock file
	@scripts/setup

demo: setup ## the story: containers on docker0 and a published port, in a virtual host of its own
	@$(VENV)/python examples/demo.py

demo-overlay: setup ## one network over three hosts, which share nothing but etcd; an application across it
	@$(VENV)/python examples/demo_overlay.py

test: lint ## format, lint, types, layers, then every test
	@$(VENV)/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGUMENTS)

unit: setup ## the tests that need neither root nor time
	@$(VENV)/python -m pytest -q tests/unit tests/laws tests/contract tests/conventions

lint: setup ## format, lint, types and layers, changing nothing
	@$(VENV)/ruff format --check .
	@$(VENV)/ruff check .
	@$(VENV)/mypy
	@$(VENV)/lint-imports

format: setup ## format and mend what can be mended
	@$(VENV)/ruff format .
	@$(VENV)/ruff check --fix .

bench: setup ## fairlead, dockerd and podman side by side; results in bench/results
	@$(VENV)/python -m bench

bench-quick: setup ## the same with few repetitions
	@$(VENV)/python -m bench --quick

fuzz: setup ## 20,000 requests that chance makes of our OpenAPI description, and what is left of them
	@$(VENV)/python -m bench.fuzz

reference: setup ## compare with recordings of the real Docker (COMPARE=path of the runner)
	@scripts/reference $(SCENARIOS)

conformance: setup ## docker-py's own integration tests against the engine (CONFORMANCE=what to pass on)
	@$(VENV)/python -m tests.conformance $(CONFORMANCE)

lock: setup ## renew requirements.lock from pyproject.toml
	@scripts/lock

clean: ## take down every lab and delete what was made here (not .venv)
	@[ ! -x $(VENV)/fairlead ] || $(VENV)/fairlead lab down --all
	@rm -rf build bench/results .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
