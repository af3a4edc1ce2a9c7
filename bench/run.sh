#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Side by side in one run: this server, Debian's Prometheus and VictoriaMetrics, on the same input. A table with ratios on
# stdout, everything in build/bench/result.json. The environment sets the size:
#   STOA_BENCH_INSTANCES  node exporters                (200)        STOA_BENCH_LINES  log lines (2000000)
#   STOA_BENCH_HOURS      of them, one scrape in 15 s   (2)          STOA_BENCH_SPANS  spans     (2000000)
#   STOA_BENCH_SERIES     new ones, once                (1000000)    STOA_BENCH_DAYS   of 5 instances, one scrape a minute (30)
#   STOA_BENCH_PEERS      "prometheus victoria-metrics", or ""       STOA_BENCH_PARTS  "metrics steady series months logs spans idle"
# The part "corpus" (make bench-logs) multiplies real log lines, *_2k.log found in the folder CORPORA, to 1.2 GB (STOA_BENCH_LINES=6200000),
# and packs STOA_BENCH_SAMPLE_MB (300) of them with zstd -19, as the part "spans" does with its requests.
set -eu
cd "$(dirname "$0")/.."
[ -x build/stoa ] || { echo "bench: build/stoa is missing; make builds it" >&2; exit 1; }
bench/build.sh
case "${STOA_BENCH_PARTS-}" in
corpus | spans) ;;
*)
    # shellcheck disable=SC2086
    tools/peers.sh prometheus-node-exporter ${STOA_BENCH_PEERS-prometheus victoria-metrics}
    ;;
esac
exec python3 bench/run.py
