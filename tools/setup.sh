#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages of tools/packages.txt that are missing, for the purposes named (build, test, bench), and
# node with npm for the page. With nothing missing it does nothing, without network.
set -eu
cd "$(dirname "$0")/.."
missing=""
for purpose in "$@"; do
    for package in $(awk -v p="$purpose" '$1 == p { print $2 }' tools/packages.txt); do
        if ! dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed'; then
            # A compiler of another package name serves as well.
            case "$package" in
            gcc|g++|make|python3|curl|jq|openssl|clang-14|zstd) command -v "$package" >/dev/null 2>&1 && continue ;;
            esac
            missing="$missing $package"
        fi
    done
done
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
command -v npm >/dev/null 2>&1 || missing="$missing npm"
[ -n "$missing" ] || exit 0
sudo=""
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || { echo "setup: these packages are missing and this user may not install them (no root, no sudo):$missing" >&2; exit 1; }
    sudo="sudo"
fi
command -v apt-get >/dev/null 2>&1 || { echo "setup: no apt-get here; install what these Debian packages hold:$missing" >&2; exit 1; }
echo "setup: installing$missing"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
