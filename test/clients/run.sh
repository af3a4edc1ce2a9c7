#!/bin/sh
# Runs every client here against build/stoa on a free port; ends with "N passed, N failed".
#     test/clients/run.sh [FILE.mjs...]        STOA=... another binary; STOA_URL=... a server that runs
set -u
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
stoa=${STOA:-$root/build/stoa}
[ $# -gt 0 ] || set -- winston_loki.mjs otlp_traces.mjs otlp_metrics.mjs otlp_logs.mjs prometheus_query.mjs node_http2.mjs hot_shots.mjs elastic.mjs splunk.mjs zipkin.mjs otel_browser.mjs
ready_tenths_max=300

./install.sh || exit 1

work=$(mktemp -d)
: >"$work/log"
server=""
stop() {
    [ -n "$server" ] && kill "$server" 2>/dev/null && wait "$server"
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

if [ -z "${STOA_URL:-}" ]; then
    # Observes nothing by itself: the tests see what they send.
    printf 'host:\n  enabled: false\nlogs:\n  journal: false\n  files: []\nself:\n  enabled: false\n' >"$work/quiet.yml"
    port=$(node -e 's = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
    printf 'listeners: [{dialect: dogstatsd, address: "127.0.0.1:%s"}]\nstatsd: {flush_interval: 200ms}\n' "$port" >>"$work/quiet.yml"
    export STOA_STATSD="127.0.0.1:$port"
    "$stoa" serve --data "$work/data" --listen 127.0.0.1:0 --config "$work/quiet.yml" 2>"$work/log" >/dev/null &
    server=$!
    tenths=0
    while ! STOA_URL=$(sed -nE 's|.*stoa: ready on (https?://[^ ]+) in.*|\1|p' "$work/log") || [ -z "$STOA_URL" ]; do
        tenths=$((tenths + 1))
        if [ $tenths -gt $ready_tenths_max ] || ! kill -0 "$server" 2>/dev/null; then
            echo "clients: the server did not get ready:" >&2
            cat "$work/log" >&2
            exit 1
        fi
        sleep 0.1
    done
    export STOA_URL
fi

passed=0 failed=0
for file in "$@"; do
    echo "# $file"
    node "$file" >"$work/out" 2>&1
    code=$?
    cat "$work/out"
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$work/out" | tail -n 1)
    p=${line%% *} f=$(echo "$line" | sed -nE 's/.* ([0-9]+) failed$/\1/p')
    passed=$((passed + ${p:-0})) failed=$((failed + ${f:-0}))
    [ "$code" = 0 ] || [ "${f:-0}" != 0 ] || failed=$((failed + 1))
done
if [ -n "$server" ] && ! kill -0 "$server" 2>/dev/null; then
    echo "clients: the server died:"
    tail -n 20 "$work/log"
    failed=$((failed + 1))
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
