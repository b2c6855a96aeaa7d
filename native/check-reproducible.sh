#!/bin/sh
# Fails unless a copy of the sources in another folder builds the same bytes.
#
#   check-reproducible.sh TARGETS FILE...    FILEs that `make TARGETS` has built here
set -eu
cd "$(dirname "$0")"
. ./common.sh

[ $# -ge 2 ] || usage 'TARGETS FILE...'
targets=$1
shift

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
for entry in *; do
    test "$entry" = build || cp -R "$entry" "$copy"
done
# shellcheck disable=SC2086 # the targets are a list
(cd "$copy" && "${MAKE:-make}" $targets > /dev/null)
failed=0
for file in "$@"; do
    if cmp "$file" "$copy/$file" >&2; then
        echo "checked native/$file: the same bytes when built in another folder"
    else
        failed=1
    fi
done
exit $failed
