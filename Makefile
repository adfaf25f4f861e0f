PYTHON ?= python3
VENV   ?= .venv

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: setup ## run a simulation on 4 ranks, kill -9, restart, compare bit for bit, draw it
	@$(VENV)/bin/python examples/demo.py

setup: ## make $(VENV) with everything the project needs
	@.ci/setup $(PYTHON) $(VENV)

lint: setup ## ruff, mypy, clang-format, import-linter, shellcheck
	@.ci/lint $(VENV)

test: ## set up, then lint and the tests on CPython 3.11 to 3.13: at most 20 minutes
	@$(PYTHON) tests/run.py

test-all: ## everything, also on Open MPI, and 60 kills: at most 90 minutes
	@$(PYTHON) tests/run.py --all

bench: setup ## the ratios of benchmarks/, each with its command
	@for each in benchmarks/*.py; do echo "+ $(VENV)/bin/python $$each"; $(VENV)/bin/python $$each || exit; done

docs: setup ## check the links and the Python of the pages
	@$(VENV)/bin/python -m pytest -q tests/unit/test_docs.py

clean: ## remove virtual environments, build trees and the demo's output
	rm -rf .venv .venv-* build dist demo-output

.PHONY: help demo setup lint test test-all bench docs clean
.DEFAULT_GOAL := help
