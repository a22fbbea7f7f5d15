# Each target is one line that calls go or one script; CI calls the same ones.
.DEFAULT_GOAL := help
SHELL := /bin/bash

# Packages that have something to say to a real Redis and MongoDB. One after another (-p 1): Redis' pub/sub knows no databases, and some of them
# pause the server.
SERVER_PACKAGES := $(patsubst %,./test/%,integration cluster)
# Packages whose tests run whole clusters, or a browser, in one process. Each needs the machine for itself: side by side they starve each other.
CLUSTER_PACKAGES := $(patsubst %,./test/%,chaos cluster browser)
# Packages that hold what they allocate to budgets.
BUDGET_PACKAGES := ./app/api ./hub ./persistence/embedded ./redisstate ./test/cluster
FAULT    ?= short
FUZZTIME ?= 30s
ROUNDS   ?= 3

.PHONY: help run watch build test lint fmt check-rules test-integration test-servers test-containers test-fault test-budgets test-chaos test-defects test-browser test-recognizer check-deploy check-pipelines deploy-manifests smoke govulncheck cover sbom scan-image release fuzz fuzz-long bench bench-cluster servers-up servers-down up down ci

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

run: ## three pods, a balancer and a scripted model, with nothing installed; prints the console's address
	go run ./cmd/chatbox-dev

watch: ## Prometheus with the alert rules, beside `make run`; fetched on Debian as root
	scripts/watch.sh

build: ## every binary, into bin/
	go build -o bin/ ./cmd/...

test: chromium test-budgets ## all tests that need no server: unit, conformance, budgets, cluster in one process, browser
	scripts/test.sh unit -timeout 10m $$(go list ./... | grep -vxF "$$(go list $(CLUSTER_PACKAGES))")
	scripts/test.sh clusters -timeout 12m -p 1 $(CLUSTER_PACKAGES)

test-budgets: ## what messages, frames and answers allocate and what an idle socket's stack takes, against budgets; without the race detector, which takes more
	go test -count=1 -run '^TestAllocations|^TestConn_IdleSocketNeedsLittleStack$$' $(BUDGET_PACKAGES)

lint: ## linters, import rules, go vet, go mod tidy, shell scripts, word list, workflows, vulnerabilities
	scripts/lint.sh

govulncheck: ## known vulnerabilities that the code reaches; needs vuln.go.dev
	scripts/govulncheck.sh

check-pipelines: ## the pipelines of GitHub and GitLab: actionlint, pinned actions, time-outs, permissions, the same targets
	scripts/check-pipelines.sh

fmt: ## gofumpt and goimports, in place
	$$(scripts/tool.sh golangci-lint) fmt ./...

check-rules: ## the rules and dashboards of Prometheus, with promtool: each alert fires in its case, and none in a healthy cluster
	scripts/check-rules.sh

smoke: ## the built binaries: they refuse a bad configuration, become ready and stop on SIGTERM
	scripts/smoke.sh

cover: ## coverage of the whole module by the tests that need no server, merged, under out/cover; COVER=./hub/... narrows the tests
	COVER='$(COVER)' scripts/cover.sh

test-integration: ## tag integration, against CHATBOX_TEST_REDIS_URL and CHATBOX_TEST_MONGO_URI, or containers
	scripts/test.sh integration -tags integration -timeout 12m -p 1 $(SERVER_PACKAGES)

test-servers: ## the same against servers that are installed, started and ended here
	scripts/test-servers.sh

test-containers: ## the integration suite, and the cluster of docker-compose.yml under load, in containers
	scripts/test-containers.sh

test-fault: ## tag fault: servers and pods are killed and paused; FAULT=short|long
	scripts/test-fault.sh $(FAULT)

test-chaos: ## seeded schedules of faults in one process; CHAOS_SEED=n repeats one, FAULT=long plays 150
	FAULT=$(FAULT) go test -race -count=1 -timeout 60m -run TestChaos ./test/chaos

test-defects: ## builds with a planted defect each: the tests that must notice
	scripts/test-defects.sh

test-browser: chromium ## a real Chromium against three pods
	scripts/test.sh browser -timeout 15m ./test/browser/...

test-recognizer: ## tag recognizer: spoken sentences through three pods to a real speech recognizer, which it installs
	scripts/test-recognizer.sh

check-deploy: ## the Helm chart and the kustomization against Kubernetes' types, Pod Security and the pod's settings, without a cluster
	scripts/check-deploy.sh

deploy-manifests: ## deploy/k8s, from the Helm chart
	scripts/deploy-manifests.sh

sbom: ## the modules in the pod's binary, in CycloneDX: out/release/chatbox.cdx.json
	scripts/sbom.sh

scan-image: ## trivy on the image of deploy/Dockerfile; needs a container engine and the network
	scripts/scan-image.sh

release: ## builds the tagged commit with buildx and pushes it to RELEASE_IMAGE, with SBOM and provenance
	scripts/release.sh

.PHONY: chromium
chromium:
	@scripts/chromium.sh

fuzz: ## every fuzz target for FUZZTIME (30s or 1000x); FUZZ=Name only those that match
	FUZZ='$(FUZZ)' FUZZTIME=$(FUZZTIME) scripts/fuzz.sh

fuzz-long: ## the same in process, many times faster, from the same corpus
	FUZZ='$(FUZZ)' FUZZTIME=$(FUZZTIME) scripts/fuzz.sh long

bench: ## benchmarks with allocations; compare two outputs with benchstat
	go test -run '^$$' -bench . -benchmem ./...

bench-cluster: ## what messages, answers and sockets cost: three pods on real servers beside a relay; ROUNDS=3, on a quiet machine
	scripts/bench-cluster.sh $(ROUNDS)

servers-up: ## Redis and a MongoDB-compatible server on free ports, left running
	scripts/servers.sh up

servers-down: ## end them
	scripts/servers.sh down

up: ## the cluster of docker-compose.yml: three pods, Redis, MongoDB, nginx; PROFILES=all adds a bucket, a mail sink, metrics and traces
	PROFILES="$(PROFILES)" scripts/compose.sh up --build --detach

down: ## end it, with its data
	scripts/compose.sh down --volumes

ci: ## what CI runs
	.ci/run
