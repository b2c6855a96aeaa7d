#!/bin/sh
# Fails unless each object or library defines exactly the functions that the header declares.
#
#   check-symbols.sh include/mlxshim.h build/macos/arm64/mlxshim.o ...
set -eu
export LC_ALL=C

if [ $# -lt 2 ]; then
    echo "usage: check-symbols.sh HEADER FILE..." >&2
    exit 2
fi
header=$1
shift

# Debian's GNU nm reads no Mach-O; macOS has LLVM's under the plain name.
for nm in ${NM:-llvm-nm-22 llvm-nm nm}; do
    if command -v "$nm" > /dev/null; then
        break
    fi
    nm=
done
if [ -z "$nm" ]; then
    echo "check-symbols.sh: no llvm-nm-22 on the PATH (Debian: llvm-22; NM= names another)" >&2
    exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sh "$(dirname "$0")/functions.sh" "$header" > "$work/declared"
count=$(wc -l < "$work/declared" | tr -d ' ')

failed=0
for file in "$@"; do
    if [ ! -f "$file" ]; then
        echo "check-symbols.sh: there is no $file to check" >&2
        exit 1
    fi
    # What a shared ELF library exports is in its dynamic table; everything else has one table.
    case $file in
        *.so) "$nm" -D -g --defined-only "$file" > "$work/table" ;;
        *) "$nm" -g --defined-only "$file" > "$work/table" ;;
    esac
    # Mach-O puts an underscore before a C name; GCC's runtime has symbols for the selectors and classes it shares.
    awk 'NF == 3 { print $3 }' "$work/table" | sed -e 's/^_mlxshim_/mlxshim_/' \
        -e '/^\.objc_sel_name/d' -e '/^__objc_class_ref_/d' | sort > "$work/defined"
    comm -23 "$work/declared" "$work/defined" > "$work/missing"
    comm -13 "$work/declared" "$work/defined" > "$work/extra"
    if [ -s "$work/missing" ] || [ -s "$work/extra" ]; then
        failed=1
        sed "s|^|$file: not defined: |" "$work/missing" >&2
        sed "s|^|$file: not declared in $header: |" "$work/extra" >&2
    else
        echo "checked native/$file: defines the $count functions of $header and no other"
    fi
done
exit $failed
