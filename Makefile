# make run     the main job: without anything beside it, on a stream made on the spot; SOURCE=... takes a camera, a folder or a video
# make test    proves it
# make kiosk   door and attached screen together, in a window on this desktop; SOURCE=... as above
# make check   ruff, mypy, imports and documents
# make attack  the attack bench, a release gate: on identities made on the spot, or with DATA=... on the faces of that folder
# All set up what they need in .venv. On a Jetson the board's own tensorrt and GStreamer are seen from there.

PYTHON ?= python3
SOURCE ?=
JOBS ?= 3
DATA ?=
EXTRAS ?= demo,door,eval,screen,test
BIN := .venv/bin
SITE := $(if $(wildcard /etc/nv_tegra_release),--system-site-packages)

KIOSK := EDGE_GALLERY_PATH=var/kiosk/gallery.db EDGE_CALIBRATION_PATH=var/kiosk/calibration.json EDGE_KEYS_FILE=var/kiosk/root.key \
	EDGE_SCREEN_SOCKET=var/kiosk/socket EDGE_SCREEN_PIN=var/kiosk/pin

.PHONY: run kiosk test check attack clean

run: .venv/run
	$(if $(SOURCE),$(BIN)/edge run --source "$(SOURCE)",$(BIN)/edge demo)

kiosk: .venv/kiosk
	@mkdir -p var/kiosk
	@test -f var/kiosk/pin || { echo "Choose an operator's PIN for this try, 6 to 12 digits:"; $(KIOSK) $(BIN)/edge pin set; }
	$(KIOSK) $(BIN)/edge run --screen --source "$(or $(SOURCE),demo:live)" & door=$$!; trap 'kill $$door 2>/dev/null' EXIT INT TERM; \
	$(KIOSK) $(BIN)/edge screen --windowed 1024x600

test: .venv/test
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile $(TESTS)

check: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_imports.py tests/test_docs.py

attack: .venv/test
	$(BIN)/python -m evaluation.attacks $(or $(DATA),--synthetic)

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed, %s is %d.%d; name another with make PYTHON=..." % (sys.executable, *sys.version_info[:2]) if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv $(SITE) .venv || { echo "On Debian and Ubuntu the package python3-venv is needed: apt install python3-venv"; rm -rf .venv; exit 1; }

.venv/run: .venv/bin/python pyproject.toml edge/template/_compare.c
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[demo]"
	@touch $@

.venv/kiosk: .venv/bin/python pyproject.toml edge/template/_compare.c
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[demo,screen]"
	@touch $@

.venv/test: .venv/bin/python pyproject.toml edge/template/_compare.c
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(EXTRAS)]"
	@touch .venv/run $@

clean:
	rm -rf .venv build *.egg-info edge/template/*.so
