#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The load generator, build/bench/load, from bench/*.c and the libraries of base and codec that make has built.
set -eu
cd "$(dirname "$0")/.."
lib=build/release/lib
out=build/bench/load
mkdir -p build/bench
if [ -x $out ] && [ -z "$(find bench $lib/base.a $lib/codec.a -newer $out \( -name '*.c' -o -name '*.h' -o -name '*.a' \))" ]; then exit 0; fi
"${CC:-gcc}" -std=gnu17 -O2 -g -Wall -Wextra -Wno-unused-parameter -Wshadow -Wmissing-prototypes -Werror -D_GNU_SOURCE -Isrc -I. bench/*.c \
    -Wl,--start-group $lib/base.a $lib/codec.a -Wl,--end-group \
    -lsnappy -lzstd -llz4 -ldeflate -lz -lsimdjson -ljson-c -lre2 -lyaml -lxxhash -lstdc++ -lm -pthread -o $out
