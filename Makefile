# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

SHELL := /bin/bash
STAGES := deps lint sanity unit oracle build molecule
RUN := bash tests/tools/run-stages

.PHONY: help test $(STAGES) vendors clouds chained chaos rolling format fuzz docs new-load-balancer structure measured changelog lock demo ask mutations clean

help:  ## what can be made
	@sed -nE 's/^([a-z-]+):.*  ## (.*)/  \1\t\2/p' Makefile | expand -t 22

test:  ## all of the following stages, with a summary
	@$(RUN) $(STAGES)

deps:  ## system packages and the pinned tools, kept in a cache outside the checkout
	@$(RUN) deps

lint: deps  ## everything that reads files without running them
	@$(RUN) lint

sanity: deps  ## all of ansible-test sanity, nothing ignored
	@$(RUN) sanity

unit: deps  ## the tests that need no cluster, with coverage
	@$(RUN) unit

build: deps  ## the archive, and Galaxy's importer on it
	@$(RUN) build

molecule: deps  ## the scenarios on the lab's cluster
	@$(RUN) molecule

vendors: deps  ## every load balancer that the lab can build, each with its scenario and its whole matrix
	@bash tests/scenarios.sh vendors

clouds: deps  ## stand-ins for the load balancers of clouds, chained to an Istio gateway
	@bash tests/scenarios.sh clouds

chained: deps  ## the load balancers of the lab chained to an Istio gateway, in both APIs, under load and over TLS
	@bash tests/scenarios.sh chained

chaos: deps  ## a tenant's attacks, runs that are killed, an API server that restarts or refuses, on the lab
	@bash tests/scenarios.sh chaos

rolling: deps  ## what each strategy costs while a backend is rolled out and scaled under load, on the lab
	@MESHLB_ROLLING_PAGE=$${MESHLB_ROLLING_PAGE:-docs/rolling.md} bash tests/scenarios.sh rolling

format: deps  ## mends what the Python linter can mend itself
	@. tests/tools/env.sh && ruff check --fix .

fuzz: deps  ## mutated clusters through every module: make fuzz, or make fuzz ARGS="--count 1000 --seed 2"
	@. tests/tools/env.sh && python -m tests.fuzz $(ARGS)

docs: deps  ## writes the pages that are generated from the code
	@. tests/tools/env.sh && python -m tests.tools.generate_docs

new-load-balancer: deps  ## starts a load balancer, with its tests: make new-load-balancer ID=example TITLE=Example
	@. tests/tools/env.sh && python -m tests.tools.new_load_balancer "$(ID)" "$(TITLE)" && python -m tests.tools.generate_docs

structure: deps  ## measures the structure of the code, for before and after a reorganisation
	@. tests/tools/env.sh && python -m tests.tools.structure

measured: deps  ## writes the table of predictions and measurements from a run on the lab
	@bash tests/scenarios.sh measured

changelog: deps  ## turns the fragments into the entry for the version in galaxy.yml
	@. tests/tools/env.sh && antsibull-changelog release --update-existing

lock:  ## pins the newest tools that install together
	@.ci/lock

demo: deps  ## the collection at work on a real cluster on this machine
	@test -x lab/demo || { echo "lab/demo is missing or not executable" >&2; exit 1; }
	@. tests/tools/env.sh && ANSIBLE_COLLECTIONS_PATH=$$(python tests/tools/stage_collection.py link) lab/demo

ask: deps  ## what would Istio do? For a folder of manifests, with Istio's own code: make ask CASE=FOLDER
	@. tests/tools/env.sh && python lab/lab oracle --keep-caches >/dev/null && \
	  PYTHONPATH=$$(python tests/tools/stage_collection.py link) python -m tests.oracle.ask "$(CASE)"

oracle: deps  ## random meshes, compared with Istio's own code: make oracle MESHES=300 SEED=1, also ISTIO=1.30; for one mesh SHRINK=1 and CASE=FOLDER
ifneq ($(strip $(MESHES)$(SEED)),)
	@. tests/tools/env.sh && python lab/lab oracle --keep-caches $(if $(ISTIO),--istio $(ISTIO)) >/dev/null && \
	  python -m tests.oracle --meshes $(or $(MESHES),300) --seed $(or $(SEED),1) $(if $(OLD),--old) $(if $(SHRINK),--shrink) \
	    $(if $(ISTIO),--istio $(ISTIO)) \
	    $(if $(CASE),--write "$(CASE)") $(ARGS)
else
	@$(RUN) oracle
endif

mutations: deps  ## faults put into copies of the code, and whether the random meshes find them: make mutations ARGS="--only NAME"
	@. tests/tools/env.sh && python lab/lab oracle --keep-caches >/dev/null && python -m tests.oracle.mutations $(ARGS)

clean:  ## what the tools left for this checkout; the tools themselves stay
	@. tests/tools/env.sh && rm -rf .ansible .cache .mypy_cache .pytest_cache .ruff_cache .coverage tests/output && \
	  tree=$$(python3 tests/tools/stage_collection.py --where) && rm -rf "$$tree"
