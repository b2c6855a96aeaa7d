#!/bin/sh
# Builds mlxshim.m over the stand-in Metal, for tests on Linux: libmlxshim.so with mlxshim.h and mlxshim_faults.h.
#
#   build.sh                               build/standin/libmlxshim.so
#   build.sh FOLDER [SHIM [FLAG...]]       another folder, another mlxshim.m, more flags: mutants, sanitizers
#
# OBJECTS=FOLDER takes the stand-in's own objects from a folder that was built before.
set -eu
cd "$(dirname "$0")/.."

if test "$(uname -s)" = Darwin; then
    echo "build.sh: nothing to stand in for where Metal is"
    exit 0
fi
folder=${1:-build/standin}
shim=${2:-metal/mlxshim.m}
if [ $# -ge 2 ]; then shift 2; else shift $#; fi

sh standin/compile.sh "$shim" "$folder/mlxshim.o" "$@"
objects=${OBJECTS:-$folder}
if [ "$objects" = "$folder" ]; then
    for part in live_objects faults; do
        sh standin/compile.sh host/$part.c "$folder/$part.o" "$@"
    done
    for part in buffer device event residency_set; do
        sh standin/compile.sh standin/$part.m "$folder/$part.o" "$@"
    done
fi

# What a library takes from a sanitizer is in the program, and stays undefined here.
case "$*" in
    *-fsanitize=*) undefined= ;;
    *) undefined=-Wl,--no-undefined ;;
esac
# Linked beside its place and moved there: a JVM that has the old file mapped keeps it whole.
library=$folder/libmlxshim.so
# shellcheck disable=SC2086 # no option where there is none
"${CLANG:-clang-22}" -shared -pthread "$@" $undefined -Wl,-z,relro,-z,now -Wl,--version-script=standin/exports.map \
    "$folder/mlxshim.o" "$objects/live_objects.o" "$objects/faults.o" "$objects/buffer.o" "$objects/device.o" "$objects/event.o" \
    "$objects/residency_set.o" -lBlocksRuntime -lgnustep-base -lobjc -o "$library.new"
mv "$library.new" "$library"
echo "built native/$library ($(wc -c < "$library" | tr -d ' ') bytes)"
