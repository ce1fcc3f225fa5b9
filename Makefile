# Everything a person or CI runs. `make run` is the one to start with; each target installs what it lacks.
.PHONY: run dev test fuzz bench soak deny bundle icons help

help:
	@echo 'make run    open the window (without a display: the demo in the terminal)'
	@echo 'make dev    the window with a UI that reloads as it is edited'
	@echo 'make test   every check and test; closes with "N passed, N failed"'
	@echo 'make fuzz   the fuzz targets of all decoders, 30 minutes each; SECONDS=60 for less'
	@echo 'make soak   the tests that copy data, at full size'
	@echo 'make bench  full sync, stream and latency against native REPLICAOF'
	@echo 'make deny   licences, advisories and dependency bans, with cargo-deny'
	@echo 'make bundle .deb and .rpm packages of the window'
	@echo 'make icons  draw every icon size from icons/tributary.svg'

run:
	@scripts/run.sh

dev:
	@scripts/setup.sh build
	@ui/node_modules/.bin/tauri dev --config tauri.dev.conf.json

test:
	@scripts/test.sh

fuzz:
	@scripts/setup.sh demo
	@scripts/fuzz.sh $(or $(SECONDS),1800)

soak:
	@SCALE=10 scripts/soak.sh

bench:
	@scripts/bench.sh

deny:
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	@cargo deny check

bundle:
	@scripts/setup.sh bundle
	@ui/node_modules/.bin/tauri build --bundles deb,rpm

icons:
	@scripts/icons.sh
