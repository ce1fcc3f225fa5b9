# The two commands that a new user needs are `make run` and `make test`; both install what is missing.

.PHONY: run dev test bench soak setup clean

run: ## open the window, or run the demo in the terminal where there is no display
	@scripts/run.sh

dev: ## the window with hot reload
	@scripts/setup.sh build
	ui/node_modules/.bin/tauri dev --config tauri.dev.conf.json

test: ## format, lints and all tests; ends with "N passed, N failed"
	@scripts/test.sh

bench: ## full sync, stream and latency against native REPLICAOF
	@scripts/setup.sh build
	cargo build --release -p tributary-cli
	cargo run --release -p tributary-bench

soak: ## the tests at full size
	@scripts/setup.sh test
	TRIBUTARY_SCALE=full scripts/test.sh

setup: ## install all that the other targets need
	@scripts/setup.sh test

clean:
	rm -rf target ui/dist
