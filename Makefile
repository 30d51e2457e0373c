# Every target first makes .venv with the versions of constraints.txt. PYTHON chooses the interpreter.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed
BENCH_STAMP := .venv/installed-bench

.PHONY: install demo test test-quick test-full newest-python check bench runner runner-arm64 android-test ios-test clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@echo "Installing into .venv: about 3 minutes and 6 GB of disk (torch for Linux brings CUDA)."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@

$(BENCH_STAMP): $(STAMP)
	@echo "Installing the peers of the benchmarks: about 1 minute and 0.4 GB of disk."
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,bench]'
	@touch $@

demo: install
	@echo "Building and verifying the embedded models: about 6 minutes on 2 cores, 0.2 GB in artifacts/."
	$(BIN)/edgeform demo

test: install
	@echo "Running the tests: about 20 minutes on 2 cores, 2 GB of temporary files."
	@# one thread a worker: two workers that share two cores with four threads wait for one another
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder -m "not full"

# The edge forms beside the published modules, the gates and the rooms: while one writes.
test-quick: install
	@echo "Running 1,200 of the tests: 2 minutes on 2 cores."
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=2 --dist=loadfile -m "not full" \
		tests/edge_models/edge tests/edge_models/reference tests/test_layering.py tests/test_gates_go_red.py tests/test_repository.py

test-full: install
	@echo "Running all tests, every real-size build among them: about 2 hours on 2 cores, 10 GB."
	$(BIN)/python -m pytest

# The package as a user installs it, on the newest Python that it allows: PYTHON=python3.13
NEWEST := build/newest-python
newest-python:
	@echo "Installing into $(NEWEST) and building an artifact of each target there: 3 minutes on 2 cores, 6 GB."
	$(PYTHON) -m venv --clear $(NEWEST)/venv
	$(NEWEST)/venv/bin/python -m pip install --quiet --constraint constraints.txt .
	rm -rf $(NEWEST)/artifacts
	cd $(NEWEST) && printf '%s\n' xnnpack vulkan coreml coreml_pte | OMP_NUM_THREADS=1 xargs -P 2 -I TARGET sh -ec \
		"venv/bin/edgeform build digits_cotnet_simple --target TARGET --out artifacts/TARGET; venv/bin/edgeform verify artifacts/TARGET"
	rm -rf $(NEWEST) build/lib build/bdist.*

bench: $(BENCH_STAMP)
	@echo "Measuring accuracy, latency, lowering and ARM64 instructions: about 40 minutes on 2 quiet"
	@echo "cores the first time, 20 when the files are there; 3 GB in build/benchmarks/."
	$(BIN)/python -m tests.benchmarks

runner: install
	@echo "Compiling the C++ runner into build/runner/x86-64: 1 minute."
	$(BIN)/python -m export_targets.runners.bridges.cpp_build x86-64

runner-arm64: install
	@echo "Compiling the C++ runner for ARM64 into build/runner/arm64: 1 minute; a wheel of 25 MB is downloaded once."
	$(BIN)/python -m export_targets.runners.bridges.cpp_build arm64

android-test: install
	@echo "Compiling and testing the Android app without its SDK: 3 minutes, the first time 5 and 0.5 GB in Maven's folder."
	$(BIN)/python -m pytest tests/apps/test_android*.py

ios-test: install
	@echo "Compiling and testing the iOS app without Xcode: 3 minutes; without a Swift toolchain 2 more and 1.5 GB once."
	$(BIN)/python -m pytest tests/apps/test_ios*.py

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) test

clean:
	rm -rf .venv artifacts build *.egg-info apps/android/target apps/android/*/target
