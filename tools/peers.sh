#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fetches other servers from Debian and unpacks them under build/peers/NAME; nothing is installed, no service is started.
#     tools/peers.sh [NAME...]      NAME: a Debian package; without names those that tests and bench use
# What is there already is kept, then no network is needed.
set -eu
cd "$(dirname "$0")/.."
mkdir -p build/peers
[ $# -gt 0 ] || set -- prometheus prometheus-node-exporter prometheus-blackbox-exporter victoria-metrics systemd-journal-remote libmicrohttpd12
for name in "$@"; do
    [ -f "build/peers/$name/.done" ] && continue
    work="build/peers/.$name.$$"
    rm -rf "$work"
    mkdir -p "$work/root"
    # _apt, the user apt downloads as, may be unable to write here; root then does it and apt only warns.
    if ! (cd "$work" && apt-get download -qq "$name" 2>log); then
        # Lists that are missing or old; refreshing them needs root.
        if [ "$(id -u)" = 0 ]; then apt-get update -qq; else sudo apt-get update -qq; fi
        (cd "$work" && apt-get download -qq "$name" 2>log) || { cat "$work/log" >&2; echo "peers: cannot get Debian package $name" >&2; exit 1; }
    fi
    dpkg -x "$work"/*.deb "$work/root"
    touch "$work/root/.done"
    rm -rf "build/peers/$name"
    mv "$work/root" "build/peers/$name"
    rm -rf "$work"
done
