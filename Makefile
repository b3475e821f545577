# Two commands on a fresh machine: `make demo` and `make test`. `make help` lists the rest.
#
# .venv holds the Brain-Score stack, .venv-current current releases of the same libraries. Each is
# installed from its lock file; a stamp inside it records success, so a second `make` starts at once
# and an installation that failed starts again. A change of the lock or of pyproject.toml renews it.

PYTHON ?= python3.11
ARGS ?=
# Files of tests are shared out among processes; ARGS=-n0 runs them one after the other.
PROCESSES := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

VENV := .venv
CURRENT := .venv-current
MIRROR := $(abspath ../shared/data/mirror)

# Tests read the real recordings from the folder beside the checkout, where there is one.
ifneq ($(wildcard $(MIRROR)),)
test test-current: export NEUROREC_MIRROR ?= $(MIRROR)
endif
test test-current demo: export BS_INSTALL_DEPENDENCIES = no

.DEFAULT_GOAL := help
.PHONY: help demo test test-current lint lock clean
.DELETE_ON_ERROR:

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | \
		awk -F'|' '{ printf "%-22s %s\n", $$1, $$2 }'

demo: $(VENV)/.stamp ## Train, record, compare with real recordings, report: make demo ARGS="--quick --out DIR"
	@$(VENV)/bin/neurorec demo $(ARGS)

test: $(VENV)/.stamp ## The whole test suite on the Brain-Score stack; ARGS go to pytest
	@$(VENV)/bin/python -m pytest $(PROCESSES) $(ARGS)

test-current: $(CURRENT)/.stamp ## The suite without Brain-Score on current releases; ARGS go to pytest
	@$(CURRENT)/bin/python -m pytest $(PROCESSES) $(ARGS)

lint: $(VENV)/.stamp ## Style, types and the direction of imports
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/pyright
	@$(VENV)/bin/lint-imports

lock: ## Resolve pyproject.toml anew and rewrite requirements/*.lock and environment.yml
	@$(NEED_PYTHON)
	@sh requirements/lock.sh "$(PYTHON)"

clean: ## Remove both environments, caches and build output (no results, no data)
	rm -rf $(VENV) $(CURRENT) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.stamp: requirements/brainscore.lock pyproject.toml
$(CURRENT)/.stamp: requirements/current.lock pyproject.toml

$(VENV)/.stamp $(CURRENT)/.stamp:
	@$(NEED_PYTHON)
	@echo "Installing $< into $(@D); some minutes and about 2 GB, once."
	@rm -f $@
	@"$(PYTHON)" -m venv $(@D)
	@$(PIP) -r $<
	@$(PIP) --no-deps -e .
	@touch $@

PIP = $(@D)/bin/python -m pip install -qq --disable-pip-version-check

# Both locks were resolved for Python 3.11, the newest that Brain-Score's dependencies allow.
NEED_PYTHON = "$(PYTHON)" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info[:2] != (3, 11))' \
	2>/dev/null || { echo "neurorec needs Python 3.11 with its venv module, and '$(PYTHON)' is not that:" \
	"install it (conda create -n py311 python=3.11, pyenv install 3.11, or apt install python3.11-venv)" \
	"and run make again, with PYTHON=/path/to/python3.11 if it is not on the PATH." >&2; exit 1; }
