#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tools/test.sh UNIT_PROGRAM...: everything `make test` runs, in order, counted together.
set -u
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || { echo "test: usage: tools/test.sh UNIT_PROGRAM... (make test names them)" >&2; exit 2; }
programs=$*
set -- layers tools/layers.py style tools/style.py limits "tools/limits.py --check" config-keys tools/config_keys.py
for program in $programs; do set -- "$@" "$(basename "$program")" "$program"; done
set -- "$@" "commands" test/commands.sh
[ -f web/package.json ] && set -- "$@" page-units "npm --prefix web test --silent"
for suite in test/server/test_*.py test/article/test_*.py; do
    name=${suite#test/}
    name=${name#server/}
    [ -f "$suite" ] && set -- "$@" "${name%.py}" "/usr/bin/python3 $suite"
done
[ -x test/clients/run.sh ] && set -- "$@" clients test/clients/run.sh
[ -x test/browser.sh ] && set -- "$@" browser test/browser.sh
exec tools/count.sh "$@"
