#!/bin/sh
# Fails unless each object or library defines exactly the functions that HEADER declares.
#
#   check-symbols.sh HEADER FILE...
#
# NM names another nm.
set -eu
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
export LC_ALL=C

[ $# -ge 2 ] || usage 'HEADER FILE...'
header=$1
shift
# Mach-O files need LLVM's nm. On macOS its name is plain nm; Debian's nm is GNU's, which reads only ELF.
# shellcheck disable=SC2086 # the tools are a list
nm=$(first_tool 'Debian: llvm-22; NM= names another' ${NM:-llvm-nm-22 llvm-nm nm})

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sh "$(dirname "$0")/functions.sh" "$header" > "$work/declared"
count=$(wc -l < "$work/declared" | tr -d ' ')

failed=0
for file in "$@"; do
    [ -f "$file" ] || fail "there is no $file to check"
    # The dynamic symbol table of an ELF library lists its exports. Other files have a single table.
    case $file in
        *.so) "$nm" -D -g --defined-only "$file" > "$work/table" ;;
        *) "$nm" -g --defined-only "$file" > "$work/table" ;;
    esac
    # Mach-O has an underscore before each C name. GCC's runtime adds symbols for selectors and classes,
    # and clang one for the layout of a block.
    awk 'NF == 3 { print $3 }' "$work/table" | sed -e 's/^_mlxshim_/mlxshim_/' \
        -e '/^\.objc_sel_name/d' -e '/^__objc_class_ref_/d' -e '/^__block_descriptor_/d' | sort > "$work/defined"
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
