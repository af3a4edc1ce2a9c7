#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tools/fuzz.sh SECONDS NAME...: builds fuzz/NAME.c with clang's fuzzer, address and undefined sanitizers, starts from the
# seeds of fuzz/seeds.py and what earlier runs found interesting, and runs each for SECONDS, one after the other.
# Objects and corpora stay in build/fuzz, so a second run goes on where the first ended; an input that breaks something is
# kept in build/fuzz/findings. Ends with "N passed, N failed".
set -u
cd "$(dirname "$0")/.."
CLANG=${CLANG:-clang-14}
RSS_MB_MAX=2048   # more memory than this is a finding
UNIT_SECONDS_MAX=25 # and so is one input that takes longer
INPUT_BYTES_MAX=65536

[ $# -ge 2 ] || { echo "fuzz: usage: tools/fuzz.sh SECONDS NAME..." >&2; exit 2; }
seconds=$1
shift
case "$seconds" in *[!0-9]*|"") echo "fuzz: SECONDS is \"$seconds\"; a whole number is wanted" >&2; exit 2 ;; esac
for name in "$@"; do
    [ -f "fuzz/$name.c" ] || { echo "fuzz: there is no fuzz/$name.c" >&2; exit 2; }
done
command -v "$CLANG" >/dev/null 2>&1 || { echo "fuzz: $CLANG is missing (tools/setup.sh test installs it)" >&2; exit 1; }

# What the decoders need; the store, and the query languages and what they stand on, only where one of them is fuzzed.
folders="base codec model ingest"
for name in "$@"; do
    if grep -qE '#include "(store|metrics|events)/' "fuzz/$name.c"; then
        folders="base sys codec model store ingest metrics events"
    fi
done
for name in "$@"; do
    if grep -qE '#include "(query|promql|logql|traceql)/' "fuzz/$name.c"; then
        folders="base sys codec model store ingest query promql logql traceql metrics events"
    fi
done
# What the server is made of besides.
for name in "$@"; do
    if grep -qE '#include "(auth|probe|alert|pipeline|collect|rum|api)/' "fuzz/$name.c"; then
        folders="base sys codec model store ingest query promql logql traceql metrics events pipeline auth probe alert collect rum"
    fi
done
# Of the API single files: those whose headers a target names.
files=$(for name in "$@"; do sed -n 's|^#include "\(api/[a-z_]*\)\.h"|src/\1.c|p' "fuzz/$name.c"; done | sort -u)

out=build/fuzz
mkdir -p $out/findings
make --no-print-directory -k -j"$(nproc)" -f - CLANG="$CLANG" OUT=$out FOLDERS="$folders" FILES="$(echo $files)" NAMES="$*" <<'RULES' || { echo "fuzz: the build failed"; echo "0 passed, 1 failed"; exit 1; }
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
COMMON   := -O1 -g -w -Isrc -I. -D_GNU_SOURCE -fno-strict-aliasing -ffp-contract=off -pthread -MMD -MP $(SANITIZE)
LIBS     := -lzstd -llz4 -lsnappy -ldeflate -lz -lsimdjson -ljson-c -lre2 -lyaml -lroaring -lsqlite3 -lcrypto -lsodium -lcurl -lxxhash -lm
ifeq ($(shell uname -m),x86_64)
COMMON   += -march=x86-64-v2
endif
C   := $(filter-out %_test.c src/base/unit.c,$(wildcard client/*.c) $(FILES) $(foreach f,$(FOLDERS),$(wildcard src/$(f)/*.c)))
CC_ := $(foreach f,$(FOLDERS),$(wildcard src/$(f)/*.cc))
OBJ := $(C:%.c=$(OUT)/%.o) $(CC_:%.cc=$(OUT)/%.cc.o)
.SUFFIXES:
.DELETE_ON_ERROR:
all: $(NAMES:%=$(OUT)/bin/%)
$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	@$(CLANG) -std=gnu17 $(COMMON) -fsanitize=fuzzer-no-link -c $< -o $@
$(OUT)/%.cc.o: %.cc
	@mkdir -p $(@D)
	@$(CLANG) -x c++ -std=c++17 $(COMMON) -fno-sanitize=vptr -fsanitize=fuzzer-no-link -c $< -o $@
# One archive for each list of folders, so that an object that left the tree leaves the archive too.
$(OUT)/all.a: $(OBJ)
	@rm -f $@
	@ar rcs $@ $^
$(OUT)/bin/%: $(OUT)/fuzz/%.o $(OUT)/all.a
	@mkdir -p $(@D)
	@$(CLANG) $(SANITIZE) -fsanitize=fuzzer -pthread $< $(OUT)/all.a -Wl,--gc-sections $(LIBS) -lstdc++ -o $@
.PRECIOUS: $(OUT)/%.o
-include $(OBJ:.o=.d) $(NAMES:%=$(OUT)/fuzz/%.d)
RULES
python3 fuzz/seeds.py >/dev/null || { echo "fuzz: fuzz/seeds.py failed"; echo "0 passed, 1 failed"; exit 1; }

passed=0 failed=0
for name in "$@"; do
    corpus=$out/corpus/$name seeds=$out/seeds/$name log=$out/$name.log
    mkdir -p "$corpus" "$seeds"
    # Golden files of the wire tests are good beginnings as well.
    [ -d "test/wire/${name#fuzz_}" ] && seeds="$seeds test/wire/${name#fuzz_}"
    before=$(date +%s)
    # shellcheck disable=SC2086
    nice "$out/bin/$name" -max_total_time="$seconds" -rss_limit_mb=$RSS_MB_MAX -timeout=$UNIT_SECONDS_MAX -max_len=$INPUT_BYTES_MAX \
        -artifact_prefix="$out/findings/$name-" -print_final_stats=1 "$corpus" $seeds >"$log" 2>&1
    code=$?
    took=$(($(date +%s) - before))
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    edges=$(sed -nE 's/^#[0-9]+.* cov: ([0-9]+) .*/\1/p' "$log" | tail -n 1)
    peak=$(sed -n 's/^stat::peak_rss_mb: *//p' "$log")
    if [ $code = 0 ]; then
        passed=$((passed + 1)) verdict=ok
    else
        failed=$((failed + 1)) verdict=FOUND
    fi
    printf '%-20s %-5s %6s s %12s inputs %7s edges %5s MB\n' "$name" $verdict "$took" "${runs:-?}" "${edges:-?}" "${peak:-?}"
    [ $code = 0 ] || grep -E 'SUMMARY|runtime error|ERROR:|Test unit written' "$log" | head -n 8 | sed "s/^/  $name: /"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
