# Two commands do everything: `make demo` and `make test`. The rest is for those who change Rapport.
# Needs: Python 3.11 or newer (with venv), make, git. Everything else is installed below this folder.

# The tests start hundreds of processes: without compiled modules each would compile all it imports, for two seconds.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
UV_VERSION := 0.13.9
TOOLS := .tools
UV := $(TOOLS)/bin/uv
RUN := .venv/bin
PY := plugin questionnaires smart_launch sandbox_ehr tests benchmarks

SYNC = UV_PYTHON_DOWNLOADS=never $(UV) sync --frozen --inexact --quiet --python "$$($(TOOLS)/bin/python -c 'import sys; print(sys._base_executable)')"
NOT_INSTALLED := "The dependencies could not be installed: the package index did not answer, or this platform lacks a package."

.PHONY: help demo test check static fix wheel audit browser screenshots clean

help:
	@echo "make demo    start the sandbox EHR and Rapport on this machine"
	@echo "make test    run all tests, those in a real browser included"
	@echo "make check   formatter, linter, types, import contracts, tests, wheel"
	@echo "make static  those of make check that run nothing: formatter, linter, types, import contracts"
	@echo "make fix     let formatter and linter mend what they can"
	@echo "make screenshots   take the pictures of the documentation anew"
	@echo "make wheel   build the wheel, look into it, install it into a clean environment; bill of materials in dist/"
	@echo "make audit   hold the locked packages against the published advisories"

demo: .venv/running
	@$(RUN)/rapport demo $(ARGS)

test: .venv/ready browser
	@$(RUN)/python -m pytest $(or $(ARGS),-n auto --dist loadfile --no-loadscope-reorder)

check: static
	@$(MAKE) --no-print-directory test
	@$(MAKE) --no-print-directory wheel

static: .venv/ready
	$(RUN)/ruff format --check $(PY)
	$(RUN)/ruff check $(PY)
	$(RUN)/mypy
	$(RUN)/lint-imports

fix: .venv/ready
	$(RUN)/ruff format $(PY)
	$(RUN)/ruff check --fix $(PY)

wheel: .venv/ready
	@$(RUN)/python tests/wheel.py $(UV)
	@$(RUN)/python tests/supply_chain.py $(UV) bill dist/rapport-fhir.cdx.json

audit: .venv/ready
	@$(RUN)/python tests/supply_chain.py $(UV) audit $(ARGS)

screenshots: browser
	@RAPPORT_SCREENSHOTS=1 $(RUN)/python -m pytest -q tests/product/test_browser.py \
	  tests/product/test_auditing_browser.py tests/product/test_frames.py

browser: .venv/ready
	@$(RUN)/python -m tests.ensure_browser

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Rapport needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "Python's venv module is missing. On Debian or Ubuntu: apt install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) || \
	  { rm -rf $(TOOLS); echo "uv could not be installed: the package index did not answer. Check the network and try again."; exit 1; }

# What Rapport runs with, the summary as PDF and the research export as Parquet among it; then what tests and checks need.
.venv/running: pyproject.toml uv.lock | $(UV)
	@$(SYNC) --no-dev --extra pdf --extra bulk || { echo $(NOT_INSTALLED); exit 1; }
	@touch $@

.venv/ready: .venv/running
	@$(SYNC) || { echo $(NOT_INSTALLED); exit 1; }
	@touch $@

clean:
	rm -rf .venv $(TOOLS) dist build
