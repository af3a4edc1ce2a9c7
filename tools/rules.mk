# SPDX-License-Identifier: Apache-2.0
# Set-up, the page, the program, tests, packaging. The compile rules and the layer table are in the Makefile.

VERSION  := 0.1.0
REVISION := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

# ---- What must be there to build: one stamp, renewed when the package list changes. ----
toolchain: build/.setup-build
build/.setup-build: tools/packages.txt tools/setup.sh
	@mkdir -p build
	@tools/setup.sh build
	@touch $@
build/.setup-test: tools/packages.txt tools/setup.sh
	@mkdir -p build
	@tools/setup.sh build test
	@touch $@
.PHONY: toolchain

# ---- The page ----
WEB_SOURCES := $(shell find web docs -type f -not -path "web/node_modules/*" -not -path "web/dist/*" -not -name "*.png" 2>/dev/null)
build/.web-deps: web/package-lock.json | toolchain
	@echo "  NPM  web"
	@cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@
build/web/.done: $(WEB_SOURCES) build/.web-deps
	@echo "  PAGE web"
	@mkdir -p build/web
	@cd web && npm run --silent build
	@touch $@
web: build/web/.done
$(B)/gen/page_assets.S: build/web/.done tools/embed.sh
	@mkdir -p $(@D)
	@tools/embed.sh web/dist $@ page
$(B)/gen/board_assets.S: $(wildcard src/api/boards/*.json) tools/embed.sh
	@mkdir -p $(@D)
	@tools/embed.sh src/api/boards $@ board
$(B)/gen/board_assets.o: $(B)/gen/board_assets.S
	@$(CC) -c $< -o $@
$(B)/gen/page_assets.o: $(B)/gen/page_assets.S
	@$(CC) -c $< -o $@

# ---- The program ----
MAIN_LIBS = $(foreach f,$(LIVE),$(B)/lib/$(f).a)
ALL_LIBS = $(call uniq,$(foreach f,$(LIVE),$(LIBS_$(f)))) $(LIBS_base)
$(B)/stoa: $(MAIN_LIBS) $(B)/lib/client.a $(B)/llhttp.a
	@echo "  LINK $@"
	@$(CXX) $(LDFLAGS) -Wl,--start-group $(MAIN_LIBS) $(B)/lib/client.a $(B)/llhttp.a -Wl,--end-group $(ALL_LIBS) -o $@
build/stoa: $(B)/stoa
	@cp $< $@.tmp && mv $@.tmp $@
EXTRA_version := -DBUILD_VERSION='"$(VERSION)"' -DBUILD_REVISION='"$(REVISION)"'
# Another commit is another revision: the file changes with it, and what tells the revision is compiled anew.
$(B)/.revision: always
	@mkdir -p $(@D)
	@echo "$(VERSION) $(REVISION)" | cmp -s - $@ || echo "$(VERSION) $(REVISION)" > $@
$(patsubst %.c,$(B)/%.o,$(wildcard src/*/version.c)): $(B)/.revision
.PHONY: always

run: build/stoa
	@exec build/stoa serve --data ./data

# ---- Tests ----
# The client library stands alone: its tests link nothing of src but the runner.
$(B)/test/client: $(patsubst %.c,$(B)/%.o,$(wildcard client/*_test.c)) $(B)/lib/client.a $(B)/src/base/unit.o $(B)/lib/base.a
	@mkdir -p $(@D)
	@$(CXX) $(LDFLAGS) $^ $(LIBS_base) -o $@
UNIT_PROGRAMS = $(foreach f,$(TESTED),$(B)/test/$(f)) $(if $(wildcard client/*_test.c),$(B)/test/client)
units: $(UNIT_PROGRAMS)

# The fast inner loop: unit tests, layers, style, that docs/limits.md is what the code says, and that every key of the configuration is documented.
check: $(UNIT_PROGRAMS)
	@tools/count.sh "layers" tools/layers.py "style" tools/style.py "limits" "tools/limits.py --check" "configuration keys" tools/config_keys.py $(foreach t,$(UNIT_PROGRAMS),"$(notdir $(t))" $(t))

test: build/.setup-test
	@$(MAKE) --no-print-directory build/stoa units
	@tools/test.sh $(UNIT_PROGRAMS)

conformance: build/stoa
	@test/conformance.sh "$(CORPORA)"

# ---- Fuzzing: each decoder for SECONDS (60); seeds are made, findings stay in build/fuzz. ----
SECONDS ?= 60
FUZZERS = $(patsubst fuzz/%.c,%,$(wildcard fuzz/fuzz_*.c))
fuzz: build/.setup-test
	@tools/fuzz.sh $(SECONDS) $(FUZZERS)

bench: build/stoa
	@tools/setup.sh build test bench
	@bench/run.sh

# Logs alone, at BENCH_LINES (6200000, which is 1.2 GB; 200000 is a quick look) lines made of the log files found in CORPORA.
bench-logs: build/stoa
	@tools/setup.sh build test bench
	@STOA_BENCH_PARTS=corpus STOA_BENCH_PEERS= STOA_BENCH_LINES=$(or $(BENCH_LINES),6200000) CORPORA="$(CORPORA)" bench/run.sh

peers: build/.setup-test
	@tools/peers.sh

fresh:
	@tools/fresh.sh

install: build/stoa
	install -D -m 755 build/stoa $(DESTDIR)$(PREFIX)/bin/stoa
	install -D -m 644 packaging/stoa.service $(DESTDIR)$(PREFIX)/lib/systemd/system/stoa.service
	sed -i 's|/usr/bin/stoa|$(PREFIX)/bin/stoa|' $(DESTDIR)$(PREFIX)/lib/systemd/system/stoa.service

deb: build/stoa
	@packaging/deb.sh $(VERSION)

clean:
	rm -rf build web/dist
