#!/bin/sh
# Builds mlxshim.m with the stand-in for Metal, for tests on Linux: libmlxshim.so with mlxshim.h and mlxshim_faults.h.
#
#   build.sh                               build/standin/libmlxshim.so
#   build.sh FOLDER [SHIM [FLAG...]]       FOLDER/libmlxshim.so, of another mlxshim.m (a mutant) or with more compiler
#                                          options (sanitizers)
#
# OBJECTS=FOLDER links the stand-in's objects of an earlier build in FOLDER, and compiles only SHIM.
set -eu
cd "$(dirname "$0")/.."
. ./common.sh

if [ "$os" = macos ]; then
    echo "$script: skipped, because macOS has Metal and needs no stand-in"
    exit 0
fi
folder=${1:-build/standin}
shim=${2:-metal/mlxshim.m}
if [ $# -ge 2 ]; then shift 2; else shift $#; fi

sh standin/compile.sh "$shim" "$folder" "$@"
objects=${OBJECTS:-$folder}
if [ "$objects" = "$folder" ]; then
    for source in $standin_sources; do
        sh standin/compile.sh "$source" "$folder" "$@"
    done
fi

# The program, not the library, contains the functions of a sanitizer. They stay undefined here.
case "$*" in
    *-fsanitize=*) undefined= ;;
    *) undefined=-Wl,--no-undefined ;;
esac
library=$folder/libmlxshim.so
# shellcheck disable=SC2046,SC2086 # the options and the objects are lists
"$clang" $elf_flags -pthread "$@" $undefined -Wl,--version-script=standin/exports.map \
    "$(object_of "$shim" "$folder")" $(standin_objects "$objects") $standin_libraries -o "$library.$$"
publish "$library.$$" "$library"
