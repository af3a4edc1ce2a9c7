#!/bin/sh
# The commands of the program: output and exit codes, as a person at a shell sees them.
set -u
cd "$(dirname "$0")/.."
stoa=${STOA:-build/stoa}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# expect NAME CODE PATTERN COMMAND...: the exit code, and a pattern in what is printed.
expect() {
    name=$1 code=$2 pattern=$3
    shift 3
    "$@" >"$work/out" 2>&1
    got=$?
    if [ "$got" = "$code" ] && grep -qE -- "$pattern" "$work/out"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$name: exit $got, expected $code; output, expected /$pattern/:"
        sed 's/^/    /' "$work/out"
    fi
}

expect "version" 0 '^stoa [0-9]+\.[0-9]+\.[0-9]+ \(' "$stoa" version
expect "help lists serve" 0 'stoa serve \[--config FILE\]' "$stoa" help
for command in serve agent query check test import export user token audit erase version; do
    expect "$command --help" 0 "^usage: stoa $command" "$stoa" "$command" --help
done
[ -z "$("$stoa" serve --help 2>&1 >/dev/null)" ] || { failed=$((failed + 1)); echo "serve --help writes to stderr"; }
expect "no command is wrong usage" 2 'stoa serve' "$stoa"
expect "unknown command" 2 'unknown command "nope"' "$stoa" nope
expect "unknown flag" 2 'unknown flag --nope; allowed: --config' "$stoa" serve --nope x
expect "missing value" 2 '--data: a value is missing' "$stoa" serve --data

printf 'retention: 31d\nhost:\n  intervall: 5s\n' >"$work/typo.yml"
expect "unknown key has line and suggestion" 1 'typo.yml:3: unknown key "intervall"; did you mean "interval"\?' "$stoa" check config "$work/typo.yml"
printf 'scrape_configs:\n  - job_name: a\n    static_config: []\n' >"$work/scrape.yml"
expect "unknown key of a scrape" 1 'scrape.yml:3: unknown key "static_config"; did you mean "static_configs"\?' "$stoa" check config "$work/scrape.yml"
printf 'retention: soon\n' >"$work/value.yml"
expect "bad value" 1 'value.yml:1: retention: found "soon", expected a duration' "$stoa" check config "$work/value.yml"
printf 'retention: 1d\n' >"$work/a.yml"
printf 'retention: 2d\n' >"$work/b.yml"
expect "a key in two files" 1 'b.yml:1: key "retention" stands in .*a.yml:1 already' "$stoa" check config "$work/a.yml" "$work/b.yml"
expect "not YAML" 1 'typo2.yml:[0-9]+' sh -c "printf 'a: [1\n' > $work/typo2.yml; $stoa check config $work/typo2.yml"
expect "missing file" 1 'nope.yml' "$stoa" check config "$work/nope.yml"
printf 'alerting: {}\nretention: 1d\n' >"$work/known.yml"
expect "known but not served is a warning" 0 'warning: .*"alerting" is known but not served' "$stoa" check config "$work/known.yml"
cat >"$work/prometheus.yml" <<'YML'
# The configuration of the article, as it stands there.
global:
  scrape_interval: 15s

scrape_configs:
  - job_name: 'node-exporter'
    static_configs:
      - targets: ['localhost:9100']

  - job_name: 'docker'
    static_configs:
      - targets: ['localhost:9323']
YML
expect "a prometheus.yml" 0 'configuration is good: 2 scrape jobs' "$stoa" check config "$work/prometheus.yml"
expect "query without a server" 1 'stoa query: ' "$stoa" query --url http://127.0.0.1:1 up
expect "queries that run, without a server" 1 'stoa query: ' "$stoa" query --url http://127.0.0.1:1 --running
expect "running and a query" 2 'usage: stoa query' "$stoa" query --running up
expect "running and stop" 2 'usage: stoa query' "$stoa" query --running --stop 1
expect "query without a text" 2 'usage: stoa query' "$stoa" query
expect "traces, with a mistake in the query" 1 'line 1, col 3' "$stoa" query --url http://127.0.0.1:1 --traces '{ a }'
expect "traces, without a server" 1 'stoa query: .*127.0.0.1' "$stoa" query --url http://127.0.0.1:1 --traces '{ }'
expect "traces and logs" 2 'usage: stoa query' "$stoa" query --traces --logs '{ }'

expect "traceql scripts" 0 '^[0-9]+ passed, 0 failed' "$stoa" test traceql test/traceql/fields.test test/traceql/structure.test
expect "promql scripts" 0 '^[0-9]+ passed, 0 failed' "$stoa" test promql test/promql/binary.test
expect "logql scripts" 0 '^[0-9]+ passed, 0 failed' "$stoa" test logql $(ls test/logql/*.test | head -1)

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
