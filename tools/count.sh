#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tools/count.sh NAME COMMAND [NAME COMMAND]...: runs each, shows its output when it fails, adds up the closing lines
# "N passed, N failed" and ends with one such line. A command that ends badly without failures counts as one.
set -u
passed=0 failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
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
    if [ "$code" != 0 ] && [ "$f" = 0 ]; then f=1; fi
    if [ "$code" = 0 ] && [ "$p" = 0 ] && [ "$f" = 0 ]; then f=1; echo "$name: ran no test"; fi
    printf '%-22s %5s passed %4s failed  %4s s\n' "$name" "$p" "$f" "$(($(date +%s) - start))"
    if [ "$f" != 0 ]; then sed "s|^|  $name: |" "$log" | tail -n 60; fi
    passed=$((passed + p)) failed=$((failed + f))
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
