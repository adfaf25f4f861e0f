PYTHON ?= python3
VENV   ?= .venv

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## make $(VENV) with everything the project needs
	@.ci/setup $(PYTHON) $(VENV)

lint: setup ## ruff, mypy, clang-format, import-linter, shellcheck
	@.ci/lint $(VENV)

clean: ## remove virtual environments and build trees
	rm -rf .venv .venv-* build dist

.PHONY: help setup lint clean
.DEFAULT_GOAL := help
