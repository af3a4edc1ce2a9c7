#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tools/count.sh NAME COMMAND [NAME COMMAND]...: runs each, shows its output when it fails, adds up the closing lines
# "N passed, N failed" and ends with one such line. A command that ends badly without failures counts as one.
# Before that line stands again what failed, for the reader of a log of which only the end is kept.
set -u
SHOWN_LINES=60   # of a failing command's output
AGAIN_LINES=20   # of it at the very end
passed=0 failed=0
work=$(mktemp -d)
log=$work/log again=$work/again found=$work/found
touch "$again"
trap 'rm -rf "$work"' EXIT

# failures LOG: what names a failing test and why, each once: FAIL with the indented lines after it, as our own programs and
# vitest write it; FAIL: and ERROR: with the exception, as Python's unittest does. Where nothing does, the last lines.
failures() {
    awk '
        function show(line) { if (!seen[line]++) print line }
        /^ *FAIL |: failed: / { show($0); after = 1; next }
        /^(FAIL|ERROR): /     { show($0); after = 0; next }
        /^[A-Za-z_.]*(Error|Exception|Timeout|Expired|Interrupt)(:|$)/ { show("    " $0); after = 0; next }
        after && /^  / { show($0); next }
        { after = 0 }' "$1" >"$found"
    if [ -s "$found" ]; then head -n $AGAIN_LINES "$found"
    else grep -vE '^[0-9]+ passed, [0-9]+ failed|^ *$' "$1" | tail -n $AGAIN_LINES; fi
}

while [ $# -ge 2 ]; do
    name=$1 command=$2
    shift 2
    start=$(date +%s)
    $command >"$log" 2>&1
    code=$?
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
    p=$(echo "$line" | sed -nE 's/^([0-9]+) passed.*/\1/p')
    f=$(echo "$line" | sed -nE 's/^[0-9]+ passed, ([0-9]+) failed.*/\1/p')
    p=${p:-0} f=${f:-0}
    if [ "$code" != 0 ] && [ "$f" = 0 ]; then f=1; echo "$name: ended with exit code $code" >>"$log"; fi
    if [ "$code" = 0 ] && [ "$p" = 0 ] && [ "$f" = 0 ]; then f=1; echo "$name: ran no test" >>"$log"; fi
    printf '%-22s %5s passed %4s failed  %4s s\n' "$name" "$p" "$f" "$(($(date +%s) - start))"
    if [ "$f" != 0 ]; then
        sed "s|^|  $name: |" "$log" | tail -n $SHOWN_LINES
        { echo "failed: $name, $f"; failures "$log" | cut -c 1-300 | sed 's|^|    |'; } >>"$again"
    fi
    passed=$((passed + p)) failed=$((failed + f))
done
cat "$again"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
