# Thin: every target is one program. `make demo` and `make test` are all that a newcomer needs.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help demo demo-down docker test test-fast test-skeleton lint .venv

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: docker .venv ## one simulated node on this machine, from nothing to tool calls
	$(PYTHON) tools/demo.py

demo-down: .venv ## remove what the demo made: node, test bed, images, .demo
	PYTHONPATH=tests $(PYTHON) -m testbed down --images
	rm -rf .demo .testbed

test: docker .venv ## every test (about 25 minutes on two cores; makes the demo's node anew)
	PYTHONPATH=tests $(PYTHON) tools/run_tests.py all

test-fast: .venv ## lint, types and unit tests, without Docker
	PYTHONPATH=tests $(PYTHON) tools/run_tests.py fast

test-skeleton: test ## the main job's tests

lint: .venv ## lint and types alone
	PYTHONPATH=tests $(PYTHON) tools/run_tests.py lint

docker:
	@tools/docker.sh

.venv: .venv/.complete

.venv/.complete: pyproject.toml uv.lock tools/venv.sh tools/uv-requirements.txt
	@tools/venv.sh
