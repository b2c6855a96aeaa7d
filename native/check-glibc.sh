#!/bin/sh
# Fails if a Linux library needs a newer glibc than the named one, and so would not load on older systems.
#
#   check-glibc.sh 2.17 build/host/linux-x86_64/libmlxshim_host.so ...
set -eu

if [ $# -lt 2 ]; then
    echo "usage: check-glibc.sh VERSION LIBRARY..." >&2
    exit 2
fi
floor=$1
shift

for readelf in ${READELF:-llvm-readelf-22 llvm-readelf readelf}; do
    if command -v "$readelf" > /dev/null; then
        break
    fi
    readelf=
done
if [ -z "$readelf" ]; then
    echo "check-glibc.sh: no readelf on the PATH (Debian: binutils or llvm-22; READELF= names another)" >&2
    exit 1
fi

failed=0
for library in "$@"; do
    symbols=$("$readelf" --dyn-syms --wide "$library")
    # Lines "symbol version"; a library without any, or a readelf that writes them otherwise, is not one that passes.
    needed=$(echo "$symbols" | sed -n 's/.* UND \([^ @]*\)@GLIBC_\([0-9.]*\).*/\1 \2/p')
    if [ -z "$needed" ]; then
        echo "$library: needs nothing of glibc, which cannot be" >&2
        exit 1
    fi
    newer=$(echo "$needed" | awk -v floor="$floor" '
        BEGIN { split(floor, most, ".") }
        { split($2, version, ".") }
        version[1] > most[1] || version[1] == most[1] && version[2] + 0 > most[2] + 0')
    if [ -n "$newer" ]; then
        failed=1
        echo "$newer" | sed "s|\(.*\) \(.*\)|$library: \1 is of glibc \2, newer than $floor|" >&2
    else
        echo "checked native/$library: loads on glibc $floor and later"
    fi
done
exit $failed
