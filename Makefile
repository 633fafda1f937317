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
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 12

build: ## build bin/rebuild, and the guard of its hook
	go build -trimpath -ldflags "$(LDFLAGS)" -o bin/ ./cmd/...

install: ## install both where go install does
	go install -trimpath -ldflags "$(LDFLAGS)" ./cmd/...

demo: build ## build the example's 21 images, then show what changes rebuild
	@.ci/setup engine busybox base
	@examples/demo.sh bin/rebuild

# Tests that build wait for the engine, not for a processor: six run at once.
test: ## lint, cross builds, all tests, the demo
	@.ci/setup engine busybox base cc python buildx
	@$(MAKE) --no-print-directory lint cross
	go test -race -p 2 -parallel 6 -timeout 30m ./...
	@$(MAKE) --no-print-directory demo

# All checks of staticcheck, those of the form of comments on exported names too. With
# -trimpath, vet and staticcheck take what build has compiled.
lint: ## gofmt, go vet, go mod tidy, staticcheck
	@.ci/setup staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	[ -z "$$unformatted" ] || { echo "not formatted:"; echo "$$unformatted"; exit 1; }
	go vet -trimpath ./...
	go mod tidy -diff
	GOFLAGS="$$(go env GOFLAGS) -trimpath" staticcheck -checks all ./...

# Nothing of it is kept or run, so the compiler need not optimise: half the time.
cross: ## vet and build for each platform
	@set -e; for platform in $(PLATFORMS); do \
		echo "cross $$platform"; \
		export CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/}; \
		go vet -gcflags='all=-N -l' ./...; \
		go build -gcflags='all=-N -l' -o /dev/null ./cmd/...; \
	done

# SEED=0 is a new one, which is printed.
REPOS ?= 200
EDITS ?= 12
SEED ?= 0
exactness: ## have BuildKit judge plans: random edits (REPOS, EDITS, SEED), histories, hazards
	@.ci/setup engine busybox buildx
	go test ./cmd/rebuild -v -timeout 6h -parallel 8 -run '^(TestOracle|TestCorpora|TestTruth|TestWalk|TestHazards)$$' \
		-walk -oracle.repos $(REPOS) -oracle.edits $(EDITS) -oracle.seed $(SEED)

# SOAK edits; SEED as above.
SOAK ?= 2000
soak: ## have a daemon follow random edits, git, kills, a lost engine (SOAK, SEED)
	@.ci/setup engine busybox
	go test ./cmd/rebuild -v -timeout 2h -run '^TestSoak$$' -soak.edits $(SOAK) -soak.seed $(SEED)

bench: ## run the benchmarks (BENCH=pattern)
	@.ci/setup engine busybox base buildx
	go test -run '^$$' -bench '$(BENCH)' -benchmem -p 1 -timeout 30m ./...

fuzz: ## run each fuzz test for FUZZTIME
	@set -e; for package in $$(go list ./...); do \
		for name in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "fuzz $$package $$name"; \
			go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

clean: ## remove what was built
	rm -rf bin

.PHONY: help build install demo test lint cross exactness soak bench fuzz clean
