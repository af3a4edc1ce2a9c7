#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# How much of other people's tests passes: conformance.sh FOLDER runs the query scripts of Prometheus and Loki found in it
# (promql/.../*.test and logql/.../*.logqltest, at any depth) and OpenMetrics's pages (exposition/.../test.json beside a page that
# parses or does not), asks a real prometheus and us the same queries (promql/.../promql-test-queries.yml), puts lines of known
# patterns into patterns (logs/.../*_structured.csv, also gzipped, as loghub has them), joins the lines of stack traces
# (logs/.../stack_traces.json), sends lines of logs through the program and reads them back (test/round_trip.py), runs the cases of traces
# and of TraceQL (traces/, test/trace_cases.py, test/traceql_cases.py), and tells a line a file. It is a report: cases that fail do not fail it,
# nor do scripts in another dialect, which stop where it begins; a folder that is not there does, and a runner that breaks.
set -u
cd "$(dirname "$0")/.."
stoa=${STOA:-build/stoa}
folder=${1:-}
if [ -z "$folder" ]; then
    echo "conformance: no folder of test scripts is given: make conformance CORPORA=FOLDER"
    exit 0
fi
if [ ! -d "$folder" ]; then
    echo "conformance: \"$folder\" is no folder" >&2
    exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 stopped=0 broken=0

# report LANGUAGE FILE: one line; the counts are added up.
report() {
    "$stoa" test "$1" "$2" >"$work/out" 2>&1
    code=$?
    last=$(tail -n 1 "$work/out")
    good=$(echo "$last" | sed -n 's/^\([0-9]*\) passed, [0-9]* failed$/\1/p')
    bad=$(echo "$last" | sed -n 's/^[0-9]* passed, \([0-9]*\) failed$/\1/p')
    if [ "$code" -gt 1 ] || [ -z "$good" ]; then
        echo "  $1 ${2#"$folder"/}: the runner broke (exit code $code): $last"
        broken=$((broken + 1))
        return
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    note=
    if [ "$code" = 1 ] && [ "$bad" = 0 ]; then
        note=", then $(tail -n 2 "$work/out" | head -n 1 | sed "s|^$2: $2:|line |" | cut -c 1-100)"
        stopped=$((stopped + 1))
    fi
    printf '  %-7s %-40s %4d of %4d%s\n' "$1" "$(basename "$(dirname "$2")")/$(basename "$2")" "$good" "$((good + bad))" "$note"
}

# The same file may lie in several places: once is enough.
scripts() {
    find "$folder/$1" -type f -name "$2" -exec cksum {} + 2>/dev/null | sort -k 3 |
        awk '!seen[$1, $2]++ { sub(/^[0-9]+ [0-9]+ /, ""); print }'
}

scripts promql '*.test' >"$work/promql"
scripts logql '*.logqltest' >"$work/logql"
while read -r file; do report promql "$file"; done <"$work/promql"
while read -r file; do report logql "$file"; done <"$work/logql"

# OpenMetrics's vectors: each folder has a page, and a test.json that says whether it must parse. Why not is told with its line.
find "$folder/exposition" -name test.json 2>/dev/null | sort >"$work/pages"
page_good=0 page_bad=0
while read -r file; do
    want=$(sed -n 's/.*"shouldParse": *\([a-z]*\).*/\1/p' "$file")
    page=$(dirname "$file")/$(sed -n 's/.*"file": *"\([^"]*\)".*/\1/p' "$file")
    "$stoa" check metrics --openmetrics "$page" >"$work/out" 2>&1
    case $? in
    0 | 3) got=true ;;
    1) got=false && grep -q ': line [0-9]' "$work/out" || got=unplaced ;;
    *) got=broken && broken=$((broken + 1)) ;;
    esac
    if [ "$got" = "$want" ]; then
        page_good=$((page_good + 1))
    else
        page_bad=$((page_bad + 1))
        echo "  openmetrics ${page#"$folder"/}: must parse: $want, found $got: $(head -n 1 "$work/out" | cut -c 1-200)"
    fi
done <"$work/pages"
if [ -s "$work/pages" ]; then
    echo "  openmetrics: $page_good passed, $page_bad failed"
    passed=$((passed + page_good))
    failed=$((failed + page_bad))
fi

# Templates of queries: Debian's prometheus and we are asked the same.
find "$folder/promql" -name promql-test-queries.yml 2>/dev/null | head -n 1 >"$work/templates"
while read -r file; do
    STOA=$stoa python3 test/compliance.py "$file" >"$work/out" 2>&1
    last=$(tail -n 1 "$work/out")
    good=$(echo "$last" | sed -n 's/^\([0-9]*\) passed, [0-9]* failed$/\1/p')
    if [ -z "$good" ]; then
        echo "  compliance: the runner broke: $last"
        broken=$((broken + 1))
        continue
    fi
    sed '$d' "$work/out"
    echo "  compliance with a real prometheus: $last"
    passed=$((passed + good))
    failed=$((failed + $(echo "$last" | sed 's/.* \([0-9]*\) failed$/\1/')))
done <"$work/templates"

# Lines whose patterns are known: loghub's. A file passes from the grouping accuracy on that the command names.
find "$folder/logs/" -path "*loghub*" -name "*_structured*.csv*" 2>/dev/null | sort >"$work/known"
if [ -s "$work/known" ]; then
    xargs -d '\n' "$stoa" test patterns <"$work/known" >"$work/out" 2>&1
    last=$(tail -n 1 "$work/out")
    good=$(echo "$last" | sed -n 's/^\([0-9]*\) passed, [0-9]* failed$/\1/p')
    if [ -z "$good" ]; then
        echo "  patterns: the runner broke: $last"
        broken=$((broken + 1))
    else
        sed -e '$d' -e 's|^[^:]*/|  patterns |' "$work/out"
        passed=$((passed + good))
        failed=$((failed + $(echo "$last" | sed 's/.* \([0-9]*\) failed$/\1/')))
    fi
fi

# Stack traces, a list of lines each: one record must come of them.
find "$folder/logs/" -name stack_traces.json 2>/dev/null | sort >"$work/traces"
if [ -s "$work/traces" ]; then
    xargs -d '\n' "$stoa" test joins <"$work/traces" >"$work/out" 2>&1
    last=$(tail -n 1 "$work/out")
    good=$(echo "$last" | sed -n 's/^\([0-9]*\) passed, [0-9]* failed$/\1/p')
    if [ -z "$good" ]; then
        echo "  joins: the runner broke: $last"
        broken=$((broken + 1))
    else
        sed -e '$d' -e 's|^|  joins: |' "$work/out"
        echo "  stack traces joined: $last"
        passed=$((passed + good))
        failed=$((failed + $(echo "$last" | sed 's/.* \([0-9]*\) failed$/\1/')))
    fi
fi

# Logs of every kind: their lines go in and come out again as the same bytes.
find "$folder/logs/" -type f \( -name "*.log" -o -name "*.txt" -o -name "*.csv" -o -name "*.gz" -o -name "*.ndjson" -o -name "*.out" -o -path "*testsuites*" \) \
    2>/dev/null | sort | head -n 500 >"$work/logs"
if [ -s "$work/logs" ]; then
    STOA=$stoa xargs -d '\n' -n 500 python3 test/round_trip.py <"$work/logs" >"$work/out" 2>&1
    last=$(tail -n 1 "$work/out")
    good=$(echo "$last" | sed -n 's/^\([0-9]*\) passed, [0-9]* failed$/\1/p')
    if [ -z "$good" ]; then
        echo "  round trip: the runner broke: $last"
        broken=$((broken + 1))
    else
        sed -e '$d' -e '/^seed/d' -e 's|^|  round trip: |' "$work/out" | head -n 20
        echo "  round trip of $(wc -l <"$work/logs") files: $last"
        passed=$((passed + good))
        failed=$((failed + $(echo "$last" | sed 's/.* \([0-9]*\) failed$/\1/')))
    fi
fi

# Traces: Jaeger's suite of storages, its forms and Zipkin's, OpenTelemetry's examples, W3C's lists of headers; and queries of TraceQL.
for runner in test/trace_cases.py test/traceql_cases.py; do
    [ -d "$folder/traces" ] || break
    STOA=$stoa python3 $runner "$folder/traces" >"$work/out" 2>&1
    last=$(tail -n 1 "$work/out")
    good=$(echo "$last" | sed -n 's/^\([0-9]*\) passed, [0-9]* failed$/\1/p')
    if [ -z "$good" ]; then
        echo "  traces: the runner broke: $last"
        broken=$((broken + 1))
    else
        sed -e '$d' -e 's|^|  traces: |' "$work/out" | cut -c 1-300
        passed=$((passed + good))
        failed=$((failed + $(echo "$last" | sed 's/.* \([0-9]*\) failed$/\1/')))
    fi
done

if [ ! -d "$folder/traces" ] && [ ! -s "$work/known" ] && [ ! -s "$work/pages" ] && [ ! -s "$work/promql" ] && [ ! -s "$work/logql" ]; then
    echo "conformance: no scripts below $folder/promql or $folder/logql, no pages below $folder/exposition, no known lines below $folder/logs, no $folder/traces" >&2
    exit 1
fi
echo "conformance total: $passed of $((passed + failed)) cases pass; $stopped scripts are in another dialect, $broken broke the runner"
[ "$broken" = 0 ]
