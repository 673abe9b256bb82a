# On a machine with Python, git and make, two commands are enough:
#
#     make serve      install what is missing, then run a forwarding server
#     make test       install what is missing, then run every check
#
# and a third one shows the main job, without the Internet:
#
#     make resolve    resolve and prove names from the root of a small internet of signed zones on loopback addresses
#
# To follow the pages of the documentation:
#
#     make demo       run the servers that their examples query, on loopback addresses
#     make follow     type every command of every page against these servers, and compare what comes with what the page shows
#
# With a C compiler, the same source also runs compiled:
#
#     make compiled        build a compiled wheel, install it into build/compiled/environment, and show what it gained
#     make test-compiled   run the tests of compiled modules against it
#
# While you work, and before a release:
#
#     make quick           try a change in a minute: ruff, mypy, and the tests nearest to the changed files
#     make test-long       run what the others leave out, since it takes long
#
# Other targets: lint, types, docs, dist, lock, benchmark, bench-server, bench-recursion, bench-encrypted, bench-scaling, bench-bounds, clean.
# Everything is installed in .venv; docs writes to docs/_build, dist to dist, and the benchmarks but the first write their results to
# docs/measured.rst. They measure the compiled package too where make compiled has been run, or TXDNS_COMPILED names its interpreter.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# pip shows its progress at a terminal and is quiet in a log.
PIP := $(BIN)/python -m pip $(shell test -t 2 || echo --quiet) --disable-pip-version-check install
# Port of make serve and make resolve; the status page of the former has the port 80 above: make serve PORT=5310
PORT ?= 5300
# Ports of make demo; its second server has the port above the first one's: make demo PORT=5311 PAGE=8090
demo: PORT = 5301
PAGE ?= 8080
# Pages for make follow, by default all of them: make follow PAGES="howto/install tour/index"
PAGES ?=
# Extra arguments for pytest: make test PYTEST="-k cache -x"
PYTEST ?=
# Tests start programs by the thousand: none of them compiles the package anew where the environment says so, as that of many containers does.
unexport PYTHONDONTWRITEBYTECODE
# Changed files for make quick, by default what differs from the last commit: make quick FILES=twisted_ext/wire/message.py
FILES ?=

.DEFAULT_GOAL := help
.PHONY: help serve resolve demo follow quick test test-long test-compiled compiled lint types docs dist lock benchmark bench-server bench-recursion \
    bench-encrypted bench-scaling bench-bounds clean

help:
	@echo "make serve      run a forwarding server on 127.0.0.1:$(PORT)"
	@echo "make resolve    resolve and prove names of a small internet of signed zones, without the Internet"
	@echo "make demo       run the servers that the examples of the documentation query"
	@echo "make follow     run every command of every page against these servers"
	@echo "make quick      run ruff, mypy, and the tests nearest to the changed files, in a minute"
	@echo "make test       run every check: lint, types and the tests; the end says what failed"
	@echo "make compiled   build a compiled wheel, install it beside the checkout, and show what it gained"
	@echo "make docs       build the documentation in docs/_build/html"
	@echo "make dist       build the packages of a release in dist"
	@echo "make clean      remove everything that the others have made"
	@echo "Also: test-compiled, test-long, lock, benchmark, bench-server, bench-recursion, bench-encrypted, bench-scaling, bench-bounds. Each target installs what it needs in $(VENV)."

# Ctrl-C is the normal way to end it, so make must not report an error.
serve: $(VENV)/.has-all
	@trap : INT; $(BIN)/python -m twisted_ext.apps.serve $(PORT); code=$$?; test $$code -eq 130 || exit $$code

resolve: $(VENV)/.has-all
	@trap : INT; $(BIN)/python -m twisted_ext.apps.resolve $(PORT); code=$$?; test $$code -eq 130 || exit $$code

demo: $(VENV)/.has-all
	@trap : INT; $(BIN)/python -m twisted_ext demo --port $(PORT) --page $(PAGE)

follow: $(VENV)/.has-all
	@$(BIN)/python docs/follow.py $(PAGES)

test: $(VENV)/.has-test
	@$(BIN)/python .ci/parts.py test $(PYTEST)

test-long: $(VENV)/.has-test
	@$(BIN)/python .ci/parts.py long

quick: $(VENV)/.has-test
	@$(BIN)/python .ci/quick.py $(FILES)

compiled: $(VENV)/.has-test
	$(BIN)/python .ci/compiled.py

# Arguments for pytest as above; without them, those tests that depend on compiled code.
test-compiled: $(VENV)/.has-test
	@$(BIN)/python .ci/compiled.py test $(PYTEST)

lint: $(VENV)/.has-test
	$(BIN)/ruff check .

types: $(VENV)/.has-test
	$(BIN)/mypy

# The extras of the tests have those of the documentation: where they are, nothing more is installed.
docs: $(or $(wildcard $(VENV)/.has-test),$(VENV)/.has-docs)
	$(BIN)/python docs/inventory.py docs/_build/inventories
	$(BIN)/python docs/clientnames.py docs/_build/clientnames.rst
	$(BIN)/python docs/limiting.py docs/_build/limits.rst
	$(BIN)/python docs/recordtypes.py docs/_build/records.rst
	$(BIN)/python docs/robotcommands.py docs/_build/robotcommands.rst
	$(BIN)/python docs/securitystates.py docs/_build
	$(BIN)/python docs/settings.py docs/_build/settings.rst
	$(BIN)/python docs/usage.py docs/_build
	$(BIN)/pydoctor --quiet --warnings-as-errors \
	    --intersphinx-file docs/_build/inventories/python.inv::https://docs.python.org/3/ \
	    --intersphinx-file docs/_build/inventories/twisted.inv::https://docs.twisted.org/en/stable/api/ \
	    ./twisted_ext
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going -b html docs docs/_build/html
	rm -rf docs/_build/html/api && cp -R docs/_build/api docs/_build/html/api
	$(BIN)/python docs/links.py docs/_build/html
	@echo "docs/_build/html/index.html"

# The files of a release: docs/project/releasing.rst describes the rest of it.
dist: $(VENV)/.has-test
	$(BIN)/python .ci/dist.py

benchmark: $(VENV)/.has-test
	$(BIN)/python -m benchmarks

# Write the versions that .ci/run installs. Run make clean first, so that they are the newest ones.
lock: $(VENV)/.has-test
	$(BIN)/python -m pip freeze --all --exclude-editable | grep -v '^pip==' >.ci/constraints.txt

bench-server: $(VENV)/.has-test
	$(BIN)/python -m benchmarks served --rounds 3 --seconds 2 --record

bench-recursion: $(VENV)/.has-test
	$(BIN)/python -m benchmarks recursion --rounds 3 --record

bench-encrypted: $(VENV)/.has-test
	$(BIN)/python -m benchmarks encrypted --record

bench-scaling: $(VENV)/.has-test
	$(BIN)/python -m benchmarks scaling --rounds 3 --record

bench-bounds: $(VENV)/.has-test
	$(BIN)/python -m benchmarks bounds --rounds 5 --record

clean:
	rm -rf $(VENV) build dist share docs/_build .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	find twisted_ext twisted tests docs benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# One stamp for each set of extras. A change of the requirements makes all of them
# out of date; without changes, a second run installs nothing.
$(VENV)/.has-all: EXTRAS := all
$(VENV)/.has-test: EXTRAS := all,test,test-integrations,docs
$(VENV)/.has-docs: EXTRAS := all,docs
$(VENV)/.has-all $(VENV)/.has-test $(VENV)/.has-docs: setup.cfg pyproject.toml | $(BIN)/pip
	@echo "Installing this project with its extras $(EXTRAS) into $(VENV); the first time this takes about a minute." >&2
	@$(PIP) --editable '.[$(EXTRAS)]' || { \
	    echo "make: pip could not install what the project needs (its reason is above): connect to the network, or name a" \
	        "package index that can be reached in PIP_INDEX_URL, and run make again" >&2; exit 1; }
	@touch $@

# Debian has a separate package for the part of Python that creates environments.
$(BIN)/pip:
	@command -v $(PYTHON) >/dev/null || { \
	    echo "make: $(PYTHON) not found: install Python 3.11 or newer (Debian: apt install python3 python3-venv)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "make: $$($(PYTHON) -V) is too old: 3.11 or newer is needed; say which with make PYTHON=..." >&2; exit 1; }
	@if $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
	    $(PYTHON) -m venv $(VENV); \
	elif command -v virtualenv >/dev/null; then \
	    virtualenv --quiet --python $(PYTHON) $(VENV); \
	else \
	    echo "make: $(PYTHON) cannot make a virtual environment: install that part of it (Debian: apt install python3-venv)" >&2; exit 1; \
	fi
