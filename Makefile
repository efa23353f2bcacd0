# headroom. `make` lists the targets; `make bench-phase3` and `make test` do
# all of their own set-up.
SHELL   := /bin/bash
VERSION := $(shell git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X headroom/harness.version=$(VERSION)
BIN     := bin/headroom
# One setting for build, vet and test: they share the build cache, and the
# binary is static, as the image needs it. The race detector needs cgo, and
# .ci/race its own setting.
export CGO_ENABLED := 0
SOURCES := $(shell find . -name '*.go' -o -name '*.yaml' -o -name '*.html' -o -name '*.tmpl' -o -name '*.css' -o -name '*Dockerfile' | grep -v '^./out/') go.mod go.sum

# QUICK=1 runs a short version, marked as such. ARGS adds flags of headroom run:
# make bench-phase3 ARGS=--prove.
RUN_FLAGS := $(if $(QUICK),--quick) $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help build image test test-short test-race lint clean bench-phase1 bench-phase2 bench-phase3 bench-phase4 \
	bench-phase4-blind bench-phase5 bench-phase6 bench-final bench-all bench-driver bench-capacity bench-truth gate baselines

help: ## List the targets
	@grep -hE '^[a-z0-9.-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-19s %s\n", $$1, $$2}'

build: $(BIN) ## Build the headroom command (bin/headroom)
$(BIN): $(SOURCES)
	@mkdir -p bin
	go build -ldflags '$(LDFLAGS)' -o $@ ./cmd/headroom

image: $(BIN) ## Build the image that every machine runs; done by itself when missing
	$(BIN) image

bench-phase1: $(BIN) ## One server as first written, against its queries fixed (QUICK=1: short)
	$(BIN) run phase1 $(RUN_FLAGS)
bench-phase2: $(BIN) ## One tuned server, against balancer, apps and database (QUICK=1: short)
	$(BIN) run phase2 $(RUN_FLAGS)
bench-phase3: $(BIN) ## Five apps on one database, against the same with a cache (QUICK=1: short)
	$(BIN) run phase3 $(RUN_FLAGS)
bench-phase4: $(BIN) ## One database behind a cache, against the same with three read replicas (QUICK=1: short)
	$(BIN) run phase4 $(RUN_FLAGS)
bench-phase4-blind: $(BIN) ## What breaks when own writes are read from replicas too (QUICK=1: short)
	$(BIN) run phase4-blind $(RUN_FLAGS)
bench-phase5: $(BIN) ## A primary with replicas, against four shards, write-heavy (QUICK=1: short)
	$(BIN) run phase5 $(RUN_FLAGS)
bench-phase6: $(BIN) ## One origin for users near and far, against edges near them (QUICK=1: short)
	$(BIN) run phase6 $(RUN_FLAGS)
bench-final: $(BIN) ## The first server as first written, against the final architecture (QUICK=1: short)
	$(BIN) run final $(RUN_FLAGS)

# A phase that measures nothing valid (exit code 3) or fails does not stop the
# others: what was measured makes the page, and the worst code is the target's.
# headroom takes an interrupt and ends in order, so the shell has to end too.
JOURNEY := phase1 phase2 phase3 phase4 phase5 phase6 final
bench-all: $(BIN) ## All phases in order, then the page of the whole journey (QUICK=1: short)
	@all=out/all-$$(date +%Y%m%d-%H%M%S); dirs=; worst=0; trap 'exit 130' INT TERM; \
	for scenario in $(JOURNEY); do \
		$(BIN) run $$scenario $(RUN_FLAGS) --out $$all/$$scenario; code=$$?; \
		if [ $$code -ne 0 ]; then echo "bench-all: $$scenario ended with exit code $$code; going on" >&2; fi; \
		if [ $$code -ne 0 ] && [ $$worst -ne 2 ]; then worst=$$code; fi; \
		if grep -qs '"trial":' $$all/$$scenario/trials.jsonl; then dirs="$$dirs $$all/$$scenario"; fi; \
	done; \
	set -- $$dirs; \
	if [ $$# -gt 1 ]; then $(BIN) report --out $$all "$$@" || exit; \
	else echo "bench-all: $$# phases measured anything: there is no journey to show" >&2; fi; \
	exit $$worst

docker-compose.yml: $(BIN) ## Make it anew from the final topology
	$(BIN) topology final --format compose > $@.new && mv $@.new $@

# A change that is meant to alter counts renews them in its own commit: make
# baselines, and read the diff. A scenario is gated when it has a baseline:
# bin/headroom baseline --update SCENARIO.
gate: $(BIN) ## Hold the counted work of the scenarios in baselines/ against it; bash .ci/gate has the exit codes
	@bash .ci/gate out/gate-$$(date +%Y%m%d-%H%M%S) $(ARGS)
baselines: $(BIN) ## Count the scenarios in baselines/ anew
	@for file in baselines/*.json; do $(BIN) baseline --update $$(basename $$file .json) $(ARGS) || exit; done

bench-driver: $(BIN) ## The driver beside vegeta, wrk, ab, h2load and hey: HTTP/1.1, TLS, HTTP/2, pacing; ARGS='--only tls' for one
	@go build -o bin/vegeta github.com/tsenart/vegeta/v12
	@go build -o bin/bench-driver ./cmd/bench-driver
	@bin/bench-driver $(ARGS)

bench-capacity: $(BIN) ## How true headroom capacity is: ten searches of a queue with a known answer
	@go build -o bin/bench-capacity ./cmd/bench-capacity
	@bin/bench-capacity $(ARGS)

bench-truth: $(BIN) ## Phase 3 against itself, with planted differences and with a pause, appended to out/truth.jsonl: hours, in as many sittings as you like
	@go build -o bin/bench-truth ./cmd/bench-truth
	@bin/bench-truth $(ARGS)

# With Docker away the container tests say that they were skipped; with
# CI=true they fail. -p 1: two packages that measure at once would disturb
# each other on a small machine. -count=1: a cached result knows nothing of
# Docker.
# gotestsum ends with the tests that were skipped, each with its reason.
test: $(BIN) ## All tests, with real containers where Docker is; those without also under the race detector
	@$(BIN) image --if-docker
	@mkdir -p out
	go tool gotestsum --format pkgname --jsonfile out/tests.jsonl -- -count=1 -p 1 -timeout 15m ./...
	@.ci/race

test-short: ## The tests without containers
	go test -short ./...

test-race: ## The tests without containers under the race detector
	@.ci/race

lint: ## gofmt, go vet, staticcheck, structure test, govulncheck where reachable
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo 'gofmt would change:'; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go test -count=1 -run TestStructure ./cmd/headroom
	@.ci/vulncheck

clean: ## Remove what dead runs left behind, and the build
	@if [ -x $(BIN) ]; then $(BIN) clean; fi
	rm -rf bin
