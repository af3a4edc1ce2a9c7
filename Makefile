# SPDX-License-Identifier: Apache-2.0
# Stoa: one program, one Makefile. `make run` and `make test` are all a person needs; CONTRIBUTING.md lists the rest.

MODE    ?= release
B       := build/$(MODE)
CC      ?= gcc
CXX     ?= g++
ifeq ($(origin CC),default)
CC      := gcc
endif
ifeq ($(origin CXX),default)
CXX     := g++
endif
PREFIX  ?= /usr/local
PYTHON  ?= /usr/bin/python3

# ---- Who may include whom: this table is the rule (tools/layers.py and the linking of test programs hold it). ----
FOLDERS       := base sys codec model net store metrics events remote ingest pipeline collect query promql logql traceql \
                 correlate alert probe rum auth api server ctl
USES_base     :=
USES_sys      := base
USES_codec    := base
USES_model    := base codec
USES_net      := base sys codec
USES_store    := base sys codec model
USES_metrics  := store $(USES_store)
USES_events   := store $(USES_store)
USES_remote   := store net $(USES_store) $(USES_net)
USES_ingest   := base codec model
USES_pipeline := base sys codec model
USES_collect  := ingest pipeline net base sys codec model
USES_query    := base sys codec model store
USES_promql   := query $(USES_query)
USES_logql    := query $(USES_query)
USES_traceql  := query $(USES_query)
USES_correlate:= query $(USES_query)
USES_alert    := query net $(USES_query)
USES_probe    := query net $(USES_query)
USES_rum      := query net $(USES_query)
USES_auth     := base sys codec model store
USES_api      := base sys codec model net store metrics events remote ingest pipeline collect query promql logql traceql \
                 correlate alert probe rum auth
USES_server   := $(USES_api) api
USES_ctl      := $(USES_server) server

# ---- Flags ----
WARN     := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-unused-parameter -Werror
CPPFLAGS += -Isrc -I. -I$(B)/gen -D_GNU_SOURCE
CFLAGS_release := -O2 -g
CFLAGS_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
CFLAGS_tsan    := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
ifeq ($(filter $(MODE),release asan tsan),)
$(error MODE is "$(MODE)"; allowed: release, asan, tsan)
endif
ARCH     := $(shell uname -m)
ARCHFLAG := $(if $(filter x86_64,$(ARCH)),-march=x86-64-v2)
ALLCFLAGS   := -std=gnu17 $(WARN) $(CFLAGS_$(MODE)) $(ARCHFLAG) -fno-strict-aliasing -ffp-contract=off -pthread -MMD -MP
ALLCXXFLAGS := -std=c++17 -Wall -Wextra -Werror -Wno-unused-parameter $(CFLAGS_$(MODE)) $(ARCHFLAG) -fno-strict-aliasing -pthread -MMD -MP
LDFLAGS  += $(CFLAGS_$(MODE)) -pthread -Wl,--as-needed -Wl,--gc-sections
ALLCFLAGS += -ffunction-sections -fdata-sections

LIBS_base  := -lxxhash -lstdc++ -lm
LIBS_sys   :=
LIBS_codec := -lzstd -llz4 -lsnappy -ldeflate -lz -lsimdjson -ljson-c -lre2 -lyaml
LIBS_model :=
LIBS_net   := -luv -lnghttp2 -lssl -lcrypto -lcurl -lcares
LIBS_store := -lroaring -lsqlite3 -lcrypto
LIBS_collect := -lsystemd
LIBS_auth  := -lsodium
libs_of     = $(foreach f,$(1) $(USES_$(1)),$(LIBS_$(f)))
uniq        = $(if $(1),$(firstword $(1)) $(call uniq,$(filter-out $(firstword $(1)),$(1))))

# ---- Sources ----
SRCS  = $(filter-out %_test.c src/base/unit.c,$(wildcard src/$(1)/*.c)) $(wildcard src/$(1)/*.cc)
TESTS = $(wildcard src/$(1)/*_test.c)
OBJS  = $(patsubst %.c,$(B)/%.o,$(filter %.c,$(call SRCS,$(1)))) $(patsubst %.cc,$(B)/%.cc.o,$(filter %.cc,$(call SRCS,$(1))))
TOBJS = $(patsubst %.c,$(B)/%.o,$(call TESTS,$(1)))
CLIENT := $(patsubst %.c,$(B)/%.o,$(filter-out %_test.c,$(wildcard client/*.c)))
# The page and the built-in boards go into the folder that serves them.
GEN_api := $(B)/gen/page_assets.o $(B)/gen/board_assets.o
LIVE  := $(foreach f,$(FOLDERS),$(if $(strip $(call SRCS,$(f))),$(f)))
TESTED:= $(foreach f,$(LIVE),$(if $(strip $(call TESTS,$(f))),$(f)))

.SUFFIXES:
.DELETE_ON_ERROR:
.PHONY: all setup run test check clean install deb bench bench-logs fuzz conformance fresh peers web units

all: build/stoa

$(B)/%.o: %.c | toolchain
	@mkdir -p $(@D)
	@echo "  CC   $<"
	@$(CC) $(CPPFLAGS) $(ALLCFLAGS) $(EXTRA_$(notdir $(basename $<))) -c $< -o $@
$(B)/%.cc.o: %.cc | toolchain
	@mkdir -p $(@D)
	@echo "  CXX  $<"
	@$(CXX) $(CPPFLAGS) $(ALLCXXFLAGS) -c $< -o $@

# The client library stands alone and may be used by everybody.
$(B)/lib/client.a: $(CLIENT)
	@mkdir -p $(@D)
	@rm -f $@
	@ar rcs $@ $^

define FOLDER_RULES
$(B)/lib/$(1).a: $(call OBJS,$(1)) $(GEN_$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	@ar rcs $$@ $$^
$(B)/test/$(1): $(call TOBJS,$(1)) $(B)/src/base/unit.o $(B)/lib/client.a $(foreach f,$(1) $(USES_$(1)),$(if $(strip $(call SRCS,$(f))),$(B)/lib/$(f).a)) $(if $(filter net,$(1) $(USES_$(1))),$(B)/llhttp.a)
	@mkdir -p $$(@D)
	@echo "  LINK $$@"
	@$(CXX) $(LDFLAGS) $(call TOBJS,$(1)) $(B)/src/base/unit.o -Wl,--start-group $(B)/lib/client.a $(foreach f,$(1) $(USES_$(1)),$(if $(strip $(call SRCS,$(f))),$(B)/lib/$(f).a)) $(if $(filter net,$(1) $(USES_$(1))),$(B)/llhttp.a) -Wl,--end-group $(call uniq,$(call libs_of,$(1))) $(LIBS_base) -o $$@
.PHONY: test-$(1)
test-$(1): $(if $(call TESTS,$(1)),$(B)/test/$(1))
	@$(if $(call TESTS,$(1)),$(B)/test/$(1) $(ARGS),echo "$(1): no tests")
endef
$(foreach f,$(LIVE),$(eval $(call FOLDER_RULES,$(f))))

# llhttp comes as C sources in a Debian package and is compiled in.
LLHTTP := /usr/share/llhttp
$(B)/llhttp.a: | toolchain
	@mkdir -p $(B)/llhttp
	@for f in $$(find $(LLHTTP) -name '*.c'); do \
	  $(CC) -I/usr/include -I/usr/share/include -I/usr/share/include/llhttp -I$(LLHTTP)/include -I$(LLHTTP) -O2 -g -w $(filter -fsanitize%,$(CFLAGS_$(MODE))) -c $$f -o $(B)/llhttp/$$(basename $$f .c).o || exit 1; done
	@ar rcs $@ $(B)/llhttp/*.o
CPPFLAGS += -I/usr/share/include -I/usr/share/include/llhttp

-include $(shell find $(B) -name '*.d' 2>/dev/null)
include tools/rules.mk
