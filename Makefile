# Scrubcam: `make demo` runs a whole case on this PC, `make test` passes the tests. Both install what they need first.
PY := .venv/bin/python

.PHONY: help setup kernels gpu-test gpu-bench demo reader-check test check bench attacks soak crash power-cut fuzz deb deb-check bench-virtual clean

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 14

setup:           ## install system packages (apt), .venv (pip) and the models (by hash)
	@deploy/setup.sh

kernels: setup   ## compile the kernels: host library with g++, fat binary where nvcc is installed
	$(PY) -m firmware.kernels.build auto

gpu-test: setup  ## the kernels' tests on this machine's GPU (builds PyCUDA from source); fails without one
	$(PY) -m tests.gpu test

gpu-bench: setup ## time of each kernel for 4K on this machine's GPU; fails without one
	$(PY) -m tests.gpu bench

demo: setup      ## stage an operation on this PC: pedal, scrub, seal, verify, export; leaves demo-out/
	$(PY) -m firmware.cli.main demo --out demo-out

reader-check: setup  ## open what make demo left in the reader page, in a real browser; leaves screenshots in demo-out/
	$(PY) -m tests.reader_check demo-out

test: setup      ## run the tests
	$(PY) -m pytest -q

check: setup     ## static checks: ruff, mypy, and that everything compiles
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -m compileall -q firmware hil hw

bench: setup     ## speed as ratios of interleaved runs (not a test)
	$(PY) -m tests.bench

attacks: setup   ## try to match faces, read names and codes in what leaves (not a test); leaves attacks-out/
	$(PY) -m pip install --quiet -e '.[attacks]'
	$(PY) -m tests.attacks

soak: setup      ## a million frames through the frame path under random faults (not a test; minutes)
	$(PY) -m tests.soak

fuzz: setup      ## a million damaged inputs for every parser, guided by coverage (not a test; hours); leaves fuzz-out/
	$(PY) -m pip install --quiet --disable-pip-version-check -e '.[fuzz]'
	$(PY) -m tests.fuzz

crash: setup     ## every operation with the power cut at every place, on a simulated disk, many states (not a test)
	$(PY) -m tests.crash_report --samples 40

power-cut: setup ## cut a disk's power under a live recording, 200 times (not a test; root; leaves power-cut-out/)
	@deploy/setup.sh power-cut
	$(PY) -m tests.powercut --detectors

ARCHS := amd64 arm64
PYTHON := 3.11

deb: setup       ## build the installable packages into dist/ (PYTHON=3.11: Debian 12; 3.10, 3.12: Ubuntu, JetPack 6, 7)
	@deploy/setup.sh package
	for arch in $(ARCHS); do $(PY) -m deploy.package.build --arch $$arch --python $(PYTHON) --out dist || exit 1; done

deb-check: setup ## install the package on a clean Debian 12 made for it and run the self-test there (root; minutes)
	@deploy/setup.sh package
	$(PY) -m deploy.package.build --arch $$(dpkg --print-architecture) --python 3.11 --out dist
	deploy/package/check.sh dist/scrubcam_*+py3.11_$$(dpkg --print-architecture).deb

bench-virtual: setup ## boot a virtual unit in QEMU: contract suite, a recorded case, a power cut (not a test; minutes)
	@deploy/setup.sh bench-virtual
	$(PY) -m hil.virtual

clean:           ## remove what the targets above left in this folder
	rm -rf .venv .models cuda/build dist demo-out bench-out attacks-out power-cut-out fuzz-out bench-virtual-out .models-dev .pytest_cache .mypy_cache .ruff_cache *.egg-info
