#!/bin/sh
# Builds the Metal shim with the stand-in for Metal, for tests on Linux: libmlxshim.so, with the functions of mlxshim.h
# and mlxshim_faults.h.
#
#   build.sh                               build/standin/libmlxshim.so
#   build.sh FOLDER [SHIM [FLAG...]]       FOLDER/libmlxshim.so, with SHIM (a mutant) in place of the shim's source of
#                                          the same name, or with more compiler options (sanitizers)
#
# OBJECTS=FOLDER links the other objects of an earlier build in FOLDER, and compiles only SHIM.
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

objects=${OBJECTS:-$folder}
if [ "$objects" = "$folder" ]; then
    embed_headers
    for source in $standin_sources; do
        sh standin/compile.sh "$source" "$folder" "$@"
    done
fi
linked=
for source in $shim_sources; do
    if [ "${source##*/}" = "${shim##*/}" ]; then
        source=$shim
    elif [ "$objects" != "$folder" ]; then
        linked="$linked $(object_of "$source" "$objects")"
        continue
    fi
    # shellcheck disable=SC2086 # the options are a list
    sh standin/compile.sh "$source" "$folder" $shim_flags "$@"
    linked="$linked $(object_of "$source" "$folder")"
done

# The program, not the library, contains the functions of a sanitizer. They stay undefined here.
case "$*" in
    *-fsanitize=*) undefined= ;;
    *) undefined=-Wl,--no-undefined ;;
esac
library=$folder/libmlxshim.so
# shellcheck disable=SC2046,SC2086 # the options and the objects are lists
"$clang" $elf_flags -pthread "$@" $undefined -Wl,--version-script=standin/exports.map \
    $linked $(standin_objects "$objects") $standin_libraries -o "$library.$$"
publish "$library.$$" "$library"
