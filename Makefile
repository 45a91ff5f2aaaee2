# `make demo` and `make test` are all it takes on a machine with Python 3.11+, git and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
DEMO_OUT ?= runs/demo
SITE ?= site

.PHONY: demo test test-vllm tiny bench check lint types imports wheel clean peers

# One marker a kind of installation, so that nothing is installed twice.
$(VENV)/.core: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt -e ".[hf]"
	touch $@

$(VENV)/.dev: $(VENV)/.core
	$(PIP) install -c constraints.txt -e ".[dev]"
	touch $@

demo: $(VENV)/.core ## Evaluate three agents on all families, verify every record, build the page
	$(BIN)/rlvr eval --suite quick --agent random --out $(DEMO_OUT)/random --resume
	$(BIN)/rlvr eval --suite quick --agent expert --out $(DEMO_OUT)/expert --resume
	$(BIN)/rlvr eval --suite quick --agent direct --policy tiny --policy-set dtype=float32 \
		--agent-set sampling='{temperature: 0.7, max_tokens: 160}' --agent-set show_legal_actions=true --out $(DEMO_OUT)/tiny --resume
	$(BIN)/rlvr verify $(DEMO_OUT)/random $(DEMO_OUT)/expert $(DEMO_OUT)/tiny
	$(BIN)/rlvr leaderboard build $(DEMO_OUT)/random $(DEMO_OUT)/expert $(DEMO_OUT)/tiny --out $(SITE)
	@echo "The page is at $(SITE)/index.html"

test: $(VENV)/.dev ## All tests
	$(BIN)/python -m pytest -q -n auto --dist loadfile

# vLLM's build for CPUs pins other versions of torch's companions than there are, so every version is ours, and it
# has an environment of its own (about 2.1 GB).
$(VENV)-vllm/.done: pyproject.toml tests/vllm/requirements.txt
	test -x $(VENV)-vllm/bin/python || $(PYTHON) -m venv $(VENV)-vllm
	$(VENV)-vllm/bin/python -m pip --disable-pip-version-check -q install --no-deps -r tests/vllm/requirements.txt
	$(VENV)-vllm/bin/python -m pip --disable-pip-version-check -q install --no-deps --no-build-isolation -e .
	touch $@

test-vllm: $(VENV)-vllm/.done ## Tests of the policy vllm, on the CPU (Linux, x86)
	$(VENV)-vllm/bin/python -m pytest -q tests/vllm

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The type checker wants the package's folders under one name.
.types/rlvr:
	mkdir -p $@
	for f in rlvr/*; do ln -sfn ../../$$f $@/; done
	for d in tasks envs agents trainers leaderboard integrations cli; do ln -sfn ../../$$d $@/$$d; done

types: $(VENV)/.dev .types/rlvr
	$(BIN)/mypy -p rlvr

imports: $(VENV)/.dev
	$(BIN)/python -m pytest -q tests/project/test_imports.py

check: lint types imports test ## Everything that must pass before a commit

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks all

peers: $(VENV)/.dev
	$(BIN)/python -m benchmarks.peers.install

tiny: $(VENV)/.dev ## Make the embedded models anew: demonstrations, training, examination (hours); stopped, it goes on
	$(BIN)/rlvr data experts --mix tiny --out runs/tiny/demonstrations
	$(BIN)/rlvr data experts --mix tiny --split valid --episodes 1500 --out runs/tiny/held-out
	$(BIN)/rlvr sft trainers/embedded.yaml
	$(BIN)/rlvr data experts --mix tiny-more --seed 1 --out runs/tiny/demonstrations-more
	$(BIN)/rlvr sft trainers/embedded-more.yaml
	$(BIN)/python -m rlvr.trainers.embedded runs/tiny/more --base runs/tiny/run --into agents/weights \
		--demonstrations runs/tiny/demonstrations runs/tiny/demonstrations-more
	$(BIN)/python -m benchmarks tiny

clean:
	rm -rf .types build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
