#!/bin/sh
# The page in a real browser over live data of this machine: starts the server, waits for the first data, runs the checks.
set -u
cd "$(dirname "$0")/.."
work=$(mktemp -d)
pid=""
stop() {
    [ -n "$pid" ] && kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM
printf 'host:\n  interval: 1s\n' >"$work/fast.yml"
build/stoa serve --config "$work/fast.yml" --data "$work/data" --listen 127.0.0.1:0 2>"$work/log" &
pid=$!
url=""
for _ in $(seq 100); do
    url=$(sed -nE 's/^stoa: ready on (http:[^ ]+) in .*/\1/p' "$work/log")
    [ -n "$url" ] && break
    sleep 0.1
done
[ -n "$url" ] || { echo "the server did not get ready"; cat "$work/log"; echo "0 passed, 1 failed"; exit 1; }
# Own spans and metrics come every few seconds; a few requests make sure that there is something to see.
for _ in $(seq 12); do curl -s "$url/api/v1/labels" >/dev/null; sleep 1; done
npm --prefix web run --silent e2e -- --url "$url" --shots "${SHOTS:-$work/shots}"
