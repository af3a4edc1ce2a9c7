#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# packaging/deb.sh VERSION: a Debian package of build/stoa, build/stoa_VERSION_ARCH.deb. The dependencies are those of the
# libraries the program links; the package looks after its user, its state directory and its service.
set -eu
cd "$(dirname "$0")/.."
[ $# = 1 ] || { echo "deb: usage: packaging/deb.sh VERSION" >&2; exit 2; }
version=$1
[ -x build/stoa ] || { echo "deb: build/stoa is missing; make builds it" >&2; exit 1; }
arch=$(dpkg --print-architecture)
tree=build/deb/tree
target=build/stoa_${version}_${arch}.deb
rm -rf build/deb
mkdir -p $tree/DEBIAN build/deb/shlibs/debian

install -D -m 755 build/stoa $tree/usr/bin/stoa
strip --strip-unneeded --remove-section=.comment $tree/usr/bin/stoa
install -D -m 644 packaging/stoa.service $tree/lib/systemd/system/stoa.service
install -D -m 644 README.md $tree/usr/share/doc/stoa/README.md
gzip -9nc CHANGELOG.md > $tree/usr/share/doc/stoa/changelog.gz
cat > $tree/usr/share/doc/stoa/copyright <<'END'
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: stoa

Files: *
Copyright: The Stoa authors
License: Apache-2.0
 On Debian systems the full text of the Apache License, version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.
END
install -D -m 644 /dev/null $tree/etc/default/stoa
cat > $tree/etc/default/stoa <<'END'
# Settings of the service, read at its start; every flag of `stoa serve` has one.
#STOA_LISTEN=127.0.0.1:7862
#STOA_CONFIG=/etc/stoa/stoa.yml
END
chmod 644 $tree/usr/share/doc/stoa/*

# Which packages hold the libraries, and from which version on: dpkg-shlibdeps knows; without it, the packages alone.
dependencies() {
    if command -v dpkg-shlibdeps >/dev/null 2>&1; then
        printf 'Source: stoa\n\nPackage: stoa\nArchitecture: any\n' > build/deb/shlibs/debian/control
        (cd build/deb/shlibs && dpkg-shlibdeps -O "../tree/usr/bin/stoa" 2>/dev/null) | sed -n 's/^shlibs:Depends=//p'
        return
    fi
    ldd $tree/usr/bin/stoa | awk '$3 ~ /^\// { print $3 }' | while read -r library; do
        { dpkg -S "$(readlink -f "$library")" || dpkg -S "$library"; } 2>/dev/null | head -n 1 | cut -d: -f1
    done | sort -u | paste -sd, | sed 's/,/, /g'
}
depends=$(dependencies)
[ -n "$depends" ] || { echo "deb: no dependencies found for build/stoa, which cannot be" >&2; exit 1; }
size=$(du -sk --exclude=DEBIAN $tree | cut -f1)

cat > $tree/DEBIAN/control <<END
Package: stoa
Version: $version
Architecture: $arch
Maintainer: The Stoa authors <stoa@localhost>
Installed-Size: $size
Depends: $depends, adduser
Section: net
Priority: optional
Description: metrics, logs and traces in one program
 Stoa takes in metrics, logs and traces by the protocols that are in use
 (Prometheus remote write, Loki push, OTLP), stores them in files of its own
 and answers PromQL, LogQL and Jaeger's queries, with a page to look at them.
 .
 One program, no other service is needed.
END
echo /etc/default/stoa > $tree/DEBIAN/conffiles

# The service is enabled, and started only where systemd runs: in a chroot or a container nothing starts.
cat > $tree/DEBIAN/postinst <<'END'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    if ! getent passwd stoa >/dev/null; then
        adduser --system --group --quiet --home /var/lib/stoa --no-create-home --gecos "Stoa" stoa
    fi
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload || true
        systemctl enable stoa.service >/dev/null 2>&1 || true
        # A service that ran before an upgrade runs again; the first installation starts it.
        systemctl restart stoa.service || true
    fi
fi
END
cat > $tree/DEBIAN/prerm <<'END'
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
    case "$1" in
    remove|deconfigure) systemctl --quiet disable --now stoa.service || true ;;
    esac
fi
END
cat > $tree/DEBIAN/postrm <<'END'
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
fi
# The data goes only when it is asked for by "purge". The user stays: files elsewhere may be its own.
if [ "$1" = purge ]; then
    rm -rf /var/lib/stoa
fi
END
chmod 755 $tree/DEBIAN/postinst $tree/DEBIAN/prerm $tree/DEBIAN/postrm
find $tree -type d -exec chmod 755 {} +

(cd $tree && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | LC_ALL=C sort -z | xargs -0 md5sum > DEBIAN/md5sums)
dpkg-deb --root-owner-group -Zxz --build $tree "$target" >/dev/null

# What was built is looked at again: readable, complete, nothing outside the places a package may use.
dpkg-deb --info "$target" >/dev/null
dpkg-deb --contents "$target" > build/deb/contents
for path in ./usr/bin/stoa ./lib/systemd/system/stoa.service ./etc/default/stoa ./usr/share/doc/stoa/copyright; do
    grep -q " $path\$" build/deb/contents || { echo "deb: $target lacks $path" >&2; exit 1; }
done
if awk '{ print $2 }' build/deb/contents | grep -qv '^root/root$'; then
    echo "deb: $target holds files that are not root's" >&2
    exit 1
fi
echo "$target"
