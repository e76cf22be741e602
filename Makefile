# Everything a person or CI runs. `make` alone tells what there is.
# Needs: make, and Python 3.11 to 3.13 with its venv module. All else is set up here, from package registries only.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The first interpreter on the PATH that is of a version Frontdesk supports.
PYTHON ?= $(shell for candidate in python3 python3.13 python3.12 python3.11; do \
	"$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& { echo "$$candidate"; break; }; done)
BIN := .venv/bin
AWS_BIN := .venv-aws/bin
DEVELOPMENT := .venv/installed
LOCAL_AWS := .venv-aws/installed
SCAN_BIN := .venv-scan/bin
SCANNERS := .venv-scan/installed
# For the deployment only: make deploy STAGE=staging PYTHON_RUNTIME=python3.12 ARCHITECTURE=x86_64
export STAGE PYTHON_RUNTIME ARCHITECTURE
export PYTHONPATH := layers/frontdesk

.PHONY: help setup run stop test lint scan sbom format bench chaos drill load soak build deploy conformance ops doctor validate lock browser clean

help: ## tell what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1|/' | column -t -s '|' | sed 's/^/  make /'

setup: $(DEVELOPMENT) $(LOCAL_AWS) ## create the virtual environments

run: setup ## run everything on this machine; ARGS=--detach returns when it is ready
	@exec $(BIN)/python -m ops.local up $(ARGS)

stop: $(DEVELOPMENT) ## end what `make run` started
	@$(BIN)/python -m ops.local down

test: lint setup $(SCANNERS) browser ## lint and scan, then every suite, ending with the deployed local stack; ARGS=… goes to pytest
	@$(BIN)/python -m ops.scan
	$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --no-loadscope-reorder --cov --cov-report=term $(ARGS)

lint: $(DEVELOPMENT) ## check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

scan: $(DEVELOPMENT) $(SCANNERS) ## look for known flaws in template, code and packages, and for secrets; ARGS=… names scanners
	@$(BIN)/python -m ops.scan $(ARGS)

sbom: setup $(SCANNERS) ## write the bill of materials of the layer, sbom.cdx.json, for PYTHON_RUNTIME and ARCHITECTURE
	@folder=$$($(BIN)/python -m ops.deployment build | sed -n 's/^Built: //p') && [ -n "$$folder" ] \
		&& $(SCAN_BIN)/python -m ops.sbom "$$folder/DependenciesLayer/python" sbom.cdx.json

format: $(DEVELOPMENT) ## put style right
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: setup ## measure, each figure beside its baseline
	$(BIN)/python -m bench $(ARGS)

chaos: $(DEVELOPMENT) ## lose, repeat, delay and kill, and count what became of 2,000 messages; ARGS=… names seeds
	@$(BIN)/python -m tests.chaos $(ARGS)

drill: setup ## kill the primary model under load on a local run, and count; ARGS=cut, hang or 503
	@$(BIN)/python -m ops.local.drill $(ARGS)

load: $(DEVELOPMENT) ## let many customers write to the local run, or to the bot at URL=…; ARGS=--help tells more
	@$(BIN)/python -m simulators.traffic $(if $(URL),--callback-url "$(URL)") $(ARGS)

soak: setup ## half an hour of that while everything fails in turn, on a local run of its own; ARGS=… as for `make load`
	@HANDOFF_TRIGGERS=asked $(BIN)/python -m ops.local up --detach
	-@$(BIN)/python -m simulators.traffic --rate 1.5 --seconds 30 --drain 60 >/dev/null
	@$(BIN)/python -m simulators.traffic --rate 2 --seconds 1800 --burst 10 --burst-every 60 --troubled \
		--drain 900 --json .local/soak.json $(ARGS); status=$$?; $(BIN)/python -m ops.local down; exit $$status

build: setup ## build the deployment for PYTHON_RUNTIME and ARCHITECTURE
	$(BIN)/python -m ops.deployment build

deploy: build validate ## build, lint, test the template, then deploy to the AWS account in force; ARGS=… to sam deploy
	$(BIN)/python -m ops.deployment deploy $(ARGS)

conformance: $(DEVELOPMENT) ## check any bot for 微信客服 at URL=https://bot.example/callback; ARGS=--help tells more
	@$(BIN)/python -m simulators.conformance --callback-url "$(URL)" $(ARGS)

ops: $(DEVELOPMENT) ## operate a deployment, e.g. ARGS="audit verify"; ARGS=--help tells what there is
	@$(BIN)/python -m ops $(ARGS)

doctor: $(DEVELOPMENT) ## check a deployment and explain what is wrong; ARGS=--local looks at the local run
	@$(BIN)/python -m ops doctor $(ARGS)

validate: setup ## lint the template the way AWS and the regions see it
	SAM_CLI_TELEMETRY=0 $(AWS_BIN)/sam validate --lint --region us-east-1
	$(BIN)/cfn-lint template.yaml
	$(BIN)/python -m pytest --no-cov tests/iac

UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --custom-compile-command 'make lock' --constraint requirements/constraints.in

lock: $(DEVELOPMENT) ## take the newest versions; ARGS='--upgrade-package name' takes one only
	$(UV_COMPILE) $(or $(ARGS),--upgrade) layers/dependencies/requirements.in -o layers/dependencies/requirements.txt
	$(UV_COMPILE) $(or $(ARGS),--upgrade) --group dev -o requirements/dev.txt \
		--constraint layers/dependencies/requirements.txt
	$(UV_COMPILE) $(or $(ARGS),--upgrade) --group local -o requirements/local.txt
	$(UV_COMPILE) $(or $(ARGS),--upgrade) --group scan -o requirements/scan.txt

browser: ## install Chromium where there is none, for the tests of the page
	@command -v chromium chromium-browser google-chrome >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null; \
	else \
		echo "The tests of the page need Chromium and a Chinese font, e.g.: sudo apt-get install chromium fonts-noto-cjk" >&2; \
		exit 1; \
	fi

clean: ## remove everything that can be made again
	rm -rf .aws-sam .local .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage htmlcov

# The lock names every package there is to be, so pip need not look for any: --no-deps. The stamp is written last,
# so an interrupted installation is done again.
$(DEVELOPMENT): requirements/dev.txt
	$(call INSTALL,.venv,$<)

$(LOCAL_AWS): requirements/local.txt
	$(call INSTALL,.venv-aws,$<)

$(SCANNERS): requirements/scan.txt
	$(call INSTALL,.venv-scan,$<)

define INSTALL
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11, 3.12 or 3.13 is needed on the PATH, or as PYTHON=…" >&2; exit 1; }
	@[ -x $(1)/bin/python ] || "$(PYTHON)" -m venv $(1) \
		|| { rm -rf $(1); echo "The venv module is missing, e.g.: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing $(2) into $(1) …"
	@$(1)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement $(2)
	@touch $@
endef
