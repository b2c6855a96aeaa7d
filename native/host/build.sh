#!/bin/sh
# Builds the host shim with the machine's C compiler, and nothing but it.
#
#   build.sh release   native/build/host/<os>-<arch>/libmlxshim_host.{so,dylib}    what goes into the jar
#   build.sh faults    native/build/faults/<os>-<arch>/libmlxshim_host.{so,dylib}  the same with mlxshim_faults.h, for tests
set -eu
cd "$(dirname "$0")/.."

case $(uname -s) in
    Linux) os=linux extension=so linking='-shared -Wl,-z,relro,-z,now -Wl,--no-undefined' ;;
    Darwin) os=macos extension=dylib linking='-dynamiclib -install_name @rpath/libmlxshim_host.dylib' ;;
    *) echo "build.sh: $(uname -s) is neither Linux nor macOS" >&2; exit 1 ;;
esac
case $(uname -m) in
    x86_64 | amd64) arch=x86_64 ;;
    aarch64 | arm64) arch=aarch64 ;;
    *) echo "build.sh: no shim is built for the architecture $(uname -m)" >&2; exit 1 ;;
esac
case ${1:-} in
    release) variant=host defines= ;;
    faults) variant=faults defines=-DMLXSHIM_FAULTS ;;
    *) echo "usage: build.sh release|faults" >&2; exit 2 ;;
esac

compiler=${CC:-cc}
if ! command -v "$compiler" > /dev/null; then
    echo "build.sh: no C compiler '$compiler' (Debian: gcc and libc6-dev; macOS: xcode-select --install)" >&2
    exit 1
fi

library=build/$variant/$os-$arch/libmlxshim_host.$extension
mkdir -p "$(dirname "$library")"
# Compiled beside its place and moved there: a JVM that has the old file mapped keeps it whole.
# shellcheck disable=SC2086 # the option lists are lists
"$compiler" -std=gnu11 -O2 -fPIC -pthread -fvisibility=hidden -Wall -Wextra -Werror $defines -Iinclude \
    host/mlxshim_host.c $linking -o "$library.new"
mv "$library.new" "$library"
echo "built native/$library ($(wc -c < "$library" | tr -d ' ') bytes)"
