# `make help` lists the targets.

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo development)
FUZZTIME ?= 20s
BENCH    ?= .
# The race detector is the one thing that needs cgo, and a C compiler.
RACETIME ?= 10m

# v1.2.0-3-gabc is a build after 1.2.0; without a tag it is one before all.
PACKAGE_VERSION ?= $(shell echo '$(VERSION)' | sed -E '/^v?[0-9]+\./!s/^/0.0.0+/; s/^v//; s/-([0-9]+)-g/+\1.g/; s/-dirty/.dirty/')
# In a module of its own, deploy/tools; built when first used.
NFPM := go tool -modfile=deploy/tools/go.mod nfpm
DIST ?= dist
# The same commit gives the same package.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

export CGO_ENABLED = 0

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/meter, one static binary
	go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/meter ./cmd/meter

.PHONY: deb
deb: package-deb ## build a package for Debian into dist/

.PHONY: rpm
rpm: package-rpm ## build a package for RPM systems into dist/

package-%: build dist/meter.1.gz
	mkdir -p $(DIST)
	GOARCH=$$(go env GOARCH) PACKAGE_VERSION='$(PACKAGE_VERSION)' $(NFPM) package --config deploy/nfpm.yaml --packager $* --target $(DIST)/

dist/meter.1.gz: deploy/man/meter.1
	mkdir -p dist
	gzip -9n <$< >$@

.PHONY: test
test: ## run the tests that need Go alone
	go test ./...

.PHONY: race
race: ## run the same under the race detector
	CGO_ENABLED=1 go test -race -short -pgo=off -timeout $(RACETIME) ./...

.PHONY: lint
lint: ## check format, go vet and staticcheck
	.ci/gofmt
	go vet -tags integration ./...
	go tool staticcheck -tags integration ./...

.PHONY: bench
bench: ## run the benchmarks; BENCH=regexp chooses
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

.PHONY: pgo
pgo: ## renew the profile that the compiler optimizes by
	go test -run '^$$' -bench 'BenchmarkRead$$' -benchtime 60x -cpuprofile cmd/meter/default.pgo ./cmd/meter

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME
	.ci/fuzz $(FUZZTIME)

.PHONY: integration
integration: ## run the tests against nfdump, pmacct, tshark and others; installs them
	.ci/install-packages .ci/packages
	go test -tags integration -count=1 ./...

.PHONY: captures
captures: ## capture the traces of testdata anew; needs root
	testdata/capture.sh

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist
