#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what package-lock.json says, unless it is there.
set -eu
cd "$(dirname "$0")"
stamp=../../build/.clients-deps
[ -d node_modules ] && [ -f "$stamp" ] && cmp -s package-lock.json "$stamp" && exit 0
mkdir -p ../../build
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error || { echo "clients: npm ci failed" >&2; exit 1; }
cp package-lock.json "$stamp"
