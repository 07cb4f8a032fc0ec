# Everything a fresh Debian 12 machine needs, and the commands of daily work. `make demo` and `make test` do all.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

COLLECTION ?=
PYTHON := /usr/bin/python3.11
UV_VERSION := 0.13.9
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# One folder of state per collection: the painter's scenes and a museum's pictures do not share a store.
export SGOB_HOME ?= $(CURDIR)/.sgob$(if $(COLLECTION),-$(notdir $(abspath $(COLLECTION))))

PACKAGES := build-essential ca-certificates libopenmpi-dev mariadb-server munge openmpi-bin openssh-client openssh-server \
            python3.11 python3.11-dev python3.11-venv rsync slurm-wlm slurmdbd sudo
TEST_PACKAGES := chromium chromium-driver fonts-dejavu-core

.PHONY: help system setup demo down test test-faults test-k80 k80-python unit integration lint bench learn docs lock clean

help:  ## Say what each target does
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

# (dpkg-query fails where it does not know one of the packages: a fresh machine.)
# Debian would start every daemon that it installs; the sandbox starts its own, with its own configuration.
define apt_install
	@installed=$$(dpkg-query -W -f '$${Package} $${db:Status-Status}\n' $(1) 2>/dev/null || true); \
	missing=$$(awk '$$2 == "installed" {print $$1}' <<< "$$installed" | sort | comm -13 - <(printf '%s\n' $(1) | sort)); \
	if [ -n "$$missing" ]; then \
	    echo "Installing Debian packages:" $$missing; \
	    guard=/usr/sbin/policy-rc.d; mine=; \
	    [ -e $$guard ] || { printf '#!/bin/sh\nexit 101\n' | $(SUDO) tee $$guard >/dev/null; $(SUDO) chmod +x $$guard; mine=1; }; \
	    trap '[ -z "$$mine" ] || $(SUDO) rm -f '$$guard EXIT; \
	    $(SUDO) apt-get update -q >/dev/null; \
	    $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing \
	        > /tmp/sgob-apt.$$$$ 2>&1 || { tail -n 30 /tmp/sgob-apt.$$$$; exit 1; }; rm -f /tmp/sgob-apt.$$$$; \
	fi
endef

system:
	$(call apt_install,$(PACKAGES))

# uv resolves and unpacks several times faster than pip; where it cannot reach an index, pip (with its own settings) can.
define pip_install
	$(1)/bin/uv pip install -q --python $(1)/bin/python $(2) 2>/dev/null || $(1)/bin/pip install -q $(2)
endef

.venv/.done: requirements-dev.txt pyproject.toml | system
	@echo "Installing the control plane's environment (.venv)"
	@[ -x .venv/bin/pip ] || $(PYTHON) -m venv .venv
	@.venv/bin/pip install -q uv==$(UV_VERSION)
	@$(call pip_install,.venv,-r requirements-dev.txt)
	@.venv/bin/pip install -q --no-deps --no-build-isolation -e .
	@$(call compile,.venv)
	@touch $@

# uv leaves no bytecode: compiled once here, on all cores, every later start of Airflow and of a job is faster.
define compile
	$(1)/bin/python -m compileall -q -j0 $(1)/lib > /dev/null || true
endef

# Horovod is built against the TensorFlow and the Open MPI that are there; MPI alone, so that it takes a minute, not five.
define horovod_install
	@export HOROVOD_WITH_TENSORFLOW=1 HOROVOD_WITHOUT_PYTORCH=1 HOROVOD_WITHOUT_MXNET=1 HOROVOD_WITHOUT_GLOO=1 \
	    HOROVOD_WITH_MPI=1 HOROVOD_CPU_OPERATIONS=MPI MAKEFLAGS=-j$$(nproc) PATH=$(CURDIR)/$(1)/bin:$$PATH; \
	$(1)/bin/pip install -q --no-build-isolation --no-deps -r requirements-horovod.txt
	@$(1)/bin/python -c 'import horovod.tensorflow as hvd; assert hvd.mpi_built()' 2>/dev/null
endef

.venv-hpc/.done: requirements-hpc-test.txt requirements-horovod.txt | system
	@echo "Installing the cluster's environment (.venv-hpc; builds Horovod, 1-2 minutes)"
	@[ -x .venv-hpc/bin/pip ] || $(PYTHON) -m venv .venv-hpc
	@.venv-hpc/bin/pip install -q uv==$(UV_VERSION)
	@$(call pip_install,.venv-hpc,-r requirements-hpc-test.txt)
	$(call horovod_install,.venv-hpc)
	@$(call compile,.venv-hpc)
	@touch $@

# The stack of the K80 cluster: TensorFlow 2.11 on Python 3.10, which Debian 12 has not. Taken is K80_PYTHON, a python3.10
# that is there (pyenv's too), or the one that uv fetches where it can.
K80_PYTHON ?= $(firstword $(shell for python in $$(command -v python3.10) $$HOME/.pyenv/versions/3.10.*/bin/python3.10; do \
    "$$python" -c 'import venv' 2>/dev/null && echo "$$python"; done))

.venv-k80/.done: requirements-hpc-k80-test.txt requirements-horovod.txt .venv/.done | system
	@echo "Installing the K80 cluster's environment (.venv-k80; builds Horovod, 1-2 minutes)"
	@[ -x .venv-k80/bin/pip ] || .venv/bin/uv venv -q --seed --python $(or $(K80_PYTHON),3.10) .venv-k80 || \
	    { echo "TensorFlow 2.11 needs Python 3.10: give one with K80_PYTHON=/path/to/python3.10"; exit 1; }
	@.venv/bin/uv pip install -q --python .venv-k80/bin/python -r requirements-hpc-k80-test.txt || \
	    .venv-k80/bin/pip install -q -r requirements-hpc-k80-test.txt
	$(call horovod_install,.venv-k80)
	@touch $@

K80_TESTS ?= tests/unit/detection_tf tests/unit/captions_tf tests/integration/detection

k80-python:  # prints the Python 3.10 that test-k80 would take; nothing where there is none
	@echo $(K80_PYTHON)

test-k80: .venv-k80/.done  ## Run the detector's tests with TensorFlow 2.11 on Python 3.10, the stack of K80 GPUs [K80_PYTHON=path]
	@.venv-k80/bin/python -m pytest -q -c tests/unit/detection_tf/pytest.ini \
	    $(K80_TESTS)

setup: system  ## Install Debian packages, .venv and .venv-hpc
	@$(MAKE) --no-print-directory -j2 .venv/.done .venv-hpc/.done

demo: setup  ## Start the whole platform and run one night, from harvest to published annotations [COLLECTION=folder]
	@for other in $(filter-out $(notdir $(SGOB_HOME)),$(notdir $(wildcard .sgob*))); do \
	    SGOB_HOME=$(CURDIR)/$$other .venv/bin/sgob sandbox down --keep-slurm; done
	@.venv/bin/sgob demo $(if $(COLLECTION),--collection $(abspath $(COLLECTION)))

down:  ## Stop every process of the platform
	@for home in $(sort $(wildcard $(CURDIR)/.sgob*) $(SGOB_HOME)); do SGOB_HOME=$$home .venv/bin/sgob sandbox down; done

test: setup  ## Run all tests: units, then integration against the real parts
	$(call apt_install,$(TEST_PACKAGES))
	@.ci/test

unit: .venv/.done  ## Run the fast tests only
	@.venv/bin/python -m pytest -q tests/unit

test-faults: setup  ## Put faults into a real Slurm on purpose, count duplicates, losses and orphans [FAULTS='names' TRIALS=N]
	@.venv/bin/python -m tests.faults $(FAULTS) $(if $(TRIALS),--trials $(TRIALS)) --write docs/faults.md

lint: .venv/.done  ## Check style and types
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

bench: setup  ## Print the measured figures: DAGs, harvest, night, cluster, captions, detector [SGOB_PEER=checkout of another Mask R-CNN]
	@.venv/bin/python -m tests.benchmarks

learn: setup  ## Train detectors from nothing, on painted scenes and on the reference paintings, print AP50 (50 minutes)
	@.venv/bin/python -m tests.benchmarks painter paintings

docs: .venv/.done  ## Write docs/dags.md anew from the DAGs
	@.venv/bin/python -m docs.generate

lock: .venv/.done  ## Resolve requirements*.in into the pinned requirements*.txt
	@for name in requirements requirements-dev requirements-hpc requirements-hpc-test; do \
	    .venv/bin/uv pip compile -q --python-version 3.11 --no-annotate --no-header $$name.in -o $$name.txt; done
	@for name in requirements-hpc-k80 requirements-hpc-k80-test; do \
	    .venv/bin/uv pip compile -q --python-version 3.10 --python-platform x86_64-manylinux_2_17 --only-binary :all: \
	        --no-annotate --no-header $$name.in -o $$name.txt; done

clean: ## Stop the platform and remove what it made (state, environments, caches)
	@[ ! -x .venv/bin/sgob ] || $(MAKE) --no-print-directory down
	@$(SUDO) rm -rf /var/lib/sgob-sandbox
	@rm -rf .sgob .sgob-* .venv .venv-hpc .venv-k80 .cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
