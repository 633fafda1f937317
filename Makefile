# What each target needs, .ci/setup installs: on a fresh Debian or Ubuntu, Go,
# git and make are enough.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS := -s -w -X main.version=$(VERSION)

# Tests, benchmarks and lint find buildx, the registry and staticcheck on the PATH.
export REBUILD_TOOLS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rebuild/tools
export PATH := $(REBUILD_TOOLS):$(PATH)

PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
FUZZTIME ?= 10s
BENCH ?= .

help: ## show this
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 16

build: ## build bin/rebuild, and the guard of its hook
	@.ci/compile build -trimpath -ldflags "$(LDFLAGS)" -o bin/ ./cmd/...

# What the programs are made of. A folder is newer when a file in it was removed.
SOURCES := go.mod go.sum $(shell find cmd docker hooks impact watch -name testdata -prune -o ! -name '*_test.go' -print)
bin/rebuild: $(SOURCES)
	@$(MAKE) --no-print-directory build
	@touch $@

install: ## install both where go install does
	@.ci/compile install -trimpath -ldflags "$(LDFLAGS)" ./cmd/...

demo: ## build the example's 21 images, then show what changes rebuild
	@echo "demo: builds 21 small images of a copy of examples/speech-pipeline, changes four files, and shows"
	@echo "demo: each plan and each run: about a minute. bin/rebuild is compiled first, unless it is there;"
	@echo "demo: the first time that takes about 3 minutes on two processors."
	@$(MAKE) --no-print-directory --silent bin/rebuild
	@.ci/setup engine busybox base
	@examples/demo.sh bin/rebuild

release: ## make archives, Debian packages and checksums, in bin/release
	@.ci/setup nfpm
	go -C .ci/release run . -version "$(VERSION)" "$(CURDIR)/bin/release"

release-check: ## make a release of this platform twice, and a Debian package, and compare
	@.ci/setup nfpm
	go -C .ci/release test -count=1 -timeout 30m -v ./...

# Tests that build wait for the engine, not for a processor: six run at once.
test: ## lint, cross builds, a release of this platform, all tests, the demo, a part of engines
	@.ci/setup engine busybox base cc python task buildx nfpm engines
	@$(MAKE) --no-print-directory lint cross
	go -C .ci/release test -count=1 -timeout 30m ./...
	go test -race -p 2 -parallel 6 -timeout 60m ./...
	@$(MAKE) --no-print-directory demo
	@set -e; for engine in $(ENGINES); do .ci/engine-tests part $$engine; done

# All checks of staticcheck, those of the form of comments on exported names too. With
# -trimpath, vet and staticcheck take what build has compiled.
lint: ## gofmt, go vet, go mod tidy, staticcheck
	@.ci/setup staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	[ -z "$$unformatted" ] || { echo "not formatted:"; echo "$$unformatted"; exit 1; }
	go vet -trimpath ./...
	go mod tidy -diff
	GOFLAGS="$$(go env GOFLAGS) -trimpath" staticcheck -checks all ./...
	go -C .ci/release vet ./...
	cd .ci/release && staticcheck -checks all ./...

# Nothing of it is kept or run, so the compiler need not optimise: half the time. The test
# of a release takes what is compiled here.
cross: ## vet and build for each platform
	@set -e; for platform in $(PLATFORMS); do \
		echo "cross $$platform"; \
		export CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/}; \
		go vet -trimpath -gcflags='all=-N -l' ./...; \
		go build -trimpath -gcflags='all=-N -l' -o /dev/null ./cmd/...; \
	done

# SEED=0 is a new one, which is printed.
REPOS ?= 200
EDITS ?= 12
SEED ?= 0
exactness: ## have BuildKit judge plans: random edits (REPOS, EDITS, SEED), histories, hazards
	@.ci/setup engine busybox buildx
	go test ./cmd/rebuild -v -timeout 6h -parallel 8 -run '^(TestOracle|TestCorpora|TestTruth|TestWalk|TestHazards)$$' \
		-walk -oracle.repos $(REPOS) -oracle.edits $(EDITS) -oracle.seed $(SEED)

# SOAK edits, EVERY so often (1s: its memory is measured); ROUNDS; SEED as above.
SOAK ?= 2000
EVERY ?= 0
ROUNDS ?= 200
soak: ## have a daemon follow random edits, git, kills, a lost engine (SOAK, EVERY, SEED)
	@.ci/setup engine busybox
	go test ./cmd/rebuild -v -timeout 4h -run '^TestSoak$$' -soak.edits $(SOAK) -soak.every $(EVERY) -soak.seed $(SEED)

together: ## have a daemon, runs and pushes work at once, and be killed (ROUNDS, SEED)
	@.ci/setup engine busybox
	go test ./cmd/rebuild -v -timeout 4h -run '^TestTogether$$' -together.rounds $(ROUNDS) -soak.seed $(SEED)

ENGINES ?= 28-classic 28-containerd rootless buildkitd podman
engines: ## run what an engine decides on each of ENGINES (REPOS, EDITS, SOAK, SEED)
	@.ci/setup engine busybox buildx engines
	@set -e; for engine in $(ENGINES); do .ci/engine-tests all $$engine; done

engine-29: ## the same on a Docker 29, which is built (minutes, the first time)
	@.ci/setup busybox buildx engine-29
	@.ci/engine-tests all 29-containerd

bench: ## run the benchmarks (BENCH=pattern)
	@.ci/setup engine busybox base buildx
	go test -run '^$$' -bench '$(BENCH)' -benchmem -p 1 -timeout 30m ./...

# RUNS at the command line, whose time and memory are bounded, too.
RUNS ?= 2000
fuzz: ## run each fuzz test for FUZZTIME, then the program on garbled repositories (RUNS, SEED)
	@.ci/setup engine busybox
	@$(MAKE) --no-print-directory bin/rebuild
	@set -e; for package in $$(go list ./...); do \
		for name in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "fuzz $$package $$name"; \
			go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done
	go test ./cmd/rebuild -v -timeout 6h -run '^TestGarbled$$' -garbled.runs $(RUNS) -garbled.seed $(SEED) -garbled.binary "$(CURDIR)/bin/rebuild"

clean: ## remove what was built
	rm -rf bin

.PHONY: help build install demo release release-check test lint cross exactness soak together engines engine-29 bench fuzz clean
