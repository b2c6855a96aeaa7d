#!/bin/sh
# Builds the host shim with the machine's C compiler, and nothing but it. For another machine it takes a cross compiler.
#
#   build.sh release [linux-x86_64|linux-aarch64]  native/build/host/<os>-<arch>/libmlxshim_host.{so,dylib}
#                                                  what goes into the jar
#   build.sh faults [...]                          native/build/faults/<os>-<arch>/libmlxshim_host.{so,dylib}
#                                                  the same with mlxshim_faults.h, for tests
#
# CC and CROSS_CC name other compilers.
set -eu
cd "$(dirname "$0")/.."

case $(uname -s) in
    Linux) os=linux ;;
    Darwin) os=macos ;;
    *) echo "build.sh: $(uname -s) is neither Linux nor macOS" >&2; exit 1 ;;
esac
case $(uname -m) in
    x86_64 | amd64) arch=x86_64 ;;
    aarch64 | arm64) arch=aarch64 ;;
    *) echo "build.sh: no shim is built for the architecture $(uname -m)" >&2; exit 1 ;;
esac
case ${1:-} in
    release) variant=host defines= faults= ;;
    faults) variant=faults defines=-DMLXSHIM_FAULTS faults=host/faults.c ;;
    *) echo "usage: build.sh release|faults [linux-x86_64|linux-aarch64]" >&2; exit 2 ;;
esac
target=${2:-$os-$arch}

case $target in
    "$os-$arch") compiler=${CC:-cc} origin='Debian: gcc and libc6-dev; macOS: xcode-select --install' ;;
    linux-aarch64)
        compiler=${CROSS_CC:-aarch64-linux-gnu-gcc} origin='Debian: gcc-aarch64-linux-gnu and libc6-dev-arm64-cross' ;;
    linux-x86_64)
        compiler=${CROSS_CC:-x86_64-linux-gnu-gcc} origin='Debian: gcc-x86-64-linux-gnu and libc6-dev-amd64-cross' ;;
    *) echo "build.sh: $target cannot be built on $os-$arch" >&2; exit 2 ;;
esac
# A cross compiler can be installed without the C library of its machine.
if ! echo '#include <stdlib.h>' | "$compiler" -E -x c - > /dev/null 2>&1; then
    echo "build.sh: no C compiler '$compiler' that finds a C library for $target ($origin)" >&2
    exit 1
fi
case $target in
    linux-*) extension=so options='-include host/glibc.h -shared -Wl,-z,relro,-z,now -Wl,--no-undefined' ;;
    macos-*) extension=dylib options='-dynamiclib -install_name @rpath/libmlxshim_host.dylib' ;;
esac

library=build/$variant/$target/libmlxshim_host.$extension
mkdir -p "$(dirname "$library")"
# Compiled beside its place and moved there: a JVM that has the old file mapped keeps it whole.
# shellcheck disable=SC2086 # the option lists are lists
"$compiler" -std=gnu11 -O2 -fPIC -pthread -fvisibility=hidden -Wall -Wextra -Werror $defines -Iinclude \
    host/mlxshim_host.c host/live_objects.c $faults $options -o "$library.$$"
mv "$library.$$" "$library"
echo "built native/$library ($(wc -c < "$library" | tr -d ' ') bytes)"
