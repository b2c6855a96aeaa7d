#!/bin/sh
# Fails if a Linux library needs a newer glibc than VERSION: such a library does not load on older systems.
#
#   check-glibc.sh VERSION LIBRARY...
#
# READELF names another readelf.
set -eu
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

[ $# -ge 2 ] || usage 'VERSION LIBRARY...'
oldest=$1
shift
# shellcheck disable=SC2086 # the tools are a list
readelf=$(first_tool 'Debian: binutils or llvm-22; READELF= names another' \
    ${READELF:-llvm-readelf-22 llvm-readelf readelf})

failed=0
for library in "$@"; do
    symbols=$("$readelf" --dyn-syms --wide "$library")
    # Lines of a symbol and its version. Every library needs some: if there are none, readelf has another format.
    needed=$(echo "$symbols" | sed -n 's/.* UND \([^ @]*\)@GLIBC_\([0-9.]*\).*/\1 \2/p')
    [ -n "$needed" ] || fail "$library: $readelf lists no symbol of glibc"
    newer=$(echo "$needed" | awk -v oldest="$oldest" '
        BEGIN { split(oldest, limit, ".") }
        { split($2, version, ".") }
        version[1] > limit[1] || version[1] == limit[1] && version[2] + 0 > limit[2] + 0')
    if [ -n "$newer" ]; then
        failed=1
        echo "$newer" | sed "s|\(.*\) \(.*\)|$library: \1 is of glibc \2, newer than $oldest|" >&2
    else
        echo "checked native/$library: loads on glibc $oldest and later"
    fi
done
exit $failed
