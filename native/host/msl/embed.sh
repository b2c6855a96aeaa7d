#!/bin/sh
# Prints a C source, for native/build, with the headers that kernels are compiled with: kernel.h and those in include.
set -eu
cd "$(dirname "$0")"

echo '#include "../host/msl/headers.h"'
files=$(printf 'kernel.h\n'; cd include && find . -name '*.h' | sed 's|^\./||' | LC_ALL=C sort)
number=0
entries=
for file in $files; do
    path=include/$file
    [ "$file" != kernel.h ] || path=kernel.h
    echo "static const unsigned char header_$number[] = {"
    od -An -v -tu1 "$path" | sed 's/[0-9][0-9]*/&,/g'
    echo '0};'
    entries="$entries    {\"$file\", header_$number, sizeof header_$number - 1},
"
    number=$((number + 1))
done
echo 'const struct header headers[] = {'
printf '%s' "$entries"
echo '};'
echo "const size_t header_count = $number;"
