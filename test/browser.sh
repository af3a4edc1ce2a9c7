#!/bin/sh
# The page in a real browser over live data of this machine: starts a server with rules and synthetic checks, and a second one
# that wants a login, waits for the first data, runs the checks.
set -u
cd "$(dirname "$0")/.."
work=$(mktemp -d)
pids=""
stop() {
    for pid in $pids; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; done
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

# ready LOG: the address in a server's log, once it is there.
ready() {
    for _ in $(seq 100); do
        found=$(sed -nE 's/^stoa: ready on (http:[^ ]+) in .*/\1/p' "$1")
        [ -n "$found" ] && { echo "$found"; return; }
        sleep 0.1
    done
}

# The server checks itself, so its port must be known before it starts.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/stoa.yml" <<END
host:
  interval: 1s
alerts:
  - name: disk_full
    condition: disk_usage > 99% for 5 minutes
    severity: warning
groups:
  - name: e2e
    interval: 2s
    rules:
      - alert: E2eAlways
        expr: vector(1) > 0
        labels: {severity: critical, service: stoa}
        annotations: {summary: "Something is always wrong", description: "So that there is an incident to look at."}
      - alert: E2eBroken
        expr: node_cpu_seconds_total + on (instance) node_cpu_seconds_total > 0
        labels: {severity: warning}
route:
  receiver: page
  group_wait: 0s
  group_interval: 2s
receivers:
  - name: page
checks:
  - name: e2e-fine
    every: 5s
    locations: [local, elsewhere]
    steps:
      - name: healthy
        get: http://127.0.0.1:$port/-/healthy
  - name: e2e-broken
    every: 10s
    steps:
      - name: healthy
        get: http://127.0.0.1:$port/-/healthy
      - name: missing
        get: http://127.0.0.1:$port/no-such-path
        expect: [status == 200]
      - name: after
        get: http://127.0.0.1:$port/-/ready
END
build/stoa serve --config "$work/stoa.yml" --data "$work/data" --listen "127.0.0.1:$port" 2>"$work/log" &
pids="$pids $!"
for who in alice:admin victor:viewer audrey:auditor; do
    STOA_PASSWORD="correct horse battery" build/stoa user add "${who%:*}" --role "${who#*:}" --data "$work/login" >>"$work/users" 2>&1 || { cat "$work/users"; echo "0 passed, 1 failed"; exit 1; }
done
build/stoa serve --data "$work/login" --listen 127.0.0.1:0 2>"$work/login.log" &
pids="$pids $!"
url=$(ready "$work/log")
login=$(ready "$work/login.log")
[ -n "$url" ] && [ -n "$login" ] || { echo "a server did not get ready"; cat "$work/log" "$work/login.log"; echo "0 passed, 1 failed"; exit 1; }
# Own spans and metrics come every few seconds; a few requests make sure that there is something to see.
for _ in $(seq 12); do curl -s "$url/api/v1/labels" >/dev/null; sleep 1; done
npm --prefix web run --silent e2e -- --url "$url" --login-url "$login" --shots "${SHOTS:-$work/shots}" ${ONLY:+--only "$ONLY"}
