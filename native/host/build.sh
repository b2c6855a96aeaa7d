#!/bin/sh
# Builds the host shim with a C compiler and no other tool: with this machine's compiler, or with a cross compiler.
#
#   build.sh release [linux-x86_64|linux-aarch64]  native/build/host/<os>-<arch>/libmlxshim_host.{so,dylib}
#                                                  for the jar
#   build.sh faults [linux-x86_64|linux-aarch64]   native/build/faults/<os>-<arch>/libmlxshim_host.{so,dylib}
#                                                  for tests: the same with the functions of mlxshim_faults.h
#
# CC and CROSS_CC name other compilers.
set -eu
cd "$(dirname "$0")/.."
. ./common.sh

case ${1:-} in
    release) variant=host sources=$host_sources defines= ;;
    faults) variant=faults sources="$host_sources $fault_sources" defines=$fault_flags ;;
    *) usage 'release|faults [linux-x86_64|linux-aarch64]' ;;
esac
target=${2:-$os-$arch}
host_compiler "$target"
# A cross compiler can be installed without the C library of its machine.
if ! echo '#include <stdlib.h>' | "$compiler" -E -x c - > /dev/null 2>&1; then
    fail "no C compiler '$compiler' that finds a C library for $target ($compiler_origin)"
fi

case $target in
    linux-x86_64 | linux-aarch64) extension=so options="-include host/glibc.h $elf_flags -Wl,--no-undefined" ;;
    macos-x86_64 | macos-aarch64) extension=dylib options='-dynamiclib -install_name @rpath/libmlxshim_host.dylib' ;;
    *) fail "no shim is built for $target, only for Linux and macOS on x86_64 and aarch64" ;;
esac
embed_headers
library=build/$variant/$target/libmlxshim_host.$extension
mkdir -p "$(dirname "$library")"
# shellcheck disable=SC2086 # the options and the sources are lists
"$compiler" $library_flags -pthread $defines $sources $options -o "$library.$$"
publish "$library.$$" "$library"
