#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tools/fresh.sh: what a person with a fresh Debian 12 sees. Puts a minimal system under build/fresh, gives it a clean clone
# of the last commit, runs `make run` there until the server answers, then `make test`. Needs root, and the network by the
# machine's own apt sources and proxy settings. FRESH_STEPS="run" leaves the tests out. Ends with "N passed, N failed".
set -u
cd "$(dirname "$0")/.."
READY_SECONDS_MAX=1800 # packages, page and program are made first
root=$PWD/build/fresh
steps=${FRESH_STEPS:-run test}
passed=0 failed=0

[ "$(id -u)" = 0 ] || { echo "fresh: root is needed for debootstrap and chroot" >&2; exit 1; }
command -v debootstrap >/dev/null 2>&1 || apt-get install -y -qq --no-install-recommends debootstrap >/dev/null || exit 1

tell() { # tell ok|failed WHAT
    if [ "$1" = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    printf '%-8s %s\n' "$1" "$2"
}
unmount() {
    for place in proc sys dev/shm dev/pts dev; do
        if mountpoint -q "$root/$place"; then umount "$root/$place" || umount -l "$root/$place"; fi
    done
}
finish() {
    unmount
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ] && [ "$passed" != 0 ]
    exit
}

# The first mirror and the sources as this machine has them, in the one-line form or in deb822.
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    sed -nE 's/^deb +(\[[^]]*\] +)?([^ ]+) +bookworm .*/\2/p' | head -n 1)
if [ -z "$mirror" ]; then
    mirror=$(sed -nE 's/^URIs: *([^ ]+).*/\1/p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
fi
[ -n "$mirror" ] || { echo "fresh: no apt source for bookworm found in /etc/apt" >&2; exit 1; }

unmount
if grep -q " $root/" /proc/self/mounts; then
    echo "fresh: something is still mounted under $root; unmount it first" >&2
    exit 1
fi
rm -rf --one-file-system "$root"
mkdir -p "$root"
trap unmount EXIT
# apt's settings (a proxy, a certificate) hold for debootstrap's downloads only by the environment.
proxy=$(apt-config dump Acquire::http::Proxy 2>/dev/null | sed -nE 's/.*"(.*)";/\1/p' | head -n 1)
[ -n "$proxy" ] && [ -z "${http_proxy:-}" ] && export http_proxy="$proxy"
if debootstrap --variant=minbase --include=ca-certificates,git,make,curl bookworm "$root" "$mirror" > build/fresh.log 2>&1; then
    tell ok "a minimal Debian 12"
else
    tail -n 15 build/fresh.log
    tell failed "a minimal Debian 12 (build/fresh.log)"
    finish
fi

# Sources, proxy, certificates and npm's settings as the machine has them.
rm -f "$root/etc/apt/sources.list"
cp -a /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf /etc/apt/apt.conf.d /etc/apt/auth.conf.d "$root/etc/apt/" 2>/dev/null
cp -a /etc/apt/trusted.gpg.d/. "$root/etc/apt/trusted.gpg.d/" 2>/dev/null
cp -L /etc/resolv.conf /etc/hosts "$root/etc/" 2>/dev/null
cp -a /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/" 2>/dev/null
[ -f "$HOME/.npmrc" ] && cp "$HOME/.npmrc" "$root/root/.npmrc"
for file in /etc/npmrc /usr/etc/npmrc /usr/local/etc/npmrc "${SSL_CERT_FILE:-}" "${CURL_CA_BUNDLE:-}" "${NODE_EXTRA_CA_CERTS:-}"; do
    [ -f "$file" ] && [ ! -e "$root$file" ] && install -D -m 644 "$file" "$root$file"
done
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount --bind /dev "$root/dev"
mount --bind /dev/pts "$root/dev/pts" 2>/dev/null
mount -t tmpfs tmpfs "$root/dev/shm" 2>/dev/null
chroot "$root" update-ca-certificates >/dev/null 2>&1

if git clone -q --no-hardlinks "$PWD" "$root/root/stoa" && [ -z "$(git -C "$root/root/stoa" status --porcelain)" ]; then
    tell ok "a clean clone of $(git rev-parse --short HEAD)"
else
    tell failed "a clean clone"
    finish
fi

inside() { chroot "$root" /usr/bin/env HOME=/root LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin STOA_LISTEN=127.0.0.1:0 sh -c "cd /root/stoa && $1"; }

case " $steps " in *" run "*)
    inside "exec make run" > build/fresh-run.log 2>&1 &
    make_pid=$!
    waited=0 url=""
    while [ $waited -lt $READY_SECONDS_MAX ] && kill -0 $make_pid 2>/dev/null; do
        url=$(sed -nE 's/^.*ready on (http[^ ]+) in.*/\1/p' build/fresh-run.log | head -n 1)
        [ -n "$url" ] && break
        sleep 1
        waited=$((waited + 1))
    done
    if [ -n "$url" ]; then tell ok "make run is ready after $waited s"; else tail -n 20 build/fresh-run.log; tell failed "make run is ready (build/fresh-run.log)"; fi
    if [ -n "$url" ] && inside "curl -fsS $url/-/healthy" >/dev/null && inside "curl -fsS $url/" | grep -qi '<html'; then
        tell ok "it answers, with the page"
    else
        tell failed "it answers, with the page"
    fi
    # The server is a child of make in the chroot: the process whose root is ours and whose name is stoa.
    for dir in /proc/[0-9]*; do
        if [ "$(readlink "$dir/root" 2>/dev/null)" = "$root" ] && [ "$(cat "$dir/comm" 2>/dev/null)" = stoa ]; then
            kill "${dir#/proc/}"
        fi
    done
    kill $make_pid 2>/dev/null
    wait $make_pid 2>/dev/null
    ;;
esac

case " $steps " in *" test "*)
    inside "make test" > build/fresh-test.log 2>&1
    code=$?
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' build/fresh-test.log | tail -n 1)
    echo "make test: ${line:-no result}"
    if [ $code = 0 ] && [ -n "$line" ]; then tell ok "make test"; else tail -n 30 build/fresh-test.log; tell failed "make test (build/fresh-test.log)"; fi
    ;;
esac
finish
